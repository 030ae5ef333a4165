package endure

import (
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	var names []string
	for _, c := range Commands() {
		names = append(names, c.Name())
		if !strings.Contains(c.Long, "Exit status") || c.Example == "" {
			t.Errorf("%s: no exit status or example", c.Name())
		}
	}
	if strings.Join(names, " ") != "interfaces soak" {
		t.Errorf("%v", names)
	}
}
