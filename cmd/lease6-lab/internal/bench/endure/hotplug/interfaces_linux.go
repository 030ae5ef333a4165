package hotplug

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/fabric"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/vitals"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

// comings is a run in which interfaces come and go.
type comings struct {
	o       Options
	subject vitals.Subject
	fabric  *fabric.Fabric
	crowd   *crowd
	report  Report
}

// Run makes interfaces, deletes them and makes them again, and looks at the service and at lease6d.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	pins, err := bench.FindPins()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lease6-interfaces-")
	if err != nil {
		return nil, fmt.Errorf("hotplug: %w", err)
	}
	defer os.RemoveAll(dir)
	a, err := arena.New(1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	r := &comings{o: o, crowd: newCrowd(o.Interfaces)}
	if err := r.start(ctx, a, dir, pins.Server); err != nil {
		return nil, err
	}
	if r.fabric, err = fabric.New(a, r.subject.Process.PID); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.fabric.Close()) }()

	living, end := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end(nil) // before Wait
	wg.Go(func() {
		if err := a.Clients(pins.Clients, func() error { return r.crowd.run(living) }); err != nil {
			end(err)
		}
	})
	if err := r.measure(living); err != nil {
		return nil, err
	}
	return &r.report, nil
}

// start starts lease6d, which has no interface yet of those that it is to serve.
func (r *comings) start(ctx context.Context, a *arena.Arena, dir string, cpu int) error {
	p, err := peers.Find("lease6d", r.o.Programs)
	if err != nil {
		return err
	}
	args, env, err := p.Configure(&peers.Site{Dir: dir, Hosts: r.o.Interfaces, Mode: guest.Direct, Interface: fabric.Prefix + "*"})
	if err != nil {
		return err
	}
	process, err := a.Start(cpu, env, args...)
	if err != nil {
		return err
	}
	r.subject = vitals.Subject{Process: process, Begin: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, p.Start(r.o.Interfaces))
	defer cancel()
	return process.AwaitOutput(ctx, "msg=ready", 1)
}

func (r *comings) measure(ctx context.Context) (err error) {
	o, rep := &r.o, &r.report
	rep.Kind, rep.Interfaces, rep.Sample, rep.Asked = r.fabric.Kind, o.Interfaces, o.Sample, o.Rate
	fmt.Fprintf(o.Progress, "interfaces are %s\n", rep.Kind)
	if err := r.appear(ctx); err != nil {
		return err
	}
	if _, err := r.joined(ctx); err != nil {
		return err
	}
	sample, others := o.split()
	quiet := max(min(o.Time/4, 5*time.Second), time.Second)
	if rep.Quiet, _, err = r.phase(ctx, sample, func(ctx context.Context) error { return pause(ctx, quiet) }); err != nil {
		return err
	}
	if rep.Before, err = r.subject.Look(ctx); err != nil {
		return err
	}
	fmt.Fprintf(o.Progress, "before: %s\n", rep.Before)
	if rep.Churn, rep.Again, err = r.phase(ctx, sample, func(ctx context.Context) error { return r.churn(ctx, others) }); err != nil {
		return err
	}
	if rep.Memberships, err = r.joined(ctx); err != nil {
		return err
	}
	r.crowd.askAll()
	if err := r.crowd.await(ctx, o.Interfaces); err != nil {
		return err
	}
	if _, rep.Last, err = r.phase(ctx, nil, func(context.Context) error { return nil }); err != nil {
		return err
	}
	rep.After, err = r.subject.Look(ctx)
	return err
}

// appear makes all interfaces.
func (r *comings) appear(ctx context.Context) error {
	begin := time.Now()
	for i := range r.o.Interfaces {
		if err := r.arrive(i); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	rep := &r.report
	rep.Made = time.Since(begin)
	if err := r.crowd.await(ctx, r.o.Interfaces); err != nil {
		return err
	}
	var t Tally
	t, rep.First = r.crowd.take()
	fmt.Fprintf(r.o.Progress, "%d interfaces made in %v, %d VMs answered, the slowest after %v\n", r.o.Interfaces, ms(rep.Made),
		rep.First.Answered, ms(rep.First.Times.Worst))
	if t.Wrong > 0 {
		return fmt.Errorf("hotplug: %d wrong answers while the interfaces were made: %v", t.Wrong, t.Faults)
	}
	return nil
}

// arrive makes the interface of a VM.
func (r *comings) arrive(i int) error {
	index, err := r.fabric.Add(i)
	if err != nil {
		return err
	}
	r.crowd.arrivals <- arrival{i, index, time.Now()}
	return nil
}

// phase serves the sample while something is done. It also returns how VMs with new interfaces have fared meanwhile.
func (r *comings) phase(ctx context.Context, sample []int, do func(context.Context) error) (p Phase, a Appeared, err error) {
	pid := r.subject.Process.PID
	before, err := load.ProcessCPU(pid)
	if err != nil {
		return p, a, err
	}
	begin := time.Now()
	r.crowd.sample(sample, r.o.Exchanges)
	err = do(ctx)
	r.crowd.sample(sample, 0)
	if err != nil {
		return p, a, err
	}
	p.Length = time.Since(begin)
	after, err := load.ProcessCPU(pid)
	if err != nil {
		return p, a, err
	}
	p.CPU = float64(after-before) / float64(p.Length)
	// What is in flight is answered or lost within two seconds.
	for r.crowd.inFlight() > 0 {
		if err := pause(ctx, time.Millisecond); err != nil {
			return p, a, err
		}
	}
	p.Sample, a = r.crowd.take()
	return p, a, nil
}

// churn has interfaces come and go, waits until the last VM is answered, and looks at lease6d when a third of the time is
// over.
func (r *comings) churn(ctx context.Context, others []int) error {
	var wg sync.WaitGroup
	var looked error
	wg.Go(func() {
		if looked = pause(ctx, r.o.Time/3); looked == nil {
			r.report.Third, looked = r.subject.Look(ctx)
		}
	})
	for _, i := range others {
		r.crowd.answered <- i
	}
	err := r.comeAndGo(ctx)
	if err == nil {
		err = r.crowd.await(ctx, len(others))
	}
	wg.Wait()
	return errors.Join(err, looked)
}

// comeAndGo deletes interfaces and makes them again at the rate, each after its VM was answered.
func (r *comings) comeAndGo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Time)
	defer cancel()
	begin := time.Now()
	for {
		n := r.report.Cycles
		if pause(ctx, time.Until(begin.Add(time.Duration(float64(n)/r.o.Rate*float64(time.Second))))) != nil {
			break
		}
		select {
		case i := <-r.crowd.answered:
			if err := errors.Join(r.fabric.Remove(i), r.arrive(i)); err != nil {
				return err
			}
			r.report.Cycles++
		case <-ctx.Done():
		}
	}
	r.report.Rate = float64(r.report.Cycles) / time.Since(begin).Seconds()
	if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// joined waits until lease6d has the groups of every interface, and no other.
func (r *comings) joined(ctx context.Context) (m vitals.Memberships, err error) {
	for until := time.Now().Add(patience); ; {
		n, exists, err := r.fabric.Exist()
		if err != nil {
			return m, err
		}
		if m, err = r.subject.Memberships(exists, n); err != nil || m.Complete() || time.Now().After(until) {
			return m, err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return m, err
		}
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
