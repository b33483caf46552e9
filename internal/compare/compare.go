// Package compare says what differs between two jobs: their code, file by file,
// their arguments, flag by flag, their environments, package by package, what
// they asked for, and how they ended. It is handed what is known of the jobs,
// archives as files on this machine, and asks nobody.
package compare

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Job is what is known of one job.
type Job struct {
	ID       string
	Settings map[string]string // what was asked for, by dotted name
	Args     []string
	// Code is the files of the packages; nil where that is not known.
	Code     []File
	Packages []string // of the environment, "name==version"; nil where there was none
	Python   string   // of the environment
	Result   map[string]string
	Times    map[string]time.Duration
}

// Change is something that two jobs have otherwise; empty is not there.
type Change struct {
	Name string `json:"name"`
	A    string `json:"a,omitempty"`
	B    string `json:"b,omitempty"`
}

// Report is all that differs.
type Report struct {
	A           string       `json:"a"`
	B           string       `json:"b"`
	Code        []FileChange `json:"code"`
	Arguments   []Change     `json:"arguments"`
	Environment []Change     `json:"environment"`
	Settings    []Change     `json:"settings"`
	Result      []Change     `json:"result"`
	Times       []Change     `json:"times"`
	// Unknown says what could not be compared, and why.
	Unknown []string `json:"unknown,omitempty"`
}

// Same reports whether the jobs ran the same: results and times may differ.
func (r Report) Same() bool {
	return len(r.Code)+len(r.Arguments)+len(r.Environment)+len(r.Settings)+len(r.Unknown) == 0
}

// Compare compares two jobs.
func Compare(a, b Job) Report {
	r := Report{A: a.ID, B: b.ID, Code: []FileChange{}, Environment: []Change{},
		Arguments: byName(flags(a.Args), flags(b.Args)), Settings: byName(a.Settings, b.Settings), Result: byName(a.Result, b.Result),
		Times: byName(text(a.Times), text(b.Times))}
	if a.Code != nil && b.Code != nil {
		r.Code = files(a.Code, b.Code)
	}
	if a.Packages != nil && b.Packages != nil {
		r.Environment = byName(versions(a), versions(b))
	}
	return r
}

// byName compares by name, sorted.
func byName(a, b map[string]string) []Change {
	list := []Change{}
	for name, x := range a {
		if y, there := b[name]; !there || x != y {
			list = append(list, Change{name, x, y})
		}
	}
	for name, y := range b {
		if _, there := a[name]; !there {
			list = append(list, Change{name, "", y})
		}
	}
	slices.SortFunc(list, func(x, y Change) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

// flags takes arguments apart as most programs do: --name=value, --name value,
// or --name alone. What belongs to no flag is by its place.
func flags(args []string) map[string]string {
	given := map[string][]string{}
	place := 0
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		switch {
		case !isFlag(args[i]):
			place++
			given["argument "+strconv.Itoa(place)] = []string{args[i]}
			continue
		case joined:
		case i+1 < len(args) && !isFlag(args[i+1]):
			i++
			value = args[i]
		default:
			value = "(given)"
		}
		if value == "" {
			value = `""`
		}
		given[name] = append(given[name], value)
	}
	flat := map[string]string{}
	for name, values := range given {
		flat[name] = strings.Join(values, ", ")
	}
	return flat
}

// isFlag tells a flag from a negative number.
func isFlag(s string) bool {
	return len(s) > 1 && s[0] == '-' && !(s[1] >= '0' && s[1] <= '9' || s[1] == '.')
}

// versions is an environment by the names of its packages.
func versions(j Job) map[string]string {
	m := map[string]string{"python": j.Python}
	for _, line := range j.Packages {
		pin, _, _ := strings.Cut(line, " ") // the digest of a given one: that is code
		name, version, _ := strings.Cut(pin, "==")
		m[name] = version
	}
	return m
}

func text(times map[string]time.Duration) map[string]string {
	m := map[string]string{}
	for name, d := range times {
		m[name] = d.Round(time.Millisecond).String()
	}
	return m
}
