package labtest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// patience is how long a test waits for anything. It is long: the tests of several packages share two CPUs.
const patience = 60 * time.Second

// Counter numbers the labs of a test process. The process has one, in a variable of its tests.
type Counter struct{ n atomic.Int32 }

// New makes a lab that is closed at the end of the test, and a context that bounds the test's waiting.
func (c *Counter) New(t testing.TB) (*netlab.Lab, context.Context) {
	t.Helper()
	if err := netlab.Check(); err != nil {
		Missing(t, err.Error())
	}
	transcript, overflows := &transcript{}, netlab.NeighbourOverflows()
	lab, err := netlab.New(fmt.Sprintf("-%d", c.n.Add(1)), netlab.Options{Output: transcript.add})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(func() {
		cancel()
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			transcript.log(t)
			if n := netlab.NeighbourOverflows() - overflows; n > 0 {
				t.Logf("the kernel's neighbour table overflowed %d times in the meantime: something else loads this machine", n)
			}
		}
	})
	return lab, ctx
}
