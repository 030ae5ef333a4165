package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lease6/lease6/cmd/internal/build"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server"
	"github.com/lease6/lease6/server/config"
)

// instance is a running lease6d.
type instance struct {
	flags  *flags
	cfg    *config.Config
	log    *slog.Logger
	store  *leases.File
	server *server.Server
}

// serve runs until a signal asks it to stop.
func serve(ctx context.Context, f *flags, cfg *config.Config, log *slog.Logger) error {
	log.Info("lease6d", "version", build.Version())
	store, err := leases.Open(cfg.Leases.File, leases.FileOptions{Logger: log})
	if err != nil {
		return err
	}
	duid, err := serverDUID(&cfg.Server, store, log)
	if err != nil {
		return err
	}
	srv, err := server.New(cfg, store, duid, server.Options{Logger: log})
	if err != nil {
		return err
	}
	d := &instance{flags: f, cfg: cfg, log: log, store: store, server: srv}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, handledSignals()...)
	defer signal.Stop(signals)
	return d.run(ctx, signals)
}

// run runs the parts, one behind the other as each becomes ready, until a signal or the failure of one ends them all.
func (d *instance) run(ctx context.Context, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil) // before Wait
	for _, part := range []func(context.Context, func()) error{d.store.Run, d.server.Run} {
		ready := make(chan struct{})
		wg.Go(func() {
			if err := part(ctx, sync.OnceFunc(func() { close(ready) })); err != nil {
				cancel(err)
			}
		})
		select {
		case <-ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		case s := <-signals:
			d.log.Info("stopping before it began", "signal", s.String())
			return nil
		}
	}
	s := d.store.Status()
	d.log.Info("ready", "hosts", s.Hosts, "leases", d.cfg.Leases.File)
	d.notify(daemon.SdNotifyReady)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case s := <-signals:
			if stop := d.signal(ctx, s); stop {
				d.log.Info("stopping", "signal", s.String())
				d.notify(daemon.SdNotifyStopping)
				return nil
			}
		}
	}
}

// notify tells systemd, if it wants to know.
func (d *instance) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		d.log.Warn("cannot notify systemd", "error", err)
	}
}

// reloadConfig puts a changed configuration into force, or refuses it and keeps the old one.
func (d *instance) reloadConfig() {
	d.notify(daemon.SdNotifyReloading)
	defer d.notify(daemon.SdNotifyReady)
	cfg, err := d.flags.load()
	if err == nil {
		err = d.server.Reload(cfg)
	}
	if err != nil {
		d.log.Error("configuration refused, going on with the old one", "error", err)
		return
	}
	for _, what := range config.RestartNeeded(d.cfg, cfg) {
		d.log.Warn("this change needs a restart", "setting", what)
	}
	d.log.Info("configuration reloaded", "links", len(cfg.Dynamic.Links))
}

// takeLeases takes the lease file as it stands.
func (d *instance) takeLeases(ctx context.Context) {
	if err := d.store.Reload(ctx); err != nil {
		d.log.Error("lease file not taken, going on with the leases read before", "error", err)
	}
}

// report logs what an operator asks for first.
func (d *instance) report() {
	s := d.store.Status()
	d.log.Info("leases", "hosts", s.Hosts, "loaded", s.Loaded, "changed", s.Changed, "reloads", s.Reloads, "records", s.Records,
		"errors", s.Errors, "warnings", s.Warnings, "kept", s.Kept, "problem", s.Problem)
	c := d.server.Counters()
	var counts []any
	for name, n := range c.All() {
		counts = append(counts, name, n)
	}
	d.log.Info("packets", counts...)
	for _, w := range d.server.Workers() {
		d.log.Info("socket "+w.Name, "stats", fmt.Sprintf("%+v", w.Socket))
	}
	const most = 100
	for i, x := range d.server.Sightings() {
		if i == most {
			break
		}
		args := []any{"mac", x.MAC, "link", x.Link, "duid", formatDUID(x.DUID), "first", x.First, "last", x.Last, "count", x.Count}
		if x.Kind == server.IdentityMismatch {
			args = append(args, "claimed-mac", x.Claimed)
		}
		d.log.Info(x.Kind.String(), args...)
	}
}
