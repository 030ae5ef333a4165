package load

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

// Exchange is what a client does with the server.
type Exchange uint8

// The exchanges.
const (
	SARR        Exchange = iota // Solicit, Advertise, Request, Reply
	Rapid                       // Solicit with Rapid Commit, Reply
	Renew                       // Renew, Reply
	Information                 // Information-request, Reply
	Mixed                       // of twenty: nine Renews, eight SARR, two Information-requests, one Rapid Commit
	numExchanges
)

var exchangeNames = [numExchanges]string{"sarr", "rapid", "renew", "information", "mixed"}

// String names the exchange as flags do.
func (e Exchange) String() string { return exchangeNames[e] }

// ParseExchange reads the name of an exchange.
func ParseExchange(name string) (Exchange, error) {
	for i, n := range exchangeNames {
		if n == name {
			return Exchange(i), nil
		}
	}
	return 0, fmt.Errorf("load: exchange %q: want one of %s", name, strings.Join(exchangeNames[:], ", "))
}

// mixture is the order of a Mixed run.
var mixture = [20]Exchange{
	Renew, SARR, Renew, SARR, Information, Renew, SARR, Renew, SARR, Rapid,
	Renew, SARR, Renew, SARR, Information, Renew, SARR, Renew, SARR, Renew,
}

// first is the message that begins an exchange.
func (e Exchange) first() byte {
	switch e {
	case Renew:
		return wire.Renew
	case Information:
		return wire.InformationRequest
	}
	return wire.Solicit
}

// Options say what to do. Interface is where direct clients are; Relays and Server are the addresses of the relays and
// of the server that they send to. All belong to the network namespace of the calling thread.
type Options struct {
	Mode      guest.Mode
	Interface string
	Relays    []netip.Addr
	Server    netip.Addr

	Exchange Exchange
	Clients  int     // numbers 0 to Clients-1 take part
	Window   int     // exchanges in flight, in a closed loop; at most that many in an open one, where 0 is 16,384
	Rate     float64 // exchanges begun a second, in an open loop; 0 is a closed loop

	Warmup   time.Duration // before figures are taken
	Duration time.Duration // for which exchanges are begun and figures taken; 0 is until Count are begun
	Count    int           // exchanges at most; 0 is until Duration ends
	Drain    time.Duration // for which to wait for the last answers; 0 is 5 s
	Probe    time.Duration // for which to wait for the server's first answer; 0 is 5 s

	ServerPID int // the process whose CPU is measured; 0 is none
}

const (
	maxWindow         = 1 << 16 // leaves 8 bits of a transaction id to tell the exchanges of a slot apart
	defaultOpenWindow = 1 << 14
	defaultPatience   = 5 * time.Second
)

func (o *Options) complete() error {
	if o.Window == 0 && o.Rate > 0 {
		o.Window = min(defaultOpenWindow, o.Clients)
	}
	if o.Drain == 0 {
		o.Drain = defaultPatience
	}
	if o.Probe == 0 {
		o.Probe = defaultPatience
	}
	switch {
	case o.Clients < 1 || o.Clients > 1<<31:
		return fmt.Errorf("load: %d clients: want 1 to %d", o.Clients, 1<<31)
	case o.Window < 1 || o.Window > maxWindow || o.Window > o.Clients:
		return fmt.Errorf("load: %d exchanges in flight: want 1 to %d, and no more than clients (%d)", o.Window, maxWindow, o.Clients)
	case o.Duration <= 0 && o.Count <= 0:
		return errors.New("load: a run needs a duration or a count, or it would not end")
	case o.Mode == guest.Direct && o.Interface == "":
		return errors.New("load: direct clients need an interface")
	case o.Mode == guest.Relayed && (len(o.Relays) == 0 || !o.Server.IsValid()):
		return errors.New("load: relayed clients need the addresses of relays and server")
	}
	return nil
}

// Result is what came of a run. Durations are nanoseconds in JSON.
type Result struct {
	Exchanges       uint64            `json:"exchanges"` // completed, each with exactly the right answers
	Elapsed         time.Duration     `json:"elapsed"`   // from the first message to the last answer, or to the end of Duration
	Rate            float64           `json:"rate"`      // exchanges a second
	P50             time.Duration     `json:"p50"`       // of an exchange, from when it was to begin to its last answer
	P99             time.Duration     `json:"p99"`
	P999            time.Duration     `json:"p999"`
	Worst           time.Duration     `json:"worst"`
	Retransmissions uint64            `json:"retransmissions"`
	Wrong           uint64            `json:"wrong"`            // answers that were
	Faults          map[string]uint64 `json:"faults,omitempty"` // what was wrong with them
	Stale           uint64            `json:"stale"`            // second answers, after a retransmission
	Unanswered      uint64            `json:"unanswered"`       // exchanges in flight when Drain had passed
	Skipped         uint64            `json:"skipped"`          // exchanges of an open loop not begun, because too many were in flight
	SendErrors      uint64            `json:"send_errors"`
	ServerCPU       time.Duration     `json:"server_cpu"` // of all threads of the server, while figures were taken
	OwnCPU          time.Duration     `json:"own_cpu"`    // of the thread of the generator
	Solicited       uint64            `json:"solicited"`  // neighbour solicitations for clients that were answered
}

// CPUPerExchange is the CPU time of the server for one exchange.
func (r *Result) CPUPerExchange() time.Duration {
	if r.Exchanges == 0 {
		return 0
	}
	return r.ServerCPU / time.Duration(r.Exchanges)
}

// Busy is the part of the elapsed time that the server had a CPU.
func (r *Result) Busy() float64 {
	if r.Elapsed == 0 {
		return 0
	}
	return float64(r.ServerCPU) / float64(r.Elapsed)
}

// String is the result on one line.
func (r *Result) String() string {
	return fmt.Sprintf("%.0f exchanges/s, %.2f µs CPU each (server %.0f %% busy), p50 %v p99 %v p99.9 %v worst %v, %d retransmissions, %d wrong, %d unanswered",
		r.Rate, float64(r.CPUPerExchange())/1e3, 100*r.Busy(), round(r.P50), round(r.P99), round(r.P999), round(r.Worst),
		r.Retransmissions, r.Wrong, r.Unanswered)
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
