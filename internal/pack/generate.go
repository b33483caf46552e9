package pack

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// generate makes the archive of a package that has no setup.py: as the
// original's would be called, but with all sub-packages and data files.
func generate(pkg, outDir string) (warnings []string, err error) {
	name := filepath.Base(pkg)
	files, err := collect(pkg, name)
	if err != nil {
		return nil, err
	}
	packages := map[string][]string{} // dotted name → its data files
	withInit := map[string]bool{}
	for _, f := range files {
		if dir := path.Dir(f.name); path.Ext(f.name) == ".py" {
			if _, ok := packages[dir]; !ok {
				packages[dir] = nil
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
		for _, ok := packages[dir]; !ok; _, ok = packages[dir] {
			dir = path.Dir(dir)
		}
		packages[dir] = append(packages[dir], strings.TrimPrefix(f.name, dir+"/"))
	}
	var dirs []string
	for dir := range packages {
		dirs = append(dirs, dir)
		if !withInit[dir] {
			warnings = append(warnings, fmt.Sprintf("%s has no __init__.py; it is packed as a namespace package", filepath.Join(filepath.Dir(pkg), filepath.FromSlash(dir))))
		}
	}
	slices.Sort(dirs)
	slices.Sort(warnings)

	project := projectName(name)
	base := project + "-0.0.0"
	entries := []entry{
		{name: base + "/PKG-INFO", data: []byte("Metadata-Version: 2.1\nName: " + project + "\nVersion: 0.0.0\nGenerator: trainyard\n")},
		{name: base + "/setup.py", data: []byte(setupPy(project, dirs, packages))},
	}
	for _, f := range files {
		entries = append(entries, entry{name: base + "/" + f.name, path: f.path, size: f.size, exec: f.exec})
	}
	return warnings, writeArchive(filepath.Join(outDir, base+".tar.gz"), entries)
}

// notInProjectName is what a Python package may be called and a project may
// not.
var notInProjectName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// projectName is what installers take as the name of the project whose package
// is called so: ASCII, with a letter or digit at both ends. The package itself
// keeps its name.
func projectName(pkg string) string {
	if name := strings.Trim(notInProjectName.ReplaceAllString(pkg, "_"), "._-"); name != "" {
		return name
	}
	return "package"
}

// setupPy is the setup script of a generated archive. It names everything, so
// that no version of setuptools has to find anything.
func setupPy(name string, dirs []string, data map[string][]string) string {
	var b strings.Builder
	b.WriteString("from setuptools import setup\n\nsetup(\n    name=" + pyString(name) + ",\n    version='0.0.0',\n    packages=[\n")
	for _, d := range dirs {
		b.WriteString("        " + pyString(strings.ReplaceAll(d, "/", ".")) + ",\n")
	}
	b.WriteString("    ],\n    package_data={\n")
	for _, d := range dirs {
		if len(data[d]) == 0 {
			continue
		}
		b.WriteString("        " + pyString(strings.ReplaceAll(d, "/", ".")) + ": [\n")
		for _, f := range data[d] {
			b.WriteString("            " + pyString(globEscape(f)) + ",\n")
		}
		b.WriteString("        ],\n")
	}
	b.WriteString("    },\n    zip_safe=False,\n)\n")
	return b.String()
}

// globEscape keeps setuptools from reading a file's name as a pattern.
func globEscape(s string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(s)
}

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

// source is a file to pack, under its name in the archive.
type source struct {
	name string // slash-separated, from the package's parent
	path string
	size int64
	exec bool
}

// collect lists what belongs to a package. Links that lead out of it are
// refused: what they show is not the package's to ship.
func collect(pkg, name string) ([]source, error) {
	real, err := filepath.EvalSymlinks(pkg)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "package path %s: %w", pkg, err)
	}
	var files []source
	seen := map[string]bool{}
	var walk func(dir, rel string) error
	walk = func(dir, rel string) error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			p, r := filepath.Join(dir, e.Name()), rel+"/"+e.Name()
			if junk(dir, e) {
				continue
			}
			if e.Type()&fs.ModeSymlink != 0 {
				to, err := filepath.EvalSymlinks(p)
				if err != nil {
					return fault.Errorf(fault.Invalid, "link %s leads nowhere", p).WithHint("remove it, or make what it names")
				}
				if in, err := filepath.Rel(real, to); err != nil || !filepath.IsLocal(in) {
					return fault.Errorf(fault.Invalid, "link %s leads out of the package, to %s", p, to).WithHint("copy what it names into the package, or remove the link")
				}
			}
			info, err := os.Stat(p)
			if err != nil {
				return err
			}
			switch {
			case info.IsDir():
				to, err := filepath.EvalSymlinks(p)
				if err != nil {
					return err
				}
				if seen[to] {
					return fault.Errorf(fault.Invalid, "link %s leads back to a folder above it", p).WithHint("remove the link")
				}
				seen[to] = true
				err = walk(p, r)
				delete(seen, to)
				if err != nil {
					return err
				}
			case info.Mode().IsRegular():
				files = append(files, source{r, p, info.Size(), info.Mode()&0o100 != 0})
			}
		}
		return nil
	}
	seen[real] = true
	if err := walk(pkg, name); err != nil {
		if _, ok := err.(*fault.Error); ok {
			return nil, err
		}
		return nil, fault.Errorf(fault.Invalid, "read the package: %w", err)
	}
	slices.SortFunc(files, func(a, b source) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// junk tells what is nobody's code: caches, version control, virtual
// environments, editors' leavings.
func junk(dir string, e fs.DirEntry) bool {
	name := e.Name()
	if e.IsDir() {
		switch name {
		case "__pycache__", ".git", ".hg", ".svn", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".idea", ".vscode", "node_modules":
			return true
		}
		return strings.HasSuffix(name, ".egg-info") || exists(filepath.Join(dir, name, "pyvenv.cfg"))
	}
	switch filepath.Ext(name) {
	case ".pyc", ".pyo", ".swp", ".swo":
		return true
	}
	return name == ".DS_Store" || name == "Thumbs.db" || strings.HasSuffix(name, "~") || strings.HasPrefix(name, ".#")
}
