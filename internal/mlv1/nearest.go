package mlv1

import (
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
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
		if len(plain)-len(c) > 8 { // a wire may bring names of any length
			continue
		}
		if d := fault.Distance(plain, fold(c)); d < least {
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
