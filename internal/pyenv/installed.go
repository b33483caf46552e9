package pyenv

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// installed reads what packages a site-packages folder has, by name.
func installed(dir string) ([]dist, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var dists []dist
	for _, e := range entries {
		file := "METADATA"
		switch filepath.Ext(e.Name()) {
		case ".dist-info":
		case ".egg-info":
			file = "PKG-INFO"
		default:
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name(), file))
		if err != nil {
			continue // of a package that another tool half removed, or an old single file
		}
		d, err := readMetadata(f)
		_ = f.Close()
		if err == nil && d.Name != "" {
			dists = append(dists, d)
		}
	}
	slices.SortFunc(dists, func(a, b dist) int { return strings.Compare(a.name(), b.name()) })
	return dists, nil
}

func lockOf(dists []dist) []string {
	var lines []string
	for _, d := range dists {
		lines = append(lines, d.name()+"=="+d.Version)
	}
	return lines
}

// normalPin makes "Name==1.0 ; marker" comparable with a lock's line.
func normalPin(line string) string {
	line, _, _ = strings.Cut(line, ";")
	name, version, _ := strings.Cut(strings.TrimSpace(line), "==")
	name, _, _ = strings.Cut(name, "[")
	return normalName(name) + "==" + version
}

// versionIn finds a package's version in a lock.
func versionIn(lock []string, name string) (string, bool) {
	for _, line := range lock {
		if v, ok := strings.CutPrefix(line, name+"=="); ok {
			return v, true
		}
	}
	return "", false
}

// met reports whether a runtime's packages, as they are, are all that the given
// ones require: nothing has to be resolved then.
func (p plan) met(lock []string) bool {
	for _, text := range p.requires {
		r, ok := parseRequirement(text)
		if !ok || r.url || len(r.extras) > 0 {
			return false
		}
		v, there := versionIn(lock, r.name)
		if !there || !satisfies(v, r.specifiers) {
			return false
		}
	}
	return true
}

// useRuntime notes which given packages take the place of a runtime's.
func (p *plan) useRuntime(version string, lock []string) {
	p.runtime = version
	for _, d := range p.top {
		if v, there := versionIn(lock, d.name()); there && v != d.Version {
			p.notes = append(p.notes, fmt.Sprintf("%s %s of runtime version %s is replaced by the given %s.", d.name(), v, version, d.Title()))
		}
	}
}

// replacements says which packages of a runtime gave way to others, and why.
func (p plan) replacements(own []dist, kept []string) []string {
	var notes []string
	for _, d := range own {
		old, there := versionIn(kept, d.name())
		if !there || old == d.Version {
			continue
		}
		note := fmt.Sprintf("%s %s of runtime version %s is replaced by %s", d.name(), old, p.runtime, d.Version)
		if why := p.whoRefuses(d.name(), old, own); why != "" {
			note += ": " + why
		}
		notes = append(notes, note+".")
	}
	return notes
}

// whoRefuses finds what asked for another version of a package.
func (p plan) whoRefuses(name, old string, own []dist) string {
	for _, text := range p.requires {
		if r, ok := parseRequirement(text); ok && r.name == name && (r.url || !satisfies(old, r.specifiers)) {
			return p.askedBy[name] + " requires " + redactURLs(r.text)
		}
	}
	for _, d := range own {
		for _, text := range d.Requires {
			r, ok := parseRequirement(text)
			if ok && r.name == name && !r.url && r.specifiers != "" && !strings.Contains(r.marker, "extra") && !satisfies(old, r.specifiers) {
				return d.Title() + ", which is needed, requires " + r.text
			}
		}
	}
	return ""
}

// wholeLock is all that an environment has, an upper layer's packages in place
// of a lower one's.
func wholeLock(runtime, base []string, top []dist) []string {
	byName := map[string]string{}
	for _, lock := range [][]string{runtime, base} {
		for _, line := range lock {
			name, _, _ := strings.Cut(line, "==")
			byName[name] = line
		}
	}
	for _, d := range top {
		byName[d.name()] = d.name() + "==" + d.Version + " sha256:" + d.digest
	}
	var lines []string
	for _, line := range byName {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}
