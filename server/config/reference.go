package config

import _ "embed"

// reference is never assigned to: embedding needs a variable.
//
//go:embed reference.toml
var reference string

// Reference is the text of a configuration file that explains every key. What is in force in it are the defaults.
func Reference() string { return reference }

// Minimal is the text of a configuration file that is enough for one interface and any number of relays.
const Minimal = `# The least that lease6d needs. Every other key has a good default.

[leases]
file = "/var/lib/dhcp/dhcpd6.leases"

[server]
interfaces = ["eth1"]
`
