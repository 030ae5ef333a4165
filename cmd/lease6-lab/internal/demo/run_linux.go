package demo

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// patience is how long the NICs have, by default, to come to what they should be.
const patience = 25 * time.Second

// stage is the demo while it runs.
type stage struct {
	lab *netlab.Lab
	dc  *datacenter.Datacenter
	vms []*vm
	say *narrator
}

// Run runs the demo. It returns ErrWrong if a verdict is wrong, and nil if all are right. Everything that it made is
// gone when it returns.
func Run(ctx context.Context, o Options) (err error) {
	if o.Patience == 0 {
		o.Patience = patience
	}
	say, overflows := newNarrator(o.Out, o.Color), netlab.NeighbourOverflows()
	lab, err := netlab.New("", netlab.Options{Output: say.program})
	if err != nil {
		return err
	}
	defer func() {
		if e := lab.Close(); err == nil {
			err = e
		}
	}()
	s := &stage{lab: lab, say: say}
	if err := s.build(ctx, o); err != nil {
		return err
	}
	verdicts, err := s.play(ctx, o)
	if err != nil {
		return err
	}
	wrong := say.table(verdicts)
	if n := netlab.NeighbourOverflows() - overflows; wrong > 0 && n > 0 {
		say.line("lab", fmt.Sprintf("the kernel's neighbour table overflowed %d times: something else loads this machine; try again without it", n))
	}
	if o.Stay {
		say.lookAround(s, lab.Dir())
		<-ctx.Done()
	}
	if wrong > 0 {
		return fmt.Errorf("%w: %d of %d are wrong", ErrWrong, wrong, len(verdicts))
	}
	return nil
}

// build makes the datacenter, starts the server and gives the VMs their NICs.
func (s *stage) build(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, o.Patience)
	defer cancel()
	binary, err := filepath.Abs(o.Server)
	if err != nil {
		return fmt.Errorf("demo: lease6d: %w", err)
	}
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("demo: lease6d: %w; build it with \"go build ./cmd/lease6d\" and name it with --server", err)
	}
	leases := o.Leases
	if leases == "" {
		leases, s.vms, err = writeLeases(s.lab)
	} else if leases, err = filepath.Abs(leases); err == nil {
		s.vms, err = castFrom(leases)
	}
	if err != nil {
		return err
	}
	s.say.line("lab", "a datacenter of network namespaces: server dc, relay1 (dhcrelay), relay2 (dnsmasq)")
	if s.dc, err = datacenter.New(ctx, s.lab, datacenter.Relayed, datacenter.Told); err != nil {
		return err
	}
	state := filepath.Join(s.lab.Dir(), "state")
	if err := os.Mkdir(state, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	s.say.line("lab", "lease6d serves "+leases)
	if _, err := s.dc.Serve(ctx, binary, "--leases", leases, "--interface", datacenter.VMs, "--state-dir", state); err != nil {
		return err
	}
	for path, relay := range s.dc.Relay {
		if _, err := relay.Tap(datacenter.Up, s.say.relayed(relay.Name, path)); err != nil {
			return err
		}
	}
	return netlab.Each(s.vms, s.boot)
}

// boot makes the VM's machine and NICs.
func (s *stage) boot(v *vm) error {
	m, err := s.lab.Machine(v.name)
	if err != nil {
		return err
	}
	for i, n := range v.nics {
		if err := s.dc.Attach(m, n.name, n.mac.String(), v.path); err != nil {
			return err
		}
		if n.random {
			local := netip.AddrFrom16([16]byte{0xfe, 0x80, 8: 0x3a, 0x91, 0x5c, 0xd7, n.mac[3] ^ 0x5a, n.mac[4] ^ 0x27, n.mac[5] ^ 0xee, 0x91 + byte(i)})
			if err := m.SetLinkLocal(n.name, local); err != nil {
				return err
			}
		}
		n.machine = m
		if n.tap, err = m.Tap(n.name, s.say.packet(v.name, n.name)); err != nil {
			return err
		}
	}
	return nil
}

// play starts all clients at once and waits for the verdicts.
func (s *stage) play(ctx context.Context, o Options) ([]verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Patience)
	defer cancel()
	var verdicts []verdict
	for _, v := range s.vms {
		for _, n := range v.nics {
			verdicts = append(verdicts, verdict{vm: v, nic: n})
		}
	}
	for _, v := range s.vms {
		s.say.line(v.name, v.story)
	}
	err := netlab.Each(s.vms, func(v *vm) error {
		var names []string
		for _, n := range v.nics {
			names = append(names, n.name)
		}
		_, err := v.client.Start(ctx, v.nics[0].machine, names, v.identity)
		return err
	})
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	for i := range verdicts {
		wg.Go(func() { verdicts[i].await(ctx, s.say) })
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && ctx.Err() == context.Canceled {
		return nil, fmt.Errorf("demo: interrupted: %w", err)
	}
	// Only now, when everybody has what it will get, does an address on a second NIC show.
	for i := range verdicts {
		verdicts[i].look()
	}
	return verdicts, nil
}
