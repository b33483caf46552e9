package runtimes

import (
	"cmp"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// Find is Get for a person: of a version that there is not, the error says what
// is near.
func (c Catalogue) Find(version string) (*Runtime, error) {
	r, err := c.Get(version)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.Errorf(fault.NotFound, "%w; nearest here: %s", err, strings.Join(c.nearest(version), ", ")).WithHint("see all with: trainyard runtimes list")
	}
	return r, err
}

// nearest are the versions that were perhaps meant: of the original's numbers
// the closest ones, of names those spelled most alike; and a current one.
func (c Catalogue) nearest(asked string) []string {
	want, numeric := parse(asked)
	numeric = numeric && len(want) >= 1
	type candidate struct {
		name     string
		distance int
	}
	var list []candidate
	for _, name := range c.Versions() {
		v, isNumber := parse(name)
		switch {
		case numeric && isNumber:
			list = append(list, candidate{name, versionDistance(want, v)})
		case !numeric && !isNumber:
			list = append(list, candidate{name, fault.Distance(asked, name)})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var near []string
	for _, l := range list[:min(2, len(list))] {
		near = append(near, l.name)
	}
	if numeric {
		near = append(near, "2026.11-tf2")
	}
	return near
}

func versionDistance(a, b version) int {
	at := func(v version, i int) int {
		if i < len(v) {
			return v[i]
		}
		return 0
	}
	distance := func(x, y int) int { return max(x-y, y-x) }
	return 1000*distance(at(a, 0), at(b, 0)) + distance(at(a, 1), at(b, 1))
}

// compareNames orders numbers as numbers and, among the rest, by letters:
// 2.9 < 2.10 < 2026.11-tf2.
func compareNames(a, b string) int {
	x, _ := parse(leading(a))
	y, _ := parse(leading(b))
	return cmp.Or(slices.Compare(x, y), strings.Compare(b, a))
}

// leading is the number that a name begins with.
func leading(s string) string {
	end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(s)
	}
	return strings.Trim(s[:end], ".")
}
