package pack

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/pattern"
)

// generate makes the archive of a package that has no setup.py: as the
// original's would be called, but with all sub-packages and data files.
func (r *Result) generate(o Options, p place) error {
	began := time.Now()
	c := collection{}
	if err := c.collect(p.dir, p.name); err != nil {
		return err
	}
	r.Skipped = c.skipped
	beside := p.root
	if filepath.Base(beside) == "src" && !exists(filepath.Join(beside, "requirements.txt")) {
		beside = filepath.Dir(beside)
	}
	requires, err := r.requirements(beside)
	if err != nil {
		return err
	}
	l := newLayout(c.files)
	for _, dir := range l.bare {
		r.warn("%s has no __init__.py; it is packed as a namespace package", filepath.Join(p.root, filepath.FromSlash(dir)))
	}
	for _, file := range []string{"setup.py", "pyproject.toml"} {
		if exists(filepath.Join(p.dir, file)) {
			r.warn("%s is packed but does not build anything: it belongs beside the package, in %s", filepath.Join(p.dir, file), p.root)
		}
	}
	project := projectName(strings.ReplaceAll(p.name, "/", "."))
	base := project + "-0.0.0"
	entries := []entry{
		{name: base + "/PKG-INFO", data: []byte(pkgInfo(project, requires))},
		{name: base + "/setup.py", data: []byte("from setuptools import setup\n\nsetup(\n    name=" + pyString(project) + ",\n    version='0.0.0',\n" + l.arguments() + installRequires(requires) + "    zip_safe=False,\n)\n")},
	}
	for _, f := range c.files {
		entries = append(entries, f.entry(base))
	}
	return r.write(o, base, entries, began)
}

// write writes the archive that is made here, of what was listed from began on.
func (r *Result) write(o Options, base string, entries []entry, began time.Time) error {
	to := filepath.Join(o.OutDir, base+".tar.gz")
	k := kept{o.Cache, began}
	key := k.key(base, entries, asListed)
	if a, ok := k.find(key, to); ok {
		r.Archives = append(r.Archives, a)
		return nil
	}
	a, err := writeArchive(to, entries)
	if err != nil {
		return err
	}
	if key == k.key(base, entries, asItIs) { // nothing was changed meanwhile
		k.keep(key, a)
	}
	r.Archives = append(r.Archives, a)
	return nil
}

// notInProjectName is what a Python package may be called and a project may
// not.
var notInProjectName = pattern.New(`[^A-Za-z0-9._-]+`)

// projectName is what installers take as the name of the project whose package
// is called so: ASCII, with a letter or digit at both ends. The package itself
// keeps its name.
func projectName(pkg string) string {
	if name := strings.Trim(notInProjectName.ReplaceAllString(pkg, "_"), "._-"); name != "" {
		return name
	}
	return "package"
}

// layout is how files make packages.
type layout struct {
	dirs []string            // slash-separated
	bare []string            // those without an __init__.py
	data map[string][]string // of each, relative to it
}

func newLayout(files []source) layout {
	l := layout{data: map[string][]string{}}
	withInit, packages := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if dir := path.Dir(f.name); path.Ext(f.name) == ".py" {
			if !packages[dir] {
				packages[dir] = true
				l.dirs = append(l.dirs, dir)
			}
			if path.Base(f.name) == "__init__.py" {
				withInit[dir] = true
			}
		}
	}
	for _, f := range files {
		if path.Ext(f.name) == ".py" {
			continue
		}
		// Data belong to the nearest package above them.
		dir := path.Dir(f.name)
		for !packages[dir] {
			dir = path.Dir(dir)
		}
		l.data[dir] = append(l.data[dir], strings.TrimPrefix(f.name, dir+"/"))
	}
	slices.Sort(l.dirs)
	for _, dir := range l.dirs {
		if !withInit[dir] {
			l.bare = append(l.bare, dir)
		}
	}
	return l
}

// arguments are the layout in a setup script. It names everything, so that no
// version of setuptools has to find anything.
func (l layout) arguments() string {
	var b strings.Builder
	b.WriteString("    packages=[\n")
	for _, d := range l.dirs {
		b.WriteString("        " + pyString(strings.ReplaceAll(d, "/", ".")) + ",\n")
	}
	b.WriteString("    ],\n    package_data={\n")
	for _, d := range l.dirs {
		if len(l.data[d]) == 0 {
			continue
		}
		b.WriteString("        " + pyString(strings.ReplaceAll(d, "/", ".")) + ": [\n")
		for _, f := range l.data[d] {
			b.WriteString("            " + pyString(globEscape(f)) + ",\n")
		}
		b.WriteString("        ],\n")
	}
	b.WriteString("    },\n")
	return b.String()
}

func installRequires(requires []string) string {
	if len(requires) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("    install_requires=[\n")
	for _, r := range requires {
		b.WriteString("        " + pyString(r) + ",\n")
	}
	b.WriteString("    ],\n")
	return b.String()
}

// pkgInfo is the metadata of a generated archive.
func pkgInfo(name string, requires []string) string {
	var b strings.Builder
	b.WriteString("Metadata-Version: 2.1\nName: " + name + "\nVersion: 0.0.0\nGenerator: trainyard\n")
	for _, r := range requires {
		b.WriteString("Requires-Dist: " + r + "\n")
	}
	return b.String()
}

// globEscape keeps setuptools from reading a file's name as a pattern.
func globEscape(s string) string { return globs.Replace(s) }

var globs = strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]")

// pyString writes a Python literal that is ASCII only.
func pyString(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
