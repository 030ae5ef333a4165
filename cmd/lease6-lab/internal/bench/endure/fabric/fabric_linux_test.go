package fabric

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
)

// TestFabric: an interface that is deleted and made again is another one, and takes its VM's end with it.
func TestFabric(t *testing.T) {
	a, err := arena.New(1)
	if errors.Is(err, syscall.EPERM) {
		labtest.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := a.Start(-1, nil, "/bin/sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(a, p.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	t.Logf("interfaces are %s", f.Kind)
	seen := make(map[int]bool)
	for _, i := range []int{0, MaxInterfaces - 1} {
		seen[add(t, f, i)] = true
	}
	if err := f.Remove(0); err != nil {
		t.Fatal(err)
	}
	if n, exists, err := f.Exist(); err != nil || n != 1 || exists("v1") || !exists("v4094") {
		t.Errorf("%d interfaces, %v", n, err)
	}
	if err := f.Remove(0); err == nil {
		t.Error("deleted what is not there")
	}
	seen[add(t, f, 0)] = true
	if n, exists, err := f.Exist(); err != nil || n != 2 || !exists("v1") || exists(arena.ServerNIC) {
		t.Errorf("%d interfaces, %v", n, err)
	}
	if len(seen) != 3 {
		t.Errorf("indexes of the VMs' ends: %v", seen)
	}
	err = a.Clients(-1, func() error {
		for name, want := range map[string]bool{"c1": true, "c2": false, "c4094": true} {
			nic, err := net.InterfaceByName(name)
			if (err == nil) != want || want && (nic.Flags&net.FlagUp == 0 || !seen[nic.Index]) {
				t.Errorf("%s: %+v, %v", name, nic, err)
			}
			if want {
				if addrs, err := nic.Addrs(); err != nil || len(addrs) > 0 {
					t.Errorf("%s speaks IP by itself: %v, %v", name, addrs, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, f *Fabric, i int) int {
	t.Helper()
	index, err := f.Add(i)
	if err != nil {
		t.Fatal(err)
	}
	return index
}
