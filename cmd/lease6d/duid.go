package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/atomicfile"
	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/wire"
)

// serverDUID finds the DUID that clients know us by (RFC 9915 §11): the one configured, else the one kept from an
// earlier start, else that of the server whose lease file we took over, so that its clients' Renews are for us, else a
// new one. What was found in the lease file or made is kept.
func serverDUID(static *config.Static, store leases.Store, log *slog.Logger) ([]byte, error) {
	before := store.Acquire().ServerDUID()
	store.Release()
	duid, from, err := findDUID(static, before)
	if err != nil {
		return nil, err
	}
	log.Info("server DUID", "duid", formatDUID(duid), "from", from)
	if len(before) > 0 && !bytes.Equal(before, duid) {
		log.Warn("the lease file names another server DUID: clients of the server that had it before are not answered until they rebind",
			"there", formatDUID(before), "remedy", "to take it over, remove "+static.DUIDFile+" (and server.duid), and start again")
	}
	return duid, nil
}

// findDUID finds the server DUID and says where; before is the lease file's, nil if it has none.
func findDUID(static *config.Static, before []byte) (duid []byte, from string, err error) {
	if static.DUID != nil {
		return static.DUID, "configuration", nil
	}
	text, err := os.ReadFile(static.DUIDFile)
	if err == nil {
		duid, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), ":", ""))
		if err != nil || len(duid) < 3 || len(duid) > wire.MaxDUID {
			return nil, "", fmt.Errorf("%s: %q is no DUID: want 3 to %d hexadecimal bytes with colons; remove the file to have one made",
				static.DUIDFile, strings.TrimSpace(string(text)), wire.MaxDUID)
		}
		return duid, static.DUIDFile, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, "", fmt.Errorf("server DUID: %w", err)
	}
	duid, from = before, "lease file"
	if len(duid) < 3 || len(duid) > wire.MaxDUID {
		duid, from = newDUID(), "new"
	}
	if err := keepDUID(static.DUIDFile, duid); err != nil {
		return nil, "", fmt.Errorf("server DUID: %w; name a writable directory (server.state-dir, --state-dir)", err)
	}
	return duid, from + ", kept in " + static.DUIDFile, nil
}

// newDUID makes a DUID-UUID (RFC 6355 §4, RFC 9915 §11.5) of a random UUID.
func newDUID() []byte {
	duid := make([]byte, 18)
	duid[1] = 4
	rand.Read(duid[2:]) // never fails
	duid[2+6] = duid[2+6]&0x0f | 0x40
	duid[2+8] = duid[2+8]&0x3f | 0x80
	return duid
}

func keepDUID(path string, duid []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, formatDUID(duid))
		return err
	})
}

// formatDUID writes hexadecimal bytes with colons.
func formatDUID(duid []byte) string {
	return strings.TrimSuffix(strings.ReplaceAll(fmt.Sprintf("% x", duid), " ", ":"), ":")
}
