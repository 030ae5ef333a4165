// Package storetest holds the contract of leases.Store as tests that every Store must pass.
package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
)

// Subject is a store under test.
type Subject struct {
	Store leases.Store
	// Reopen ends the store without giving it a chance to finish anything, and returns one over the same data.
	Reopen func() leases.Store
}

// Run tests the contract; open makes a new, empty store for each test and sees to its end.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Subject)
	}{
		{"answered implies served", answeredImpliesServed},
		{"answered implies durable", answeredImpliesDurable},
		{"conflicts", conflicts},
		{"a refused change leaves no trace", refusedLeavesNoTrace},
		{"address in one step", addressInOneStep},
		{"deleted and created again", deletedAndCreatedAgain},
		{"the caller's memory is not kept", memoryNotKept},
		{"statements verbatim", statementsVerbatim},
		{"what does not read back is refused", unreadable},
		{"watch", watch},
		{"many at once", manyAtOnce},
		{"reading does not allocate", readingDoesNotAllocate},
		{"status", status},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(t, s)
			ix := s.Store.Acquire()
			defer s.Store.Release()
			for _, err := range ix.Check() {
				t.Error(err)
			}
		})
	}
}

// Host makes a host with an address; n is in its MAC and in its address.
func Host(name string, n uint32) *isc.Host {
	h := &isc.Host{Name: name, Dynamic: true, HardwareType: isc.Ethernet, Hardware: make([]byte, 6), Addresses: make([]byte, 16)}
	copy(h.Hardware, []byte{0x52, 0x54})
	binary.BigEndian.PutUint32(h.Hardware[2:], n)
	copy(h.Addresses, []byte{0x20, 1, 0xd, 0xb8})
	binary.BigEndian.PutUint32(h.Addresses[12:], n)
	return h
}

func put(t *testing.T, s leases.Store, h *isc.Host, exclusive bool) {
	t.Helper()
	if err := s.Put(t.Context(), h, exclusive); err != nil {
		t.Fatalf("put %q: %v", h.Name, err)
	}
}

// find returns the host of a name as it is served; nil if there is none.
func find(s leases.Store, name string) *isc.Host {
	ix := s.Acquire()
	defer s.Release()
	id := ix.FindName(name)
	if id == 0 {
		return nil
	}
	h := ix.Host(id)
	return &h
}

// expect compares what is served under a name; nil = nothing.
func expect(t *testing.T, s leases.Store, name string, want *isc.Host) {
	t.Helper()
	got := find(s, name)
	if (got == nil) != (want == nil) || got != nil && !got.Equal(want) {
		t.Errorf("%s is %+v, want %+v", name, got, want)
	}
}

func answeredImpliesServed(t *testing.T, s Subject) {
	put(t, s.Store, Host("a", 1), true)
	ix := s.Store.Acquire()
	mac := leases.MAC(Host("", 1).Hardware)
	id := ix.FindMAC(mac.Key())
	addr, ok := ix.Addr(id, 0)
	byAddr := ix.FindAddr(addr)
	s.Store.Release()
	if id == 0 || !ok || byAddr != id || addr != [16]byte(Host("", 1).Addresses) {
		t.Errorf("by MAC %d, address %x %v, by address %d", id, addr, ok, byAddr)
	}
	if err := s.Store.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	expect(t, s.Store, "a", nil)
}

func answeredImpliesDurable(t *testing.T, s Subject) {
	put(t, s.Store, Host("a", 1), true)
	put(t, s.Store, Host("b", 2), true)
	put(t, s.Store, Host("c", 3), true)
	put(t, s.Store, Host("b", 4), false)
	if err := s.Store.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	again := s.Reopen()
	expect(t, again, "a", Host("a", 1))
	expect(t, again, "b", Host("b", 4))
	expect(t, again, "c", nil)
}

func conflicts(t *testing.T, s Subject) {
	put(t, s.Store, Host("a", 1), true)
	put(t, s.Store, Host("b", 2), true)
	sameMAC := Host("c", 3)
	sameMAC.Hardware = Host("", 1).Hardware
	otherLength := Host("d", 4)
	otherLength.Hardware, otherLength.HardwareType = []byte{1, 2, 3, 4, 5, 6, 7, 8}, 32
	takesMAC := Host("b", 5)
	takesMAC.Hardware = Host("", 1).Hardware
	for _, tt := range []struct {
		name      string
		host      *isc.Host
		exclusive bool
		field, by string // "" = accepted
	}{
		{"same name, exclusive", Host("a", 9), true, "name", "a"},
		{"same MAC, exclusive", sameMAC, true, "mac", "a"},
		{"same MAC, not exclusive", sameMAC, false, "mac", "a"},
		{"update to another's MAC", takesMAC, false, "mac", "a"},
		{"same name, not exclusive", Host("a", 10), false, "", ""},
		{"same name and MAC, not exclusive", Host("a", 10), false, "", ""},
		{"not Ethernet", otherLength, true, "", ""},
		{"the MAC that a had before", sameMAC, true, "", ""},
		{"not Ethernet, again", otherLength, false, "", ""},
	} {
		err := s.Store.Put(t.Context(), tt.host, tt.exclusive)
		if tt.field == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var conflict *leases.ConflictError
		if !errors.Is(err, leases.ErrExists) || !errors.As(err, &conflict) || conflict.Field != tt.field || conflict.Host != tt.by {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := s.Store.Delete(t.Context(), "nobody"); !errors.Is(err, leases.ErrNotFound) {
		t.Errorf("delete nobody: %v", err)
	}
}

func refusedLeavesNoTrace(t *testing.T, s Subject) {
	put(t, s.Store, Host("a", 1), true)
	bad := Host("b", 2)
	bad.Hardware = Host("", 1).Hardware
	if s.Store.Put(t.Context(), bad, true) == nil || s.Store.Put(t.Context(), Host("a", 7), true) == nil || s.Store.Delete(t.Context(), "x") == nil {
		t.Fatal("not refused")
	}
	for _, store := range []leases.Store{s.Store, s.Reopen()} {
		expect(t, store, "a", Host("a", 1))
		expect(t, store, "b", nil)
	}
}

func addressInOneStep(t *testing.T, s Subject) {
	put(t, s.Store, Host("a", 1), true)
	moved := Host("a", 1)
	moved.Addresses[15] = 99
	put(t, s.Store, moved, false)
	ix := s.Store.Acquire()
	old := ix.FindAddr([16]byte(Host("", 1).Addresses))
	s.Store.Release()
	if old != 0 {
		t.Error("the old address is still leased")
	}
	for _, store := range []leases.Store{s.Store, s.Reopen()} {
		expect(t, store, "a", moved)
	}
}

func deletedAndCreatedAgain(t *testing.T, s Subject) {
	for n := range uint32(3) {
		put(t, s.Store, Host("a", 1+n), true)
		if err := s.Store.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s.Store, Host("b", 1), true) // the MAC under another name
	put(t, s.Store, Host("a", 2), true)
	again := s.Reopen()
	expect(t, again, "a", Host("a", 2))
	expect(t, again, "b", Host("b", 1))
}

func memoryNotKept(t *testing.T, s Subject) {
	h := Host("a", 1)
	h.UID = []byte("uid")
	want := h.Clone()
	put(t, s.Store, h, true)
	h.Hardware[5], h.Addresses[15], h.UID[0] = 77, 77, 'x'
	expect(t, s.Store, "a", want)
}

func statementsVerbatim(t *testing.T, s Subject) {
	h := Host("a", 1)
	for _, text := range []string{"supersede dhcp6.name-servers = 20:01:0d:b8:00:00:00:00:00:00:00:00:00:\n                00:00:53;", `execute ("rm", "-rf", "/");`} {
		h.Statements = append(h.Statements, isc.Statement{Text: text})
	}
	put(t, s.Store, h, true)
	for _, store := range []leases.Store{s.Store, s.Reopen()} {
		expect(t, store, "a", h)
	}
}

// unreadable: text that would say something else when it is read, such as a statement that closes its host and opens
// another.
func unreadable(t *testing.T, s Subject) {
	injected := Host("a", 1)
	injected.Statements = []isc.Statement{{Text: "option x 1;\n}\nhost evil {\n  dynamic;"}}
	odd := Host("b", 2)
	odd.Addresses = odd.Addresses[:15]
	for _, h := range []*isc.Host{injected, odd, Host("", 3), {Name: "d", Deleted: true}} {
		if err := s.Store.Put(t.Context(), h, true); err == nil {
			t.Errorf("%q was taken", h.Name)
		}
	}
	for _, name := range []string{"a", "b", "evil", "d"} {
		expect(t, s.Store, name, nil)
	}
}

func watch(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var seen []leases.Change
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		if err := s.Store.Watch(ctx, func(c leases.Change) { mu.Lock(); seen = append(seen, c); mu.Unlock() }); err != nil {
			t.Error(err)
		}
	})
	// When Watch has begun nobody can see from outside: change something until it is seen.
	for n := uint32(0); count() == 0; n++ {
		put(t, s.Store, Host("begin", 1000+n), false)
	}
	put(t, s.Store, Host("end-of-beginning", 1), true)
	const many = 200
	for n := range uint32(many) {
		put(t, s.Store, Host(fmt.Sprint("h", n), 2000+n), true)
	}
	if err := s.Store.Delete(t.Context(), "h7"); err != nil {
		t.Fatal(err)
	}
	want := []leases.Change{{Kind: leases.Put, Name: "end-of-beginning"}}
	for n := range many {
		want = append(want, leases.Change{Kind: leases.Put, Name: fmt.Sprint("h", n)})
	}
	want = append(want, leases.Change{Kind: leases.Deleted, Name: "h7"})
	complete := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) > 0 && seen[len(seen)-1] == want[len(want)-1]
	}
	for end := time.Now().Add(10 * time.Second); !complete() && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	mu.Lock()
	defer mu.Unlock()
	if tail := seen[max(0, len(seen)-len(want)):]; fmt.Sprint(tail) != fmt.Sprint(want) {
		t.Errorf("saw %v", tail)
	}
}

func manyAtOnce(t *testing.T, s Subject) {
	const callers, each = 32, 25
	var wg sync.WaitGroup
	for c := range uint32(callers) {
		wg.Go(func() {
			for i := range uint32(each) {
				name, n := fmt.Sprintf("h%d-%d", c, i), c<<16|i
				if err := s.Store.Put(t.Context(), Host(name, n), true); err != nil {
					t.Error(err)
				}
				// Answered: another create of it must be refused, and everybody must see it.
				if err := s.Store.Put(t.Context(), Host(name, n), true); !errors.Is(err, leases.ErrExists) {
					t.Errorf("%s again: %v", name, err)
				}
				if find(s.Store, name) == nil {
					t.Errorf("%s is not served", name)
				}
				if i%5 == 0 {
					if err := s.Store.Delete(t.Context(), name); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	// All fight for one name and one MAC: each exactly one has.
	won := make(chan string, callers)
	for c := range uint32(callers) {
		wg.Go(func() {
			if s.Store.Put(t.Context(), Host("contested", 1<<30+c), true) == nil {
				won <- "name"
			}
			h := Host(fmt.Sprint("fighter", c), 1<<31)
			if s.Store.Put(t.Context(), h, true) == nil {
				won <- "mac"
			}
		})
	}
	wg.Wait()
	close(won)
	winners := make(map[string]int)
	for w := range won {
		winners[w]++
	}
	if winners["name"] != 1 || winners["mac"] != 1 {
		t.Errorf("winners %v", winners)
	}
	want := callers*each*4/5 + 2
	for _, store := range []leases.Store{s.Store, s.Reopen()} {
		n := store.Acquire().Len()
		store.Release()
		if n != want {
			t.Errorf("%d hosts, want %d", n, want)
		}
	}
}

func readingDoesNotAllocate(t *testing.T, s Subject) {
	put(t, s.Store, Host("a", 1), true)
	key := leases.MAC(Host("", 1).Hardware).Key()
	if n := testing.AllocsPerRun(100, func() {
		ix := s.Store.Acquire()
		if _, ok := ix.Addr(ix.FindMAC(key), 0); !ok {
			t.Error("not found")
		}
		s.Store.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func status(t *testing.T, s Subject) {
	put(t, s.Store, Host("a", 1), true)
	put(t, s.Store, Host("b", 2), true)
	st := s.Store.Status()
	if st.Hosts != 2 || st.Records != 2 || st.Problem != "" || st.Changed.Before(st.Loaded) {
		t.Errorf("%+v", st)
	}
}
