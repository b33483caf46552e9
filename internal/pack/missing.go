package pack

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// installed are the files that will be installed, by their names from where
// imports begin: what a wheel has, or what setup.py copied for its build. Nil
// where nobody knows.
func (b *building) installed(r *Result) (map[string]bool, error) {
	list := map[string]bool{}
	for _, a := range r.Archives {
		if strings.HasSuffix(a.Name, ".whl") {
			for _, f := range a.Files {
				list[f.Path] = true
			}
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	libs, err := filepath.Glob(filepath.Join(b.aside, "lib*"))
	if err != nil || len(libs) != 1 {
		return nil, nil
	}
	err = filepath.WalkDir(libs[0], func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(libs[0], p)
		list[filepath.ToSlash(rel)] = true
		return err
	})
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "read what setup.py built: %w", err)
	}
	return list, nil
}

// compare warns of what lies in the packages of a project but will not be
// installed: modules, and data that the code names or that the archive has.
func (r *Result) compare(b *building) error {
	there, err := b.installed(r)
	if err != nil || len(there) == 0 {
		return err
	}
	tops := map[string]bool{}
	for f := range there {
		if top, _, below := strings.Cut(f, "/"); below && !strings.HasSuffix(top, "-info") && !strings.HasSuffix(top, ".data") {
			tops[top] = true
		}
	}
	for _, top := range slices.Sorted(maps.Keys(tops)) {
		for _, base := range []string{b.root, filepath.Join(b.root, "src")} {
			if info, err := os.Stat(filepath.Join(base, top)); err == nil && info.IsDir() {
				l, err := lookInto(b.root, base, top, there)
				if err != nil {
					return err
				}
				r.lost(l)
				break
			}
		}
	}
	return nil
}

// lost warns of what is left out, folder by folder.
func (r *Result) lost(l *leftOut) {
	for _, dir := range slices.Sorted(maps.Keys(l.modules)) {
		files := strings.Join(l.modules[dir], ", ")
		if l.initial[dir] {
			r.warn("%s will not be installed (%s): the packages that the project names do not include it", dir, files)
		} else {
			r.warn("%s will not be installed (%s): it has no __init__.py, without which find_packages does not see it", dir, files)
		}
	}
	said := map[string]int{}
	for _, d := range l.data {
		why, wanted := "", false
		switch who := l.namedBy(d); {
		case who != "":
			why, wanted = "which "+who+" names", true
		case r.has(d.name, true):
			why, wanted = "which is in the archive", true
		}
		if !wanted {
			continue
		}
		dir := filepath.Dir(d.path)
		if said[dir]++; said[dir] > 3 {
			continue
		}
		how := "list it in package_data"
		if r.Kind == SetupPy {
			how = "list it in package_data of setup.py, or in MANIFEST.in with include_package_data=True"
		}
		if d.by != "" {
			how = "it is left out by " + d.by
		}
		r.warn("%s, %s, will not be installed: %s", d.path, why, how)
	}
	for _, dir := range slices.Sorted(maps.Keys(said)) {
		if said[dir] > 3 {
			r.warn("%d more files of %s will not be installed", said[dir]-3, dir)
		}
	}
}
