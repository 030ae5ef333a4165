package config

import (
	"slices"
	"time"

	"github.com/lease6/lease6/server/config/strict"
)

// shortest is the least valid lifetime: below it clients do little else than renew.
const shortest = time.Minute

// defaultSettings are those of a file that says nothing.
func defaultSettings() Settings {
	s := Settings{Valid: 2 * time.Hour}
	s.Preferred = part(s.Valid, 5, 8)
	s.T1, s.T2 = part(s.Preferred, 1, 2), part(s.Preferred, 4, 5)
	// Leases are fixed: there is nothing that two servers could commit differently, and it halves the packets.
	s.RapidCommit = true
	return s
}

// readSettings reads the settings of [defaults] or of a link on top of those inherited.
func readSettings(t *strict.Table, base Settings) Settings {
	r := base
	readLifetimes(t, &r)
	strict.Read(t, "rapid-commit", strict.Boolean, &r.RapidCommit)
	preference := int(base.Preference)
	strict.Read(t, "preference", strict.Integer(0, 255), &preference)
	r.Preference = uint8(preference)
	r.Options = readOptions(t.Table("options"), base.Options)
	return r
}

// readLifetimes reads the times. A lifetime that is given makes anew those that follow from it and are not given beside
// it, whatever was inherited: 5/8 of valid are preferred, as with ISC; T1 and T2 are 1/2 and 4/5 of preferred, as
// RFC 9915 §21.4 recommends.
func readLifetimes(t *strict.Table, r *Settings) {
	before := t.Problems()
	valid := strict.Read(t, "valid-lifetime", lifetime(shortest), &r.Valid)
	preferred := strict.Read(t, "preferred-lifetime", lifetime(shortest/4), &r.Preferred)
	t1 := strict.Read(t, "t1", lifetime(0), &r.T1)
	t2 := strict.Read(t, "t2", lifetime(0), &r.T2)
	if t.Problems() > before {
		return
	}
	if valid && !preferred {
		r.Preferred = part(r.Valid, 5, 8)
	}
	if (valid || preferred) && !t1 {
		r.T1 = part(r.Preferred, 1, 2)
	}
	if (valid || preferred) && !t2 {
		r.T2 = part(r.Preferred, 4, 5)
	}
	ordered(t, "preferred-lifetime", r.Preferred, "valid-lifetime", r.Valid)
	ordered(t, "t2", r.T2, "preferred-lifetime", r.Preferred)
	ordered(t, "t1", r.T1, "t2", r.T2)
}

// ordered reports two times of which the one that must not be longer is. If neither is given in this table, it was
// reported where they are.
func ordered(t *strict.Table, low string, short time.Duration, high string, long time.Duration) {
	if short <= long {
		return
	}
	value := func(key string, d time.Duration) string {
		text := key + " = infinite"
		if d != Infinity {
			text = key + " = " + strict.FormatDuration(d)
		}
		if !t.Has(key) {
			text += " (not given here)"
		}
		return text
	}
	at := t.Get(low)
	if at == nil {
		at = t.Get(high)
	}
	if at == nil {
		return
	}
	at.Problem("%s is longer than %s: change one of them, t1 ≤ t2 ≤ preferred-lifetime ≤ valid-lifetime must hold",
		value(low, short), value(high, long))
}

// readOptions reads a table of options on top of those inherited. What is given here replaces the inherited option of
// its code, an empty list removes it.
func readOptions(t *strict.Table, base []Option) []Option {
	data := make(map[uint16][]byte)
	for _, o := range base {
		data[o.Code] = o.Data
	}
	for _, o := range namedOptions {
		n := t.Get(o.key)
		if n == nil {
			continue
		}
		if n.EmptyList() {
			delete(data, o.code)
		} else if d, ok := o.encode(n); ok {
			data[o.code] = d
		}
	}
	readCustom(t, data)
	t.Close(home)

	options, sum := make([]Option, 0, len(data)), 0
	for code, d := range data {
		options = append(options, Option{code, d})
		sum += 4 + len(d)
	}
	slices.SortFunc(options, func(a, b Option) int { return int(a.Code) - int(b.Code) })
	if sum > mostOptionBytes && !t.Empty() {
		t.Problem("the options of a link take %d bytes together, and an answer has room for %d: shorten or remove some", sum, mostOptionBytes)
	}
	return options
}
