// Package build tells which version of lease6 this program is, from what the Go tool wrote into it.
package build

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version returns the module's version, the commit it was built from as far as that is known, and Go's version.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return describe(info)
}

func describe(info *debug.BuildInfo) string {
	version, revision, dirty := info.Main.Version, "", ""
	if version == "" {
		version = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = " modified"
		}
	}
	return fmt.Sprintf("%s%s%s (%s %s/%s)", version, revision, dirty, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
