package endure

import (
	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/hotplug"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/soak"
)

// Commands are the commands that see what lease6d endures.
func Commands() []*cobra.Command { return []*cobra.Command{hotplug.Command(), soak.Command()} }
