package pack

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/ignore"
	"github.com/trainyard/trainyard/internal/pattern"
)

// What is read of a package to tell what its build left out; of a larger one
// nothing is said.
const (
	maxCompared = 50_000
	maxCode     = 64 << 20
)

// leftOut is what lies in a package and will not be installed.
type leftOut struct {
	modules map[string][]string // by folder
	initial map[string]bool     // the folders that have an __init__.py
	data    []lostFile
	code    []text // of modules that will be installed, and of what makes the package
	files   int
	bytes   int64
}

type lostFile struct {
	name string // from where imports begin
	path string
	by   string // the rule that leaves it out, if one does
}

type text struct {
	name string
	data []byte
	list bool // it lists files, by names and patterns
}

// lookInto compares a package's folder with what will be installed.
func lookInto(root, base, top string, there map[string]bool) (*leftOut, error) {
	l := &leftOut{modules: map[string][]string{}, initial: map[string]bool{}}
	for _, f := range []string{"setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in"} {
		if b, err := ignore.ReadFile(filepath.Join(root, f)); err == nil {
			l.code = append(l.code, text{f, b, true})
		}
	}
	dir := filepath.Join(base, top)
	rules, err := ignore.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := l.walk(rules, dir, top, there); err != nil {
		return nil, err
	}
	if l.files > maxCompared || l.bytes > maxCode {
		return &leftOut{}, nil
	}
	return l, nil
}

func (l *leftOut) walk(rules *ignore.Rules, dir, rel string, there map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fault.Errorf(fault.Invalid, "read the package: %w", err)
	}
	for _, e := range entries {
		if l.files++; l.files > maxCompared {
			return nil
		}
		p, name := filepath.Join(dir, e.Name()), rel+"/"+e.Name()
		v := rules.Match(e.Name(), e.IsDir())
		switch {
		case v.Out && v.Default, isTests(e.Name()):
		case e.IsDir():
			if v.Out {
				continue
			}
			below, err := rules.In(p)
			if err != nil {
				return err
			}
			if err := l.walk(below, p, name, there); err != nil {
				return err
			}
		case !e.Type().IsRegular():
		case filepath.Ext(name) == ".py":
			if err := l.module(p, name, there[name], v.Out); err != nil {
				return err
			}
		case !there[name]:
			f := lostFile{name: name, path: p}
			if v.Out {
				f.by = v.By
			}
			l.data = append(l.data, f)
		}
	}
	return nil
}

// isTests reports whether a folder has what projects leave out on purpose.
func isTests(name string) bool { return name == "tests" || name == "test" }

func (l *leftOut) module(p, name string, installed, out bool) error {
	dir := filepath.Dir(p)
	if filepath.Base(p) == "__init__.py" {
		l.initial[dir] = true
	}
	switch {
	case installed:
		b, err := ignore.ReadFile(p)
		if err != nil {
			return fault.Errorf(fault.Invalid, "cannot read %s: %w", p, err)
		}
		l.bytes += int64(len(b))
		l.code = append(l.code, text{name, b, false})
	case !out:
		l.modules[dir] = append(l.modules[dir], filepath.Base(p))
	}
	return nil
}

// listed are the words of a file that lists files.
var listed = pattern.New(`[^\s'",\[\](){}=]+`)

// namedBy is the file that names a data file, in quotes, or by a pattern where
// it lists files; empty where none does.
func (l *leftOut) namedBy(f lostFile) string {
	base := path.Base(f.name)
	_, inside, _ := strings.Cut(f.name, "/")
	for _, t := range l.code {
		if !t.list {
			if bytes.Contains(t.data, []byte(base+"'")) || bytes.Contains(t.data, []byte(base+`"`)) {
				return t.name
			}
			continue
		}
		for _, word := range listed.FindAllString(string(t.data), -1) {
			if !strings.ContainsAny(word, "./") || strings.Trim(word, "*./") == "" {
				continue
			}
			for _, what := range []string{base, inside, f.name} {
				if ok, err := path.Match(word, what); ok && err == nil {
					return t.name
				}
			}
		}
	}
	return ""
}
