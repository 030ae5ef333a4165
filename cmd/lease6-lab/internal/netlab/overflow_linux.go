package netlab

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// NeighbourOverflows is how often the kernel's table of IPv6 neighbours has been found full since boot. All namespaces
// share the table, and while it is full even multicasts are lost: a lab then fails for what others do on the machine.
func NeighbourOverflows() (sum uint64) {
	data, _ := os.ReadFile("/proc/net/stat/ndisc_cache")
	column := -1
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if column < 0 {
			if column = slices.Index(fields, "table_fulls"); column < 0 {
				return 0
			}
			continue
		}
		if column < len(fields) {
			n, _ := strconv.ParseUint(fields[column], 16, 64)
			sum += n // one line a CPU
		}
	}
	return sum
}
