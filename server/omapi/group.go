package omapi

import (
	"context"

	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
	"github.com/lease6/lease6/server/omapi/record"
)

// openGroup looks up, makes or changes a group: statements that hosts share.
func (s *session) openGroup(ctx context.Context, m *codec.Message, want intent) (answer, *codec.Refusal) {
	var a record.Attributes
	if refused := a.Read(m.Object); refused != nil {
		return answer{}, refused
	}
	name := string(a.Name)
	if want.create || want.update {
		return s.putGroup(ctx, name, &a, func(exists bool) *codec.Refusal {
			switch {
			case exists && want.create && want.exclusive:
				return codec.Refuse(codec.AlreadyExists, "specified object already exists: group %q", name)
			case !exists && !want.create:
				return codec.Refuse(codec.NotFound, "no object matches specification")
			case !exists && len(a.Statements) == 0, !isc.ISCReadsName(name):
				return codec.Refuse(codec.InvalidArgument, "a group needs statements, and a name of letters, digits, hyphens, dots and underscores")
			}
			return nil
		})
	}
	ix := s.server.store.Acquire()
	defer s.server.store.Release()
	if _, ok := ix.Group(name); name != "" && ok {
		return s.showGroup(name), nil
	}
	return answer{}, codec.Refuse(codec.NotFound, "no object matches specification")
}

// putGroup stores a group, if the judge of whether it exists agrees.
func (s *session) putGroup(ctx context.Context, name string, a *record.Attributes, judge func(exists bool) *codec.Refusal) (answer, *codec.Refusal) {
	if a.Unknown != "" || a.Hardware != nil || a.Addresses != nil || a.Identifier != nil || a.Group != nil || a.KindGiven {
		return answer{}, codec.Refuse(codec.UnknownAttribute, "groups have name and statements")
	}
	defer s.server.locks.lock("group " + name)()
	old, exists := s.group(name)
	if refused := judge(exists); refused != nil {
		return answer{}, refused
	}
	if n := string(a.Name); a.Name != nil && n != name {
		return answer{}, codec.Refuse(codec.AlreadyExists, "the name of a group cannot be changed")
	}
	if a.Statements == nil {
		return s.showGroup(name), nil
	}
	statements, refused := record.ParseStatements(a.Statements)
	if refused != nil {
		return answer{}, refused
	}
	g := isc.Group{Name: name, Statements: statements}
	if refused := s.store(ctx, func(ctx context.Context) error { return s.server.store.PutGroup(ctx, &g) }); refused != nil {
		return answer{}, refused
	}
	s.server.counters.GroupsChanged.Add(1)
	s.changed("group stored", "group", name, "old", describeGroup(&old), "new", describeGroup(&g))
	return s.showGroup(name), nil
}

func (s *session) deleteGroup(ctx context.Context, r reference) *codec.Refusal {
	defer s.server.locks.lock("group " + r.name)()
	s.handles.drop(r)
	old, exists := s.group(r.name)
	if !exists {
		return codec.Refuse(codec.NotFound, "no matching handle")
	}
	g := isc.Group{Name: r.name, Deleted: true}
	if refused := s.store(ctx, func(ctx context.Context) error { return s.server.store.PutGroup(ctx, &g) }); refused != nil {
		return refused
	}
	s.server.counters.GroupsChanged.Add(1)
	s.changed("group deleted", "group", r.name, "old", describeGroup(&old))
	return nil
}

func (s *session) group(name string) (isc.Group, bool) {
	ix := s.server.store.Acquire()
	defer s.server.store.Release()
	return ix.Group(name)
}

func (s *session) showGroup(name string) answer {
	return answer{handle: s.handles.of(reference{groupKind, name}), object: []codec.Value{{Name: "name", Data: []byte(name)}}}
}

func describeGroup(g *isc.Group) string {
	return record.Describe(&isc.Host{Statements: g.Statements})
}
