package bucket

import (
	"slices"
	"strings"
	"time"
)

// Rule says which objects of a bucket are deleted by and by: those that all of
// its conditions fit. The zero Rule fits none.
type Rule struct {
	Age              *int64    `json:",omitzero"` // whole days since the creation, at least
	NumNewerVersions *int64    `json:",omitzero"` // newer generations of the name, at least
	IsLive           *bool     `json:",omitzero"`
	CreatedBefore    time.Time `json:",omitzero"`
	Prefixes         []string  `json:",omitzero"` // the name has one of them
	Suffixes         []string  `json:",omitzero"`
}

// Fits says whether the rule is about an object that has so many newer
// generations.
func (r Rule) Fits(o Object, newer int64, now time.Time) bool {
	any := func(list []string, has func(string, string) bool) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(s string) bool { return has(o.Name, s) })
	}
	switch {
	case r.Age == nil && r.NumNewerVersions == nil && r.IsLive == nil && r.CreatedBefore.IsZero() && len(r.Prefixes)+len(r.Suffixes) == 0:
		return false
	case r.Age != nil && now.Before(o.Created.AddDate(0, 0, int(*r.Age))),
		r.NumNewerVersions != nil && newer < *r.NumNewerVersions,
		r.IsLive != nil && *r.IsLive != o.Deleted.IsZero(),
		!r.CreatedBefore.IsZero() && !o.Created.Before(r.CreatedBefore):
		return false
	}
	return any(r.Prefixes, strings.HasPrefix) && any(r.Suffixes, strings.HasSuffix)
}
