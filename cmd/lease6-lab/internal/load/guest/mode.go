package guest

import "fmt"

// Mode is how clients reach the server.
type Mode uint8

// The modes.
const (
	Relayed Mode = iota // by relays with option 79
	Direct              // as frames on the server's own link
)

// String names the mode as flags do.
func (m Mode) String() string {
	if m == Direct {
		return "direct"
	}
	return "relayed"
}

// ParseMode reads the name of a mode.
func ParseMode(name string) (Mode, error) {
	for _, m := range []Mode{Relayed, Direct} {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("guest: mode %q: want relayed or direct", name)
}
