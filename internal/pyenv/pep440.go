package pyenv

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// pyVersion is a version of PEP 440, in a form that compares.
type pyVersion struct {
	epoch   int
	release []int // without trailing zeros
	given   int   // how many release numbers were written
	pre     [2]int
	post    int
	dev     int
	local   string
}

var pyVersionForm = pattern.New(`(?i)^\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*$`)

func parseVersion(s string) (pyVersion, bool) {
	m := pyVersionForm.FindStringSubmatch(s)
	if m == nil || len(s) > 200 {
		return pyVersion{}, false
	}
	num := func(s string) int { n, _ := strconv.Atoi(s); return n }
	v := pyVersion{epoch: num(m[1]), pre: [2]int{9, 0}, post: -1, dev: math.MaxInt, local: strings.ToLower(m[10])}
	v.release = numbers(m[2])
	v.given = len(v.release)
	for len(v.release) > 1 && v.release[len(v.release)-1] == 0 {
		v.release = v.release[:len(v.release)-1]
	}
	switch strings.ToLower(m[3]) {
	case "a", "alpha":
		v.pre = [2]int{1, num(m[4])}
	case "b", "beta":
		v.pre = [2]int{2, num(m[4])}
	case "c", "rc", "pre", "preview":
		v.pre = [2]int{3, num(m[4])}
	}
	if m[5] != "" || m[6] != "" {
		v.post = num(m[5] + m[7])
	}
	if m[8] != "" {
		v.dev = num(m[9])
		if v.pre[0] == 9 && v.post < 0 {
			v.pre = [2]int{0, 0} // 1.0.dev1 is before 1.0a1
		}
	}
	return v, true
}

func (v pyVersion) compare(w pyVersion) int {
	return cmp.Or(cmp.Compare(v.epoch, w.epoch), slices.Compare(v.release, w.release), slices.Compare(v.pre[:], w.pre[:]),
		cmp.Compare(v.post, w.post), cmp.Compare(v.dev, w.dev), cmp.Compare(v.local, w.local))
}

func (v pyVersion) public() pyVersion { v.local = ""; return v }

// satisfies reports whether a version meets specifiers such as ">=1.2,!=1.3.*".
// What cannot be read is met: the installer has the last word.
func satisfies(version, specifiers string) bool {
	v, ok := parseVersion(version)
	if !ok {
		return true
	}
	for s := range strings.SplitSeq(strings.Trim(strings.TrimSpace(specifiers), "()"), ",") {
		s = strings.TrimSpace(s)
		at := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("<>=!~", r) })
		if at <= 0 {
			continue
		}
		if !v.meets(s[:at], strings.TrimSpace(s[at:])) {
			return false
		}
	}
	return true
}

func (v pyVersion) meets(op, text string) bool {
	prefix, wild := strings.CutSuffix(text, ".*")
	w, ok := parseVersion(prefix)
	if !ok {
		return true
	}
	if w.local == "" {
		v = v.public()
	}
	switch op {
	case "===":
		return v.compare(w) == 0
	case "==":
		return wild && v.within(w, w.given) || !wild && v.compare(w) == 0
	case "!=":
		return !(wild && v.within(w, w.given) || !wild && v.compare(w) == 0)
	case ">=":
		return v.compare(w) >= 0
	case "<=":
		return v.compare(w) <= 0
	case ">":
		return v.compare(w) > 0 && (w.post >= 0 || v.post < 0 || !v.within(w, max(w.given, v.given)))
	case "<":
		before := v.compare(w) < 0
		return before && (w.pre[0] != 9 || v.pre[0] == 9 || !v.within(w, max(w.given, v.given)))
	case "~=":
		return v.compare(w) >= 0 && v.within(w, w.given-1)
	}
	return true
}

// within reports whether the first n release numbers are the same.
func (v pyVersion) within(w pyVersion, n int) bool {
	at := func(r []int, i int) int {
		if i < len(r) {
			return r[i]
		}
		return 0
	}
	for i := range n {
		if at(v.release, i) != at(w.release, i) {
			return false
		}
	}
	return v.epoch == w.epoch
}
