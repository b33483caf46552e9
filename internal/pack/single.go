package pack

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/ignore"
	"github.com/trainyard/trainyard/internal/pattern"
)

// single packs one script or notebook, for people who have nothing else. With
// it go the modules and packages beside it that it imports, and what it says
// that it requires: in a "# /// script" block, or in a requirements.txt.
func single(path string, o Options) (Result, error) {
	began, r := time.Now(), Result{Kind: Script}
	dir, base := filepath.Split(path)
	module, ext := scriptModule(path), filepath.Ext(base)
	code, err := os.ReadFile(path)
	if err != nil {
		return r, fault.Errorf(fault.Invalid, "cannot read %s: %w", path, err)
	}
	var installs []string
	switch ext {
	case ".py":
	case ".ipynb":
		r.Kind = Notebook
		if code, installs, err = r.notebook(path, code); err != nil {
			return r, err
		}
	default:
		return r, fault.Errorf(fault.Invalid, "[%s] is neither the folder of a package, a Python script nor a notebook", path).
			WithHint("an archive that is built already is named with --packages")
	}
	requires, inline, err := scriptRequires(path, code)
	if err != nil {
		return r, err
	}
	if !inline {
		if requires, err = r.requirements(dir); err != nil {
			return r, err
		}
	}
	for _, i := range installs {
		if !slices.Contains(requires, i) {
			requires = append(requires, i)
		}
	}
	project := projectName(module)
	name := project + "-0.0.0"
	b := &beside{dir: dir, modules: map[string][]byte{module: code}}
	if err := b.follow(code); err != nil {
		return r, err
	}
	r.Skipped = b.skipped
	var entries []entry
	for m, src := range b.modules {
		entries = append(entries, entry{name: name + "/" + m + ".py", data: src})
	}
	for _, f := range b.files {
		entries = append(entries, f.entry(name))
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	entries = append([]entry{{name: name + "/PKG-INFO", data: []byte(pkgInfo(project, requires))}, {name: name + "/setup.py", data: []byte(b.setupPy(project, requires))}}, entries...)
	if err := r.write(o, name, entries, began); err != nil {
		return r, err
	}
	r.look()
	return r, nil
}

// scriptModule is the name under which a script or a notebook is packed: its own
// where Python takes that for a module, else one that is like it and that
// nothing beside it has.
func scriptModule(path string) string {
	dir, base := filepath.Split(path)
	name := strings.TrimSuffix(base, filepath.Ext(base))
	if identifier.MatchString(name) {
		return name
	}
	name = nonword.ReplaceAllString(name, "_")
	if !identifier.MatchString(name) {
		name = "_" + name
	}
	for exists(filepath.Join(dir, name+".py")) || exists(filepath.Join(dir, name, "__init__.py")) {
		name += "_"
	}
	return name
}

var (
	identifier = pattern.New(`^[\pL_][\pL\pN_]*$`)
	nonword    = pattern.New(`[^\pL\pN_]+`)
	importLine = pattern.New(`(?m)^[ \t]*(?:from[ \t]+([\pL_][\pL\pN_]*)[.\pL\pN_]*[ \t]+import|import[ \t]+([^#\n]+))`)
)

// beside is what lies beside a script and is imported by it.
type beside struct {
	collection
	dir      string
	modules  map[string][]byte
	packages []string
}

// follow takes along what code imports from its own folder.
func (b *beside) follow(code []byte) error {
	for _, m := range importLine.FindAllSubmatch(code, -1) {
		names := []string{string(m[1])}
		if len(m[2]) > 0 {
			names = strings.Split(string(m[2]), ",")
		}
		for _, n := range names {
			n, _, _ = strings.Cut(strings.TrimSpace(n), ".")
			n, _, _ = strings.Cut(n, " ")
			if err := b.take(n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *beside) take(name string) error {
	if b.modules[name] != nil || slices.Contains(b.packages, name) || !identifier.MatchString(name) {
		return nil
	}
	folder := filepath.Join(b.dir, name)
	if exists(filepath.Join(folder, "__init__.py")) {
		b.packages = append(b.packages, name)
		before := len(b.files)
		if err := b.collect(folder, name); err != nil {
			return err
		}
		for _, f := range b.files[before:] {
			if filepath.Ext(f.name) != ".py" {
				continue
			}
			code, err := os.ReadFile(f.path)
			if err != nil {
				return fault.Errorf(fault.Invalid, "cannot read %s: %w", f.path, err)
			}
			if err := b.follow(code); err != nil {
				return err
			}
		}
		return nil
	}
	code, err := ignore.ReadFile(folder + ".py")
	if err != nil {
		return nil // it is somebody else's
	}
	b.modules[name] = append([]byte{}, code...)
	return b.follow(code)
}

// setupPy is the setup script of what lies beside a script.
func (b *beside) setupPy(name string, requires []string) string {
	var s strings.Builder
	s.WriteString("from setuptools import setup\n\nsetup(\n    name=" + pyString(name) + ",\n    version='0.0.0',\n    py_modules=[")
	var modules []string
	for m := range b.modules {
		modules = append(modules, pyString(m))
	}
	slices.Sort(modules)
	s.WriteString(strings.Join(modules, ", ") + "],\n")
	s.WriteString(newLayout(b.files).arguments() + installRequires(requires) + "    zip_safe=False,\n)\n")
	return s.String()
}

// scriptBlock is where a script says what it requires (PEP 723).
var scriptBlock = pattern.New(`(?m)^# /// script[ \t]*\r?\n((?:^#(?:| .*)\r?\n)+?)^# ///[ \t]*\r?$`)

func scriptRequires(path string, code []byte) (requires []string, inline bool, err error) {
	m := scriptBlock.FindSubmatch(append(bytes.Clone(code), '\n'))
	if m == nil {
		return nil, false, nil
	}
	var text strings.Builder
	for line := range strings.Lines(string(m[1])) {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ")
		text.WriteString(line)
	}
	var block struct {
		Dependencies []string `toml:"dependencies"`
	}
	if err := toml.Unmarshal([]byte(text.String()), &block); err != nil {
		return nil, true, fault.Errorf(fault.Invalid, "%s: its \"# /// script\" block is not TOML: %w", path, err)
	}
	for _, d := range block.Dependencies {
		if strings.ContainsAny(d, "\r\n") {
			return nil, true, fault.Errorf(fault.Invalid, "%s: its \"# /// script\" block requires %q, which is no requirement", path, d)
		}
	}
	return block.Dependencies, true, nil
}
