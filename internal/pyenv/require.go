package pyenv

import (
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// requirement is one Requires-Dist of PEP 508.
type requirement struct {
	name       string // normalized
	extras     []string
	specifiers string // ">=1,<2"; or an address
	url        bool
	marker     string
	text       string // as written, without the marker
}

var (
	requirementForm = pattern.New(`^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(.*)$`)
	nameRuns        = pattern.New(`[-_.]+`)
)

// normalName is a project's name as indexes compare it.
func normalName(s string) string {
	return strings.ToLower(nameRuns.ReplaceAllString(strings.TrimSpace(s), "-"))
}

func parseRequirement(s string) (requirement, bool) {
	m := requirementForm.FindStringSubmatch(s)
	if m == nil || strings.ContainsAny(s, "\r\n") {
		return requirement{}, false
	}
	r := requirement{name: normalName(m[1])}
	for e := range strings.SplitSeq(m[2], ",") {
		if e = strings.TrimSpace(e); e != "" {
			r.extras = append(r.extras, normalName(e))
		}
	}
	slices.Sort(r.extras)
	rest := m[3]
	separator := ";"
	if strings.HasPrefix(rest, "@") {
		r.url, separator = true, " ;" // an address may hold a semicolon
	}
	if at := strings.Index(rest, separator); at >= 0 {
		rest, r.marker = rest[:at], strings.TrimSpace(rest[at+len(separator):])
	}
	r.specifiers = strings.TrimSpace(rest)
	r.text = r.name
	if len(r.extras) > 0 {
		r.text += "[" + strings.Join(r.extras, ",") + "]"
	}
	if r.url {
		r.text += " " + r.specifiers
		return r, len(r.specifiers) > 1
	}
	r.specifiers = strings.TrimSpace(strings.Trim(r.specifiers, "()"))
	if r.specifiers != "" && !strings.ContainsRune("<>=!~", rune(r.specifiers[0])) {
		return requirement{}, false
	}
	r.text += strings.ReplaceAll(r.specifiers, " ", "")
	return r, true
}

// plan is what goes into which layer.
type plan struct {
	requires []string // of the base, sorted
	names    []string // of the given packages that stay, sorted
	top      []dist   // in order
	notes    []string
	askedBy  map[string]string   // requirement's project → the given package that asks
	askers   map[string][]string // requirement → the given packages that ask for just that
	exact    bool                // requires is all that is installed, and nothing that they ask for
	runtime  string              // the runtime version, for what is said; may be empty
}

// makePlan divides the given packages and what they require. As with pip,
// which installs one after the other, a later package replaces an earlier one
// of the same name, and so does a later package's requirement that an earlier
// one does not meet.
func makePlan(dists []dist, python string) plan {
	p := plan{askedBy: map[string]string{}, askers: map[string][]string{}}
	given := map[string]int{}
	for i, d := range dists {
		if old, ok := given[d.name()]; ok {
			p.notes = append(p.notes, d.Title()+" replaces "+dists[old].Title()+", which was listed before it.")
		}
		given[d.name()] = i
	}
	extras := map[string][]string{}
	replaced := map[string]bool{}
	for again := true; again; { // until no requirement adds an extra or replaces a package
		again = false
		p.requires, p.askers = nil, map[string][]string{}
		for i, d := range dists {
			if given[d.name()] != i || replaced[d.name()] {
				continue
			}
			for _, text := range d.Requires {
				r, ok := parseRequirement(text)
				if !ok {
					p.requires = append(p.requires, text) // the installer says what is wrong with it
					p.askedBy[normalName(text)] = d.Title()
					continue
				}
				if evalMarker(r.marker, python, extras[d.name()]) == no {
					continue
				}
				at, have := given[r.name]
				if have && at == i { // itself, for its extras
					again = addExtras(extras, r) || again
					continue
				}
				if !have || replaced[r.name] {
					p.requires = append(p.requires, r.text)
					p.askedBy[r.name] = d.Title()
					p.askers[r.text] = append(p.askers[r.text], d.Title())
					continue
				}
				again = addExtras(extras, r) || again
				if r.url || satisfies(dists[at].Version, r.specifiers) {
					if at > i {
						p.notes = append(p.notes, d.Title()+" requires "+r.text+", which "+dists[at].Title()+" meets though it is listed after it. "+
							"AI Platform, which installs one after the other, would look for it in the package index: list "+dists[at].File+" first.")
					}
					continue
				}
				if at < i {
					replaced[r.name], again = true, true
					p.notes = append(p.notes, dists[at].Title()+" is replaced: "+d.Title()+" requires "+r.text+".")
				} else {
					p.notes = append(p.notes, d.Title()+" requires "+r.text+", but "+dists[at].Title()+" is listed after it and stays.")
				}
			}
		}
	}
	for i, d := range dists {
		if given[d.name()] == i && !replaced[d.name()] {
			p.top = append(p.top, d)
			p.names = append(p.names, d.name())
		}
	}
	slices.Sort(p.names)
	slices.Sort(p.requires)
	p.requires = slices.Compact(p.requires)
	p.notes = unique(p.notes)
	return p
}

func addExtras(extras map[string][]string, r requirement) (added bool) {
	for _, e := range r.extras {
		if !slices.Contains(extras[r.name], e) {
			extras[r.name], added = append(extras[r.name], e), true
		}
	}
	return added
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
