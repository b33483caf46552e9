package check

import (
	"bytes"
	"io"
	"path"
	"strings"

	"github.com/trainyard/trainyard/internal/pack"
	"github.com/trainyard/trainyard/internal/pattern"
)

// Archives may be anybody's: what is read of them has bounds. A module that is
// larger is generated, and nobody's mistake.
const (
	maxSource  = 2 << 20
	maxSources = 5_000
)

// code is what the archives hold.
type code struct {
	files    []source
	modules  map[string]string // dotted name → file; packages under their own name
	requires []string          // distributions, by their normalised name
	setups   [][]byte          // setup.py of archives whose metadata do not say what they require
	opaque   bool              // an archive does not say it at all
	own      map[string]bool   // distributions that the archives are
	handmade bool              // an archive has a setup.py or pyproject.toml of the user's
}

type source struct {
	name   string // as in the installed package: trainer/task.py
	module string
	data   []byte
}

func read(archives []string) (code, error) {
	c := code{modules: map[string]string{}, own: map[string]bool{}}
	for _, a := range archives {
		if err := c.archive(a); err != nil {
			return code{}, err
		}
	}
	return c, nil
}

// archive reads one archive's sources and metadata.
func (c *code) archive(name string) error {
	var found []source
	var tops []string
	var requires []string
	var setup []byte
	says := false // its metadata tell what it requires
	wheel := strings.HasSuffix(strings.ToLower(name), ".whl")
	err := pack.Each(name, func(f pack.File, r io.Reader) error {
		member := path.Clean(f.Path)
		inside := member
		if !wheel {
			var ok bool
			if _, inside, ok = strings.Cut(member, "/"); !ok {
				return nil
			}
		}
		inside = strings.TrimPrefix(inside, "src/")
		dir, base := path.Split(inside)
		switch {
		case base == "PKG-INFO" && dir == "", base == "METADATA" && strings.HasSuffix(dir, ".dist-info/"):
			b, err := io.ReadAll(io.LimitReader(r, maxSource))
			if err != nil {
				return err
			}
			who, needs := parseMetadata(b)
			c.own[normal(who)] = true
			requires = append(requires, needs...)
			generated := bytes.Contains(b, []byte("\nGenerator: trainyard\n"))
			says = says || wheel || generated || len(needs) > 0
			c.handmade = c.handmade || !generated
		case base == "requires.txt" && strings.HasSuffix(dir, ".egg-info/"):
			b, err := io.ReadAll(io.LimitReader(r, maxSource))
			if err != nil {
				return err
			}
			requires, says = append(requires, parseRequires(b)...), true
		case base == "top_level.txt" && (strings.HasSuffix(dir, ".egg-info/") || strings.HasSuffix(dir, ".dist-info/")):
			b, err := io.ReadAll(io.LimitReader(r, maxSource))
			if err != nil {
				return err
			}
			tops = append(tops, strings.Fields(string(b))...)
		case inside == "setup.py":
			b, err := io.ReadAll(io.LimitReader(r, maxSource))
			if err != nil {
				return err
			}
			setup = b
		case inside == "setup.cfg":
			b, err := io.ReadAll(io.LimitReader(r, maxSource))
			if err != nil {
				return err
			}
			c.opaque = c.opaque || bytes.Contains(b, []byte("install_requires"))
		case strings.HasSuffix(base, ".py") && len(c.files)+len(found) < maxSources:
			b, err := io.ReadAll(io.LimitReader(r, maxSource+1))
			if err != nil || len(b) > maxSource {
				return err
			}
			found = append(found, source{inside, moduleOf(inside), b})
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case says:
	case setup != nil:
		c.setups = append(c.setups, setup)
	default:
		c.opaque = true
	}
	c.requires = append(c.requires, requires...)
	for _, s := range found {
		top, _, _ := strings.Cut(s.module, ".")
		if len(tops) > 0 && !contains(tops, top) {
			continue // in the archive, but not installed: tests, docs
		}
		c.files = append(c.files, s)
		c.modules[s.module] = s.name
	}
	return nil
}

// moduleOf is the dotted name of a file; a package's is that of its folder.
func moduleOf(name string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(name, ".py"), "/__init__"), "/", ".")
}

// parseMetadata reads the name and the requirements of a PKG-INFO or METADATA.
func parseMetadata(b []byte) (name string, requires []string) {
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break // the description follows
		}
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.ToLower(key) {
		case "name":
			name = value
		case "requires-dist":
			requires = append(requires, requirement(value)...)
		}
	}
	return name, requires
}

// parseRequires reads setuptools' requires.txt up to its first extra.
func parseRequires(b []byte) (requires []string) {
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if section, ok := strings.CutPrefix(line, "["); ok && !strings.HasPrefix(section, ":") {
			break
		}
		requires = append(requires, requirement(line)...)
	}
	return requires
}

var requirementName = pattern.New(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`)

// requirement is the distribution that a requirement asks for; none for that of
// an extra.
func requirement(s string) []string {
	if name := requirementName.FindString(s); name != "" && !strings.Contains(s, "extra ==") {
		return []string{normal(name)}
	}
	return nil
}

var separators = pattern.New(`[-_.]+`)

// normal is a distribution's name as indexes compare it.
func normal(name string) string {
	return strings.ToLower(separators.ReplaceAllString(name, "-"))
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
