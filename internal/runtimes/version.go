package runtimes

import (
	"slices"
	"strconv"
	"strings"
)

// version is a Python version as numbers, most significant first.
type version []int

func parse(s string) (version, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return nil, false
	}
	v := make(version, len(parts))
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || strconv.FormatUint(n, 10) != p {
			return nil, false
		}
		v[i] = int(n)
	}
	return v, true
}

// versions are those that packages can be installed for, newest first.
func versions(have []string) []version {
	oldest, _ := parse(OldestPython)
	var vs []version
	for _, s := range have {
		if v, ok := parse(s); ok && len(v) >= 2 && slices.Compare(v, oldest) >= 0 {
			vs = append(vs, v)
		}
	}
	slices.SortFunc(vs, func(a, b version) int { return slices.Compare(b, a) })
	return slices.CompactFunc(vs, func(a, b version) bool { return slices.Equal(a, b) })
}

func newestServed() version {
	v, _ := parse(NewestPython)
	return v
}

func oldestServed() version {
	v, _ := parse(OldestPython)
	return v
}

// begins reports whether v is of the line that p names: 3.11.7 begins with 3.11.
func (v version) begins(p version) bool {
	return len(v) >= len(p) && slices.Equal(v[:len(p)], p)
}

// newer reports whether v is of a later line than c; 3.13.5 is not newer than 3.13.
func (v version) newer(c version) bool {
	return slices.Compare(v[:min(len(v), len(c))], c) > 0
}

func (v version) String() string {
	parts := make([]string, len(v))
	for i, n := range v {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ".")
}
