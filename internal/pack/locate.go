package pack

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// place is a package in its surroundings.
type place struct {
	dir  string // of the package; of the project where it is given whole
	name string // slash-separated, from where imports begin; empty for a whole project
	root string // of the project that builds it, or where imports begin
	kind Kind
}

// locate finds what packages a folder: the project beside it, or around the
// src folder that it lies in, or the folder itself where it is a project; else
// nothing but its own files. The module that will run says where imports
// begin, if that is further up.
func locate(o Options, path string) (place, error) {
	top, base := path, filepath.Dir(path)
	if dir, ok := importedFrom(path, o.Module); ok {
		base = dir
		for d := path; d != dir; d = filepath.Dir(d) {
			if exists(filepath.Join(d, "__init__.py")) { // the folder is a part of that package
				top = d
			}
		}
	}
	rel, err := filepath.Rel(base, top)
	if err != nil {
		return place{}, fault.Errorf(fault.Invalid, "package path %s: %w", o.Path, err)
	}
	name, initial := filepath.ToSlash(rel), exists(filepath.Join(top, "__init__.py"))
	for _, root := range []string{base, filepath.Dir(base)} {
		if root != base && filepath.Base(base) != "src" {
			break
		}
		kind, err := kindOf(root)
		if err != nil {
			return place{}, err
		}
		if kind != "" {
			return place{top, name, root, kind}, nil
		}
	}
	if initial {
		return place{top, name, base, Generated}, nil
	}
	kind, err := kindOf(path)
	if err != nil {
		return place{}, err
	}
	if kind != "" {
		return place{path, "", path, kind}, nil
	}
	if only := onlyPackage(path); only != "" {
		return locate(o, only)
	}
	return place{}, notAPackage(o, path)
}

func notAPackage(o Options, path string) error {
	e := fault.Errorf(fault.Invalid, "[%s] is not a valid Python package because it does not contain an `__init__.py` file. Please create one and try again. Also, please ensure that --package-path refers to a local directory.", path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return e.WithHint("touch %s", filepath.Join(o.Path, "__init__.py"))
	}
	return e.WithHint("there is no folder %s", path)
}

// importedFrom is the folder above a package from which a module's dotted name
// leads to it: for a/ns/trainer and ns.trainer.task, a.
func importedFrom(path, module string) (dir string, ok bool) {
	parts := strings.Split(module, ".")
	for n := len(parts) - 1; n > 1; n-- {
		tail := string(filepath.Separator) + filepath.Join(parts[:n]...)
		if strings.HasSuffix(path, tail) {
			return strings.TrimSuffix(path, tail), true
		}
	}
	return "", false
}

// onlyPackage is the one package in a folder, or in the src folder in it, that
// has a module to run; empty where there are several or none.
func onlyPackage(dir string) (found string) {
	for _, in := range []string{dir, filepath.Join(dir, "src")} {
		entries, _ := os.ReadDir(in) // what cannot be read has none
		for _, e := range entries {
			p := filepath.Join(in, e.Name())
			if !exists(filepath.Join(p, "__init__.py")) || !exists(filepath.Join(p, "task.py")) && !exists(filepath.Join(p, "__main__.py")) {
				continue
			}
			if found != "" {
				return ""
			}
			found = p
		}
	}
	return found
}
