package leases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lease6/lease6/leases/isc"
)

// batchMost is how many changes share one sync.
const batchMost = 256

// Run writes changes until ctx ends. It calls ready once it does. It can run once.
func (j *Journal) Run(ctx context.Context, ready func()) error {
	defer func() { j.file.Close() }() // the one there is then
	defer j.dropRewrite()
	defer close(j.ended)
	ready()
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-j.requests:
			j.commit(j.collect(r))
			j.rewriteIfLarge()
		case err := <-j.rewriting.round():
			j.goOnRewriting(err)
		case <-tick.C:
			j.checkOwned()
			j.rollBack()
		}
	}
}

// collect takes all requests that are waiting.
func (j *Journal) collect(first *request) []*request {
	batch := []*request{first}
	for len(batch) < batchMost {
		select {
		case r := <-j.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// commit carries out requests in order. Those that have to do with one another go to the disk one behind the other, so
// that each is judged by what the one before it has done; all others together.
func (j *Journal) commit(batch []*request) {
	for len(batch) > 0 {
		touched := make(map[any]bool)
		n := 0
		for n < len(batch) && j.touch(batch[n], touched) {
			n++
		}
		j.commitTogether(batch[:n])
		batch = batch[n:]
	}
}

// touch notes what a request has to do with, and reports whether nothing before it has.
func (j *Journal) touch(r *request, touched map[any]bool) bool {
	things := []any{r.name}
	if r.group != nil {
		things = []any{[1]string{r.name}} // groups have names of their own
	}
	if r.host != nil && len(r.host.Hardware) == 6 {
		things = append(things, MAC(r.host.Hardware))
	}
	if id := j.index.FindName(r.name); id != 0 && r.group == nil {
		things = append(things, macOf(j.index.Key(id)))
	}
	for _, t := range things {
		if touched[t] && t != any(MAC{}) {
			return false
		}
	}
	for _, t := range things {
		touched[t] = true
	}
	return true
}

// commitTogether judges requests that are independent of one another, writes those that are right with one sync, and
// publishes and answers them.
func (j *Journal) commitTogether(batch []*request) {
	var text []byte
	answers := make([]error, len(batch))
	for i, r := range batch {
		if answers[i] = j.judge(r); answers[i] == nil {
			text = j.appendText(text, r)
		}
	}
	if len(text) > 0 {
		if err := j.write(text); err != nil {
			for i := range answers {
				if answers[i] == nil {
					answers[i] = err
				}
			}
		}
	}
	j.publish(batch, answers)
	for i, r := range batch {
		r.done <- answers[i]
	}
}

// judge says why a request is refused, nil if it is not. Only this goroutine changes the index: it reads without lock.
func (j *Journal) judge(r *request) error {
	if r.group != nil {
		return nil
	}
	id := j.index.FindName(r.name)
	if r.host == nil {
		if id == 0 {
			return fmt.Errorf("%w: %q", ErrNotFound, r.name)
		}
		return nil
	}
	if r.exclusive && id != 0 {
		return &ConflictError{Field: "name", Host: r.name}
	}
	if r.host.HardwareType != isc.Ethernet || len(r.host.Hardware) != 6 {
		return nil
	}
	key := MAC(r.host.Hardware).Key()
	if id != 0 && j.index.Key(id) == key {
		return nil // it keeps the MAC that it has, whoever shares it
	}
	for other := j.index.FindMAC(key); other != 0; other = j.index.NextMAC(other) {
		if other != id {
			return &ConflictError{Field: "mac", Host: j.index.Name(other)}
		}
	}
	return nil
}

// updateMark ends the deleted record of an update, where ISC dhcpd has no blank. If a crash cuts the full record behind
// it, in part or as a whole, the next start sees that the host was to be changed, not deleted, and drops both.
const updateMark = "\n }"

// appendText appends what ISC dhcpd would write, but for updateMark: for an update a deleted record and a full one.
func (j *Journal) appendText(text []byte, r *request) []byte {
	if r.group != nil {
		return isc.AppendGroup(text, r.group)
	}
	if id := j.index.FindName(r.name); id != 0 {
		dynamic := j.index.entries[id].flags&flagDynamic != 0
		text = isc.AppendHost(text, &isc.Host{Name: r.name, Dynamic: dynamic, Deleted: true})
		if r.host != nil {
			text = append(text[:len(text)-len("\n}\n")], updateMark+"\n"...)
		}
	}
	if r.host != nil {
		text = isc.AppendHost(text, r.host)
	}
	return text
}

// write makes text durable. A failure is final: what a failed sync left on the disk nobody knows, and trying again can
// only pretend.
func (j *Journal) write(text []byte) error {
	if j.failed == nil {
		j.checkOwned()
	}
	if j.failed != nil {
		return j.failed
	}
	_, err := j.disk.write(j.file, text)
	if err == nil {
		err = j.disk.sync(j.file)
	}
	if err != nil {
		j.half = true
		j.rollBack()
		j.fail(err)
		return j.failed
	}
	j.size += int64(len(text))
	return nil
}

// rollBack takes away what a failed write left behind: it was not acknowledged, so it must not come back. If that fails
// it is tried again from time to time. If it never succeeds, half a record is dropped at the next start, and whole ones
// may come back: whoever wanted them was told that their fate is unknown.
func (j *Journal) rollBack() {
	if !j.half {
		return
	}
	if err := j.disk.truncate(j.file, j.size); err != nil {
		j.log.Debug("cannot take back what could not be written", "file", j.path, "error", err)
		return
	}
	j.half = false
}

func (j *Journal) fail(err error) {
	j.failed = fmt.Errorf("%w: %s: %w", ErrFailed, j.path, err)
	j.log.Error("no lease can be changed until the next start; serving those there are", "error", j.failed)
	j.statusMu.Lock()
	j.status.Problem = j.failed.Error()
	j.statusMu.Unlock()
}

// checkOwned notices when somebody puts another file in the place of ours: what we write would be lost.
func (j *Journal) checkOwned() {
	if j.failed != nil {
		return
	}
	ours, err1 := j.file.Stat()
	there, err2 := os.Stat(j.path)
	if err := errors.Join(err1, err2); err != nil {
		j.fail(err)
		return
	}
	if !os.SameFile(ours, there) {
		j.fail(errors.New("another program has replaced the file"))
	} else if ours.Size() != j.size {
		j.fail(fmt.Errorf("another program writes to the file: it has %d bytes instead of %d", ours.Size(), j.size))
	}
}

// publish puts what was written into force.
func (j *Journal) publish(batch []*request, answers []error) {
	var changes []Change
	j.mu.Lock()
	for i, r := range batch {
		switch {
		case answers[i] != nil:
		case r.group != nil:
			j.index.sets.setGroup(r.group)
			changes = append(changes, Change{Kind: Reloaded}) // for all of its hosts
		case r.host != nil:
			j.index.put(r.host)
			changes = append(changes, Change{Kind: Put, Name: r.name})
		default:
			j.index.remove(j.index.FindName(r.name))
			changes = append(changes, Change{Kind: Deleted, Name: r.name})
		}
	}
	crowded, hosts := j.index.crowded(), j.index.Len()
	j.mu.Unlock()
	if crowded {
		j.compact()
	}
	if len(changes) > 0 {
		j.statusMu.Lock()
		j.status.Hosts, j.status.Changed = hosts, time.Now()
		j.status.Records += uint64(len(changes))
		j.statusMu.Unlock()
		j.watchers.publish(changes)
	}
}
