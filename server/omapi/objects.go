package omapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
	"github.com/lease6/lease6/server/omapi/record"
)

// answer is what a request that was carried out is answered with; without object it is a status.
type answer struct {
	handle uint32
	object []codec.Value
}

// intent is what an open wants beside looking up.
type intent struct{ create, update, exclusive bool }

// carryOut does what a message asks for.
func (s *session) carryOut(ctx context.Context, m *codec.Message) (answer, *codec.Refusal) {
	switch m.Op {
	case codec.Open:
		return s.open(ctx, m)
	case codec.Refresh:
		return s.refresh(m.Handle)
	case codec.Update:
		return s.update(ctx, m)
	case codec.Delete:
		return answer{}, s.delete(ctx, m.Handle)
	}
	return answer{}, codec.Refuse(codec.NotImplemented, "%v not implemented yet", m.Op)
}

func (s *session) open(ctx context.Context, m *codec.Message) (answer, *codec.Refusal) {
	var want intent
	for _, flag := range [...]struct {
		name string
		set  *bool
	}{{"create", &want.create}, {"update", &want.update}, {"exclusive", &want.exclusive}} {
		switch v, _ := codec.Find(m.Values, flag.name); len(v) {
		case 0:
		case 4:
			*flag.set = v[0]|v[1]|v[2]|v[3] != 0
		default:
			return answer{}, codec.Refuse(codec.InvalidArgument, "invalid %s flag value", flag.name)
		}
	}
	kind, _ := codec.Find(m.Values, "type")
	switch string(kind) {
	case "":
		if want.create {
			return answer{}, codec.Refuse(codec.InvalidArgument, "type required on create")
		}
		return s.refresh(m.Handle)
	case "authenticator":
		return s.openKey(m, want.create || want.update)
	case "host":
		return s.openHost(ctx, m, want)
	case "group":
		return s.openGroup(ctx, m, want)
	case "lease":
		if !want.create { // as ISC says in -6 of every lease
			return answer{}, codec.Refuse(codec.NotFound, "no object matches specification")
		}
	}
	return answer{}, codec.Refuse(codec.NotImplemented, "no objects of type %.40q here: host and group are served", kind)
}

func (s *session) openHost(ctx context.Context, m *codec.Message, want intent) (answer, *codec.Refusal) {
	var a record.Attributes
	if refused := a.Read(m.Object); refused != nil {
		return answer{}, refused
	}
	var h isc.Host
	clash := ""
	ix := s.server.store.Acquire()
	found := s.lookup(ix, &a)
	if found.id != 0 {
		h = ix.Host(found.id)
	}
	if found.clash != 0 {
		clash = record.RealName(ix.Name(found.clash))
	}
	s.server.store.Release()

	name := record.RealName(h.Name)
	switch {
	case clash != "":
		return answer{}, codec.Refuse(codec.KeyConflict, "object lookup failed: the %s is that of host %q, another key that of %q", found.key, name, clash)
	case found.id == 0 && want.create:
		return s.createHost(ctx, &a)
	case found.id == 0, found.missing && !want.create && !(want.update && found.key == "name"):
		return answer{}, codec.Refuse(codec.NotFound, "no object matches specification")
	case !want.create && !want.update:
		return s.showHost(&h), nil
	case found.missing && found.key != "name":
		return answer{}, codec.Refuse(codec.KeyConflict, "the %s is that of host %q", found.key, name)
	case want.create && want.exclusive, found.missing && !want.update:
		return answer{}, codec.Refuse(codec.AlreadyExists, "specified object already exists: host %q", name)
	}
	return s.changeHost(ctx, h.Name, &a)
}

// createHost makes a host of which no key was found. Whoever else makes it at the same time, the store decides.
func (s *session) createHost(ctx context.Context, a *record.Attributes) (answer, *codec.Refusal) {
	name := string(a.Name)
	if name == "" {
		var random [6]byte
		rand.Read(random[:])
		name = fmt.Sprintf("nh%08x%x", time.Now().Unix(), random)
	}
	h := isc.Host{Name: record.StoredName(name), Dynamic: true}
	if refused := a.Apply(&h); refused != nil {
		return answer{}, refused
	}
	if refused := s.put(ctx, &h, a, true); refused != nil {
		return answer{}, refused
	}
	s.server.counters.Created.Add(1)
	s.changed("host created", "host", name, "new", record.Describe(&h))
	return s.showHost(&h), nil
}

// changeHost changes a host in one step.
func (s *session) changeHost(ctx context.Context, stored string, a *record.Attributes) (answer, *codec.Refusal) {
	defer s.server.locks.lock(stored)()
	ix := s.server.store.Acquire()
	id := ix.FindName(stored)
	var h isc.Host
	if id != 0 {
		h = ix.Host(id)
	}
	s.server.store.Release()
	if id == 0 {
		return answer{}, codec.Refuse(codec.NotFound, "no matching handle: the host was deleted")
	}
	if n := string(a.Name); a.Name != nil && n != stored && record.StoredName(n) != stored {
		return answer{}, codec.Refuse(codec.AlreadyExists, "the name of a host cannot be changed: delete it and create another")
	}
	old := h.Clone()
	if refused := a.Apply(&h); refused != nil {
		return answer{}, refused
	}
	if h.Equal(old) {
		return s.showHost(&h), nil
	}
	h.Dynamic = true // or ISC dhcpd would forget it
	if refused := s.put(ctx, &h, a, false); refused != nil {
		return answer{}, refused
	}
	s.server.counters.Updated.Add(1)
	s.changed("host updated", "host", record.RealName(stored), "old", record.Describe(old), "new", record.Describe(&h))
	return s.showHost(&h), nil
}

// put stores a host after looking at what the store does not: its group, and that nobody else has its client identifier.
func (s *session) put(ctx context.Context, h *isc.Host, a *record.Attributes, exclusive bool) *codec.Refusal {
	if len(a.Identifier) > 0 {
		s.server.identifiers.Lock()
		defer s.server.identifiers.Unlock()
	}
	var refused *codec.Refusal
	ix := s.server.store.Acquire()
	if exclusive && ix.FindName(record.RealName(h.Name)) != 0 { // as ISC stored it
		refused = codec.Refuse(codec.AlreadyExists, "specified object already exists")
	}
	if _, ok := ix.Group(h.Group); len(a.Group) > 0 && !ok {
		refused = codec.Refuse(codec.NotFound, "no group %.40q", h.Group)
	}
	if len(a.Identifier) > 0 {
		if id := ix.FindUID(a.Identifier); id != 0 && ix.Name(id) != h.Name {
			refused = codec.Refuse(codec.KeyConflict, "the dhcp-client-identifier is that of host %q", record.RealName(ix.Name(id)))
		}
	}
	s.server.store.Release()
	if refused != nil {
		return refused
	}
	return s.store(ctx, func(ctx context.Context) error { return s.server.store.Put(ctx, h, exclusive) })
}

// storeTime is how long a change waits to be taken by the store. What was taken is waited for.
const storeTime = 10 * time.Second

// store makes a change. The end of the server does not interrupt it: it may have been made, and the client must know.
func (s *session) store(ctx context.Context, change func(context.Context) error) *codec.Refusal {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	err := change(ctx)
	if err == nil {
		return nil
	}
	refused := storeRefusal(err)
	if refused.Result == codec.Failure || refused.Result == codec.IOError {
		s.log.Error("change not stored", "error", err)
	}
	return refused
}

// changed logs a change: who, what, and from what to what.
func (s *session) changed(what string, args ...any) {
	if s.signer != nil {
		args = append(args, "signed", true)
	}
	s.log.Info(what, args...)
}

func (s *session) showHost(h *isc.Host) answer {
	record.Shorten(h)
	return answer{handle: s.handles.of(reference{hostKind, h.Name}), object: record.Object(h)}
}

func (s *session) refresh(handle uint32) (answer, *codec.Refusal) {
	r := s.handles.byHandle[handle]
	if r.kind == keyKind {
		return s.showKey(), nil
	}
	ix := s.server.store.Acquire()
	defer s.server.store.Release()
	if id := ix.FindName(r.name); r.kind == hostKind && id != 0 {
		h := ix.Host(id)
		return s.showHost(&h), nil
	}
	if _, ok := ix.Group(r.name); r.kind == groupKind && ok {
		return s.showGroup(r.name), nil
	}
	return answer{}, codec.Refuse(codec.NotFound, "no matching handle")
}

func (s *session) update(ctx context.Context, m *codec.Message) (answer, *codec.Refusal) {
	r := s.handles.byHandle[m.Handle]
	if len(m.Object) == 0 && r.kind != 0 {
		return answer{}, codec.Refuse(codec.InvalidArgument, "nothing to update")
	}
	var a record.Attributes
	if refused := a.Read(m.Object); refused != nil {
		return answer{}, refused
	}
	var refused *codec.Refusal
	switch r.kind {
	case hostKind:
		_, refused = s.changeHost(ctx, r.name, &a)
	case groupKind:
		_, refused = s.putGroup(ctx, r.name, &a, func(exists bool) *codec.Refusal {
			if !exists {
				return codec.Refuse(codec.NotFound, "no matching handle")
			}
			return nil
		})
	case keyKind:
		refused = codec.Refuse(codec.PermissionDenied, "cannot update authenticator")
	default:
		refused = codec.Refuse(codec.NotFound, "no matching handle")
	}
	return answer{}, refused
}

func (s *session) delete(ctx context.Context, handle uint32) *codec.Refusal {
	r := s.handles.byHandle[handle]
	switch r.kind {
	case hostKind:
	case groupKind:
		return s.deleteGroup(ctx, r)
	case keyKind:
		return codec.Refuse(codec.NotImplemented, "no remove method for object")
	default:
		return codec.Refuse(codec.NotFound, "no matching handle")
	}
	defer s.server.locks.lock(r.name)()
	s.handles.drop(r)
	ix := s.server.store.Acquire()
	id := ix.FindName(r.name)
	old := ""
	if id != 0 {
		h := ix.Host(id)
		old = record.Describe(&h)
	}
	s.server.store.Release()
	if id == leases.ID(0) {
		return codec.Refuse(codec.NotFound, "no matching handle")
	}
	if refused := s.store(ctx, func(ctx context.Context) error { return s.server.store.Delete(ctx, r.name) }); refused != nil {
		return refused
	}
	s.server.counters.Deleted.Add(1)
	s.changed("host deleted", "host", record.RealName(r.name), "old", old)
	return nil
}
