package runtimes

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// Date is a day or a month; the zero value is never.
type Date string

// Passed reports whether the date is at or before now. A month passes with its
// first day.
func (d Date) Passed(now time.Time) bool {
	if d == "" {
		return false
	}
	t, err := parseDate(string(d))
	return err == nil && !now.Before(t)
}

func parseDate(s string) (time.Time, error) {
	for _, form := range []string{time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date such as 2027-01-31 or 2027-01", s)
}

// file is what a runtime version's file says.
type file struct {
	Version    string   `yaml:"version"`
	Title      string   `yaml:"title"`
	Python     []string `yaml:"python"`
	Released   string   `yaml:"released"`
	Deprecated string   `yaml:"deprecated"`
	Ends       string   `yaml:"ends"`
	Requires   []string `yaml:"requires"`
	Download   int64    `yaml:"download"`
	Packages   []string `yaml:"packages"`
}

var (
	pinForm    = pattern.New(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)$`)
	hashForm   = pattern.New(`^sha256:[0-9a-f]{64}$`)
	nameRuns   = pattern.New(`[-_.]+`)
	pythonLine = pattern.New(`^3\.\d{1,2}$`)
)

// requirement is how one begins: a name, extras, and then nothing, a version, a
// marker or an address; or it is an address or a path.
var requirement = pattern.New(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*($|[<>=!~;@(#])|[^\s-]\S*/\S+)`)

// Decode reads the file of a site's own version, for who writes one.
func Decode(b []byte, source string) (*Runtime, error) { return decode(b, "", source) }

// decode reads a file and says what is wrong with it, by line where YAML tells.
// An empty version takes the file's word for it.
func decode(b []byte, version, source string) (*Runtime, error) {
	var f file
	wrong := func(form string, args ...any) error {
		where := source
		if where == "" {
			where = "runtime version " + version
		}
		return fault.Errorf(fault.Invalid, "%s: "+form, append([]any{where}, args...)...).WithHint("the form of one is in: trainyard runtimes add --help")
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, wrong("%s", fault.YAMLText(err, b))
	}
	switch {
	case f.Version == "" || !validName(f.Version) || barePython.MatchString(f.Version):
		return nil, wrong("version: %q is not a name of letters, digits, dots and dashes", f.Version)
	case version != "" && f.Version != version:
		return nil, wrong("version: the file is named after %s and says %s", version, f.Version)
	case len(f.Python) == 0:
		return nil, wrong("python: none is named; expected a list such as [\"3.12\"]")
	case len(f.Requires) == 0 && len(f.Packages) == 0:
		return nil, wrong("requires: no package is named")
	}
	for _, p := range f.Python {
		if !pythonLine.MatchString(p) {
			return nil, wrong("python: %q is not a line of Python, such as \"3.12\"", p)
		}
	}
	for name, text := range map[string]string{"released": f.Released, "deprecated": f.Deprecated, "ends": f.Ends} {
		if _, err := parseDate(text); text != "" && err != nil {
			return nil, wrong("%s: %w", name, err)
		}
	}
	for _, r := range f.Requires {
		if strings.ContainsAny(r, "\r\n") || !requirement.MatchString(r) {
			return nil, wrong("requires: %q is not a requirement such as numpy>=1.20", r)
		}
	}
	r := &Runtime{Version: f.Version, Title: f.Title, Python: f.Python, Released: f.Released, Deprecated: Date(f.Deprecated), Ends: Date(f.Ends),
		Requires: f.Requires, Download: f.Download, Source: source}
	for _, line := range f.Packages {
		words := strings.Fields(line)
		var m []string
		if len(words) > 0 {
			m = pinForm.FindStringSubmatch(words[0])
		}
		if m == nil {
			return nil, wrong("packages: %q is not of the form NAME==VERSION sha256:…", line)
		}
		for _, h := range words[1:] {
			if !hashForm.MatchString(h) {
				return nil, wrong("packages: %s: %q is not sha256: and 64 digits", words[0], h)
			}
		}
		r.Packages = append(r.Packages, Pin{strings.ToLower(nameRuns.ReplaceAllString(m[1], "-")), m[2], words[1:]})
	}
	return r, nil
}
