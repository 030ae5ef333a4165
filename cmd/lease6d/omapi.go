package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/omapi"
	"github.com/lease6/lease6/server/omapi/codec"
)

// newOMAPI makes the OMAPI server that the configuration asks for.
func newOMAPI(c *config.OMAPI, store omapi.Store, log *slog.Logger) (*omapi.Server, error) {
	o := omapi.Options{Logger: log.With("part", "omapi"), Allow: c.Allow}
	if c.ISCCodes {
		o.Codes = codec.ISC
	}
	if c.KeyFile != "" {
		key, err := codec.ReadKey(c.KeyFile)
		if err != nil {
			return nil, err
		}
		o.Key = key
	}
	return omapi.New(store, o)
}

// runOMAPI serves OMAPI on all addresses until ctx ends. Without OMAPI it only waits.
func (d *instance) runOMAPI(ctx context.Context, ready func()) error {
	var listeners []net.Listener
	for _, address := range d.cfg.OMAPI.Listen {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address.String())
		if err != nil {
			for _, other := range listeners {
				other.Close()
			}
			return fmt.Errorf("omapi: %w; is ISC dhcpd still running there?", err)
		}
		d.log.Info("serving OMAPI", "address", ln.Addr().String())
		listeners = append(listeners, ln)
	}
	ready()
	var wg sync.WaitGroup
	errs := make([]error, len(listeners))
	for i, ln := range listeners {
		wg.Go(func() { errs[i] = d.omapi.Serve(ctx, ln) })
	}
	<-ctx.Done()
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// reportOMAPI logs what OMAPI has done.
func (d *instance) reportOMAPI() {
	if d.omapi == nil {
		return
	}
	c := d.omapi.Counters()
	d.log.Info("omapi", "counters", fmt.Sprintf("%+v", c))
}
