package config

import (
	"fmt"
	"strings"
)

// dump writes a configuration as text for golden files.
func dump(c *Config) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("leases %s", c.Leases.File)
	line("workers %d receive %d duid %x in %s", c.Server.Workers, c.Server.ReceiveBytes, c.Server.DUID, c.Server.DUIDFile)
	o := &c.OMAPI
	line("omapi %v allow %v key %q isc codes %v", o.Listen, o.Allow, o.KeyFile, o.ISCCodes)
	d := &c.Dynamic
	line("relays %v", d.Relays)
	line("interfaces %q unknown %v unicast %v", d.Interfaces, d.Unknown, d.Unicast)
	line("identity %v on mismatch %v", d.Identity.Order, d.Identity.OnMismatch)
	for _, l := range d.Links {
		line("\nlink %s %v", l.Name, l.Prefixes)
		line("  interfaces %q relays %v ids %q", l.Interfaces, l.RelayAddresses, l.InterfaceIDs)
		line("  t1 %d t2 %d preferred %d valid %d", Seconds(l.T1), Seconds(l.T2), Seconds(l.Preferred), Seconds(l.Valid))
		line("  rapid commit %v preference %d", l.RapidCommit, l.Preference)
		for _, o := range l.Options {
			line("  option %d %x", o.Code, o.Data)
		}
	}
	return b.String()
}
