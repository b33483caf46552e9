package mlv1

import (
	"slices"
	"strings"
)

// names are a message's fields in camelCase.
func (m *message) names() []string {
	var names []string
	for k, f := range m.fields {
		if k == f.name && f.kind != output {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// nearest is the candidate that s was probably meant to be, or nothing.
func nearest(s string, candidates []string) string {
	best, least := "", 3
	plain := fold(s)
	for _, c := range candidates {
		if d := distance(plain, fold(c)); d < least {
			best, least = c, d
		}
	}
	if least > len(plain)/3 {
		return ""
	}
	return best
}

func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// distance counts the letters to add, drop or change to get from a to b; more
// than enough when the lengths alone are far apart.
func distance(a, b string) int {
	if len(a)-len(b) > 3 || len(b)-len(a) > 3 {
		return 4
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, row[j]+1, last+1)
		}
	}
	return row[len(b)]
}
