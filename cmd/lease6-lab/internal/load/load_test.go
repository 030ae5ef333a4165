package load

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

func TestOptions(t *testing.T) {
	good := Options{Relays: []netip.Addr{netip.IPv6Loopback()}, Server: netip.IPv6Loopback(), Clients: 100, Window: 10, Count: 1}
	for _, tt := range []struct {
		name string
		edit func(*Options)
		ok   bool
	}{
		{"good", func(*Options) {}, true},
		{"open loop without a window", func(o *Options) { o.Window, o.Rate = 0, 100 }, true},
		{"no clients", func(o *Options) { o.Clients = 0 }, false},
		{"no window", func(o *Options) { o.Window = 0 }, false},
		{"window larger than clients", func(o *Options) { o.Window = 101 }, false},
		{"window too large", func(o *Options) { o.Window, o.Clients = maxWindow+1, 1<<20 }, false},
		{"endless", func(o *Options) { o.Count = 0 }, false},
		{"direct without interface", func(o *Options) { o.Mode = guest.Direct }, false},
		{"no relay", func(o *Options) { o.Relays = nil }, false},
		{"no server", func(o *Options) { o.Server = netip.Addr{} }, false},
	} {
		o := good
		tt.edit(&o)
		if err := o.complete(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestParseExchange(t *testing.T) {
	for e := range numExchanges {
		if got, err := ParseExchange(e.String()); got != e || err != nil {
			t.Errorf("%s: %v, %v", e, got, err)
		}
	}
	if _, err := ParseExchange("dora"); err == nil {
		t.Error("dora is an exchange")
	}
}

// TestPace holds waits against RFC 9915 §15: each is twice the one before, give or take a tenth, up to a limit.
func TestPace(t *testing.T) {
	const s = int64(time.Second)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, tt := range []struct {
		name          string
		kind          byte
		low, high     int64 // of the first
		limit, number int64
	}{
		{"solicit", wire.Solicit, s, s * 11 / 10, 3600 * s, 20},
		{"request", wire.Request, s * 9 / 10, s * 11 / 10, 30 * s, 10},
		{"renew", wire.Renew, 9 * s, 11 * s, 600 * s, 12},
		{"information", wire.InformationRequest, s * 9 / 10, s * 11 / 10, 3600 * s, 20},
	} {
		for range 200 {
			before := paceOf(tt.kind).after(0, tt.kind, rng)
			if before < tt.low || before > tt.high {
				t.Fatalf("%s: first wait %v", tt.name, time.Duration(before))
			}
			for range tt.number {
				next := paceOf(tt.kind).after(before, tt.kind, rng)
				atLimit := next >= tt.limit*9/10 && next <= tt.limit*11/10
				if doubled := next >= before*19/10 && next <= before*21/10 && next <= tt.limit; !doubled && !atLimit {
					t.Fatalf("%s: %v behind %v", tt.name, time.Duration(next), time.Duration(before))
				}
				before = next
			}
			if before < tt.limit*9/10 {
				t.Fatalf("%s: %v after %d waits: never at its limit", tt.name, time.Duration(before), tt.number)
			}
		}
	}
}

// TestWheel turns a wheel by simulated time: each slot is due at its deadline, within two ticks, and not if it has
// ended or its deadline has moved.
func TestWheel(t *testing.T) {
	const n = 2000
	slots := make([]slot, n)
	rng := rand.New(rand.NewPCG(2, 2))
	var w wheel
	w.reset(0)
	for i := range slots {
		slots[i].stage, slots[i].deadline = replied, rng.Int64N(30*int64(time.Second))
		w.add(slots, int32(i))
	}
	for i := 0; i < n; i += 10 {
		slots[i].stage = idle
	}
	for i := 1; i < n; i += 10 {
		slots[i].deadline += int64(5 * time.Second)
	}
	fired := 0
	for now := int64(0); now < 40*int64(time.Second); now += int64(time.Millisecond) {
		w.due(slots, now, func(i int32) {
			s := &slots[i]
			if s.stage == idle || now < s.deadline || now > s.deadline+2*wheelTick {
				t.Fatalf("slot %d due at %v, deadline %v, stage %d", i, time.Duration(now), time.Duration(s.deadline), s.stage)
			}
			s.stage = idle
			fired++
		})
	}
	if fired != n*9/10 {
		t.Errorf("%d were due, want %d", fired, n*9/10)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	rng := rand.New(rand.NewPCG(3, 3))
	var all []int64
	for range 100000 {
		v := int64(1) << rng.IntN(34)
		v += rng.Int64N(v)
		all = append(all, v)
		h.add(v)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		if got := int64(h.quantile(q)); got < want || float64(got) > float64(want)*1.02+1 {
			t.Errorf("quantile %v: %d, want %d", q, got, want)
		}
	}
	if got := int64(h.quantile(1)); got != all[len(all)-1] {
		t.Errorf("largest: %d, want %d", got, all[len(all)-1])
	}
	for _, v := range []int64{-1, 0, 1, 127, 128, 129, 1 << 40, 1<<63 - 1} {
		if b := bucket(v); b < 0 || floor(b) > max(v, 0) || v < 1<<62 && floor(b+1) <= v {
			t.Errorf("%d is in bucket %d, from %d", v, b, floor(b))
		}
	}
	h.add(1<<63 - 1)
}

func TestOrder(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 1000, 65536, 99991} {
		o := newOrder(n)
		seen, near := make([]int, n), 0
		last := -10
		for range 2 * n {
			i := o.take()
			seen[i]++
			if i-last == 1 || last-i == 1 {
				near++
			}
			last = i
		}
		if slices.ContainsFunc(seen, func(times int) bool { return times != 2 }) {
			t.Errorf("%d clients: not each as often as the others", n)
		}
		if n >= 1000 && near > 2 {
			t.Errorf("%d clients: %d times a neighbour", n, near)
		}
	}
}
