package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/config"
)

const defaultConfig = "/etc/lease6/lease6d.toml"

// load reads the configuration that the flags name.
func (f *flags) load() (*config.Config, error) {
	if f.leases != "" && f.config != "" {
		return nil, errors.New("--config and --leases exclude each other: the lease file is leases.file in a configuration file")
	}
	if f.leases == "" {
		if len(f.interfaces) > 0 || f.stateDir != "" || len(f.omapi) > 0 || len(f.relays) > 0 {
			return nil, errors.New("--interface, --relay, --omapi and --state-dir go with --leases; " +
				"in a configuration file they are server.interfaces, server.relays, omapi.listen and server.state-dir")
		}
		if f.config == "" {
			f.config = defaultConfig
		}
		return config.Load(f.config)
	}
	if len(f.interfaces) == 0 && len(f.relays) == 0 {
		return nil, errors.New("--leases alone would serve nobody: name the interface of the VMs, as in --interface eth1, or the relays, as in --relay 2001:db8::2")
	}
	cfg, err := config.Default(f.leases, f.interfaces)
	if err != nil {
		return nil, err
	}
	for _, text := range f.relays {
		relay, err := config.ParseRelay(text)
		if err != nil {
			return nil, fmt.Errorf("--relay %q: %w", text, err)
		}
		cfg.Dynamic.Relays = append(cfg.Dynamic.Relays, relay)
	}
	for _, text := range f.omapi {
		address, err := netip.ParseAddrPort(text)
		if err != nil || address.Port() == 0 {
			return nil, fmt.Errorf("--omapi %q: want an address and a port, as in 127.0.0.1:7911", text)
		}
		cfg.OMAPI.Listen = append(cfg.OMAPI.Listen, address)
	}
	if f.stateDir != "" {
		cfg.Server.DUIDFile = filepath.Join(f.stateDir, filepath.Base(cfg.Server.DUIDFile))
	}
	return cfg, nil
}

// check says that a configuration is sound, and what is to be said of its lease file.
func (f *flags) check(w io.Writer, cfg *config.Config) error {
	file, err := os.Open(cfg.Leases.File)
	if err != nil {
		return usageError{fmt.Errorf("configuration is sound, but its lease file cannot be read: %w", err)}
	}
	defer file.Close()
	ix, diagnostics, err := leases.Load(file, leases.LoadOptions{File: cfg.Leases.File})
	if err != nil {
		return usageError{err}
	}
	broken := 0
	for _, d := range diagnostics {
		fmt.Fprintln(w, d)
		if d.Severity == isc.Error {
			broken++
		}
	}
	var names []string
	for i := range cfg.Dynamic.Links {
		names = append(names, cfg.Dynamic.Links[i].Name)
	}
	if _, err = fmt.Fprintf(w, "configuration is sound: links %s; hosts in %s: %d\n", strings.Join(names, ", "), cfg.Leases.File, ix.Len()); err != nil {
		return err
	}
	if broken > 0 {
		return fmt.Errorf("the configuration is sound, but %s has what is not served: %d errors", cfg.Leases.File, broken)
	}
	return nil
}

// newLogger makes the logger of the process. Under systemd the journal adds the time itself.
func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var o slog.HandlerOptions
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: want debug, info, warn or error", level)
	}
	o.Level = l
	if os.Getenv("JOURNAL_STREAM") != "" {
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		}
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &o)), nil
	}
	return nil, fmt.Errorf("--log-format %q: want text or json", format)
}
