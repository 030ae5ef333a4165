package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lease6/lease6/cmd/internal/build"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server"
	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/omapi"
)

// instance is a running lease6d.
type instance struct {
	flags  *flags
	cfg    *config.Config
	log    *slog.Logger
	store  store
	omapi  *omapi.Server // nil if OMAPI is not served
	server *server.Server
}

// store is a leases.Store that runs.
type store interface {
	leases.Store
	Run(ctx context.Context, ready func()) error
}

// serve runs until a signal asks it to stop.
func serve(ctx context.Context, f *flags, cfg *config.Config, log *slog.Logger) error {
	log.Info("lease6d", "version", build.Version())
	d := &instance{flags: f, cfg: cfg, log: log}
	if err := d.openStore(); err != nil {
		return err
	}
	duid, err := serverDUID(&cfg.Server, d.store, log)
	if err != nil {
		return err
	}
	if d.server, err = server.New(cfg, d.store, duid, server.Options{Logger: log}); err != nil {
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, handledSignals()...)
	defer signal.Stop(signals)
	return d.run(ctx, signals)
}

// openStore follows the lease file, or owns it if leases come over OMAPI.
func (d *instance) openStore() (err error) {
	if len(d.cfg.OMAPI.Listen) == 0 {
		d.store, err = leases.Open(d.cfg.Leases.File, leases.FileOptions{Logger: d.log})
		return err
	}
	journal, err := leases.OwnFile(d.cfg.Leases.File, leases.JournalOptions{Logger: d.log, Repair: d.flags.repair})
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w; if this datacenter has no leases yet, make an empty file there", err)
		}
		return err
	}
	d.store = journal
	d.omapi, err = newOMAPI(&d.cfg.OMAPI, journal, d.log)
	return err
}

// run starts the parts, one behind the other as each becomes ready, until a signal or the failure of one ends them all,
// the last started first: whoever waits for the store ends before it.
func (d *instance) run(ctx context.Context, signals <-chan os.Signal) error {
	parts := []func(context.Context, func()) error{d.store.Run, d.runOMAPI, d.server.Run}
	failed := make(chan error, len(parts))
	var stops []func()
	defer func() {
		for _, stop := range slices.Backward(stops) {
			stop()
		}
	}()
	for _, part := range parts {
		ctx, cancel := context.WithCancel(ctx)
		ready, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			if err := part(ctx, sync.OnceFunc(func() { close(ready) })); err != nil {
				failed <- err
			}
		}()
		stops = append(stops, func() { cancel(); <-done })
		select {
		case <-ready:
		case err := <-failed:
			return err
		case s := <-signals:
			d.log.Info("stopping before it began", "signal", s.String())
			return nil
		}
	}
	d.log.Info("ready", "hosts", d.store.Status().Hosts, "leases", d.cfg.Leases.File)
	d.notify(daemon.SdNotifyReady)
	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
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
	file, ok := d.store.(*leases.File)
	if !ok {
		d.log.Warn("the lease file is this server's own, there is nothing to take over", "leases", d.cfg.Leases.File)
		return
	}
	if err := file.Reload(ctx); err != nil {
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
	d.reportOMAPI()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	d.log.Info("process", "goroutines", runtime.NumGoroutine(), "heap-bytes", memory.HeapAlloc, "collections", memory.NumGC)
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
