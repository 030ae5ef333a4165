package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/lease6/lease6/server/config/strict"
)

// mostBytes is the longest file that is read: a hundred times one of a thousand links.
const mostBytes = 16 << 20

// Load reads the configuration file at that path.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	return Parse(f, path)
}

// Parse reads a configuration. The name is what errors call it by. Whatever is wrong is reported at once: the error
// joins one *strict.Error for each problem. Only of a file that is not TOML the first alone is known.
func Parse(r io.Reader, name string) (*Config, error) {
	data, err := io.ReadAll(io.LimitReader(r, mostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("config: read %s: %w", name, err)
	}
	if len(data) > mostBytes {
		return nil, fmt.Errorf("config: %s has more than %d MiB: is it the configuration?", name, mostBytes>>20)
	}
	d := strict.Open(name, data)
	cfg := readFile(d.Root())
	if err := d.Err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// Default is the configuration without a file: every default, the leases of one file, clients of these interfaces (names
// or patterns) and of all relays on one catch-all link.
func Default(leaseFile string, interfaces []string) (*Config, error) {
	var problems []error
	if leaseFile == "" {
		problems = append(problems, errors.New("config: no lease file is named"))
	}
	for _, name := range interfaces {
		if _, err := parseInterface(name); err != nil {
			problems = append(problems, fmt.Errorf("config: interface %q: %w", name, err))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	cfg, err := Parse(strings.NewReader(""), "defaults")
	if err != nil {
		return nil, err
	}
	cfg.Leases.File = leaseFile
	cfg.Dynamic.Interfaces = append(cfg.Dynamic.Interfaces, interfaces...)
	return cfg, nil
}

// RestartNeeded names the keys that differ between two configurations and that a running server cannot change.
func RestartNeeded(old, new *Config) []string {
	var keys []string
	for _, k := range []struct {
		key     string
		differs bool
	}{
		{"leases.file", old.Leases != new.Leases},
		{"server.workers", old.Server.Workers != new.Server.Workers},
		{"server.receive-buffer", old.Server.ReceiveBytes != new.Server.ReceiveBytes},
		{"server.duid", !bytes.Equal(old.Server.DUID, new.Server.DUID)},
		{"server.state-dir", old.Server.DUIDFile != new.Server.DUIDFile},
		{"omapi.listen", !slices.Equal(old.OMAPI.Listen, new.OMAPI.Listen)},
		{"omapi.allow", !slices.Equal(old.OMAPI.Allow, new.OMAPI.Allow)},
		{"omapi.key-file", old.OMAPI.KeyFile != new.OMAPI.KeyFile},
		{"omapi.status-codes", old.OMAPI.ISCCodes != new.OMAPI.ISCCodes},
	} {
		if k.differs {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// readFile reads the tables of the file, in the order in which the reference describes them.
func readFile(file *strict.Table) *Config {
	cfg := &Config{Leases: Leases{File: "/var/lib/dhcp/dhcpd6.leases"}}
	t := file.Table("leases")
	strict.Read(t, "file", strict.Text(parsePath), &cfg.Leases.File)
	t.Close(home)

	readServer(file.Table("server"), cfg)
	readOMAPI(file.Table("omapi"), &cfg.OMAPI)

	t = file.Table("identity")
	id := &cfg.Dynamic.Identity
	id.Order = []Source{SourceOption79, SourceFrame, SourceEUI64, SourceDUID}
	id.OnMismatch = MismatchServe
	strict.Read(t, "order", strict.Some(strict.Set(strict.Choice(id.Order...))), &id.Order)
	strict.Read(t, "on-mismatch", strict.Choice(MismatchServe, MismatchDrop), &id.OnMismatch)
	t.Close(home)

	t = file.Table("defaults")
	settings := readSettings(t, defaultSettings())
	t.Close(home)

	cfg.Dynamic.Links = readLinks(file, settings)
	file.Close(home)
	return cfg
}

// readServer reads the table [server].
func readServer(t *strict.Table, cfg *Config) {
	static, dynamic := &cfg.Server, &cfg.Dynamic
	static.ReceiveBytes = 32 << 20
	dynamic.Unknown = UnknownRefuse
	stateDir := DefaultStateDir

	strict.Read(t, "interfaces", strict.Set(strict.Text(parseInterface)), &dynamic.Interfaces)
	strict.Read(t, "relays", strict.Set(strict.Text(ParseRelay)), &dynamic.Relays)
	strict.Read(t, "unknown-clients", strict.Choice(UnknownRefuse, UnknownIgnore), &dynamic.Unknown)
	strict.Read(t, "unicast", strict.Boolean, &dynamic.Unicast)
	strict.Read(t, "workers", strict.Integer(0, 256), &static.Workers)
	strict.Read(t, "receive-buffer", strict.Size(64<<10, 1<<30), &static.ReceiveBytes)
	strict.Read(t, "state-dir", strict.Text(parsePath), &stateDir)
	strict.Read(t, "duid", strict.Text(parseDUID), &static.DUID)
	static.DUIDFile = path.Join(stateDir, "server-duid")
	t.Close(home)
}

// statusCodes is which result codes OMAPI answers with.
type statusCodes bool

// String returns the word for it in the file.
func (c statusCodes) String() string {
	if c {
		return "isc"
	}
	return "classic"
}

// readOMAPI reads the table [omapi].
func readOMAPI(t *strict.Table, o *OMAPI) {
	strict.Read(t, "listen", strict.Set(strict.Text(parseListen)), &o.Listen)
	strict.Read(t, "allow", strict.Set(strict.Text(parseClients)), &o.Allow)
	strict.Read(t, "key-file", strict.Text(parsePath), &o.KeyFile)
	var codes statusCodes
	strict.Read(t, "status-codes", strict.Choice(statusCodes(false), statusCodes(true)), &codes)
	o.ISCCodes = bool(codes)
	t.Close(home)
}

// owners remembers where the file gives what to a link, so that nothing belongs to two.
type owners struct {
	names, interfaces, ids map[string]*strict.Node
	prefixes               map[netip.Prefix]*strict.Node
}

// owned makes a parser that refuses what a link has already.
func owned[K comparable](parse strict.Parser[K], taken map[K]*strict.Node) strict.Parser[K] {
	return func(n *strict.Node) (K, bool) {
		v, ok := parse(n)
		if !ok {
			return v, false
		}
		if first := taken[v]; first != nil {
			n.Problem("line %d has it already, and it can belong to one link only: remove it here or there", first.Line())
			return v, false
		}
		taken[v] = n
		return v, true
	}
}

// readLinks reads the tables [[link]]. Without any it makes the catch-all link.
func readLinks(file *strict.Table, base Settings) []Link {
	tables := file.Tables("link", "write [[link]], with two brackets, once for each link")
	if len(tables) == 0 {
		return []Link{{Name: "any", Prefixes: []netip.Prefix{netip.PrefixFrom(netip.IPv6Unspecified(), 0)}, Settings: base}}
	}
	taken := &owners{
		names: make(map[string]*strict.Node), interfaces: make(map[string]*strict.Node), ids: make(map[string]*strict.Node),
		prefixes: make(map[netip.Prefix]*strict.Node),
	}
	links := make([]Link, 0, len(tables))
	for _, t := range tables {
		links = append(links, readLink(t, base, taken))
		t.Close(home)
	}
	return links
}

// readLink reads one link. Prefixes are required: a lease is only given on a link that has a prefix around its address.
func readLink(t *strict.Table, base Settings, taken *owners) Link {
	var l Link
	strict.Read(t, "name", owned(strict.Text(parseLinkName), taken.names), &l.Name)
	if !t.Has("name") {
		t.Problem(`has no name: write name = "…", which logs and metrics use for the link`)
	}
	strict.Read(t, "prefixes", strict.Some(strict.List(owned(strict.Text(parsePrefix), taken.prefixes))), &l.Prefixes)
	if !t.Has("prefixes") {
		t.Problem(`has no prefixes: write those that its addresses are from, or prefixes = ["::/0"] for a link of all clients that no other link has`)
	}
	strict.Read(t, "interfaces", strict.List(owned(strict.Text(parseInterface), taken.interfaces)), &l.Interfaces)
	strict.Read(t, "relay-addresses", strict.List(owned(strict.Text(parseRelay), taken.prefixes)), &l.RelayAddresses)
	var ids []string
	strict.Read(t, "interface-ids", strict.List(owned(strict.Text(parseInterfaceID), taken.ids)), &ids)
	for _, id := range ids {
		l.InterfaceIDs = append(l.InterfaceIDs, []byte(id))
	}
	l.Settings = readSettings(t, base)
	return l
}

// parseLinkName reads a name that is fit for logs and metrics.
func parseLinkName(s string) (string, error) {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	if s == "" || len(s) > 63 || strings.Trim(s, allowed) != "" {
		return "", errors.New("must be 1 to 63 letters, digits, dots, dashes or underscores")
	}
	return s, nil
}

// parseInterfaceID reads the value of an Interface-ID option, text or "hex:" and bytes.
func parseInterfaceID(s string) (string, error) {
	if digits, isHex := strings.CutPrefix(s, "hex:"); isHex {
		b, err := strict.ParseHex(digits)
		if err != nil {
			return "", err
		}
		s = string(b)
	}
	if s == "" || len(s) > 1024 {
		return "", fmt.Errorf("has %d bytes; 1 to 1024 are possible", len(s))
	}
	return s, nil
}
