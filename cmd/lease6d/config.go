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
	"github.com/lease6/lease6/server/config"
)

const defaultConfig = "/etc/lease6/lease6d.toml"

// load reads the configuration that the flags name.
func (f *flags) load() (*config.Config, error) {
	if f.leases == "" {
		if len(f.interfaces) > 0 || f.stateDir != "" || len(f.omapi) > 0 {
			return nil, errors.New("--interface, --omapi and --state-dir go with --leases; in a configuration file they are server.interfaces, omapi.listen and server.state-dir")
		}
		if f.config == "" {
			f.config = defaultConfig
		}
		return config.Load(f.config)
	}
	if len(f.interfaces) == 0 {
		return nil, errors.New("--leases without --interface would serve nobody: name the interface of the VMs or of the relays, as in --interface eth1")
	}
	cfg, err := config.Default(f.leases, f.interfaces)
	if err != nil {
		return nil, err
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
	for _, d := range diagnostics {
		fmt.Fprintln(w, d)
	}
	var names []string
	for i := range cfg.Dynamic.Links {
		names = append(names, cfg.Dynamic.Links[i].Name)
	}
	_, err = fmt.Fprintf(w, "configuration is sound: links %s; %d hosts in %s, %d things to say about it\n",
		strings.Join(names, ", "), ix.Len(), cfg.Leases.File, len(diagnostics))
	return err
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
