package pack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/ignore"
)

// source is a file to pack, under its name in the archive.
type source struct {
	name string // slash-separated, from the package's parent
	path string
	size int64
	exec bool
	info os.FileInfo // of when it was listed
}

// collection is what belongs to a package, and what lies in its folder but
// does not.
type collection struct {
	files   []source
	skipped []Skipped
}

// collect lists a package. Links that lead out of it are refused: what they
// show is not the package's to ship.
func (c *collection) collect(pkg, name string) error {
	real, err := filepath.EvalSymlinks(pkg)
	if err != nil {
		return fault.Errorf(fault.Invalid, "package path %s: %w", pkg, err)
	}
	rules, err := ignore.Open(pkg)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	var walk func(rules *ignore.Rules, dir, rel string) error
	walk = func(rules *ignore.Rules, dir, rel string) error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			p, r := filepath.Join(dir, e.Name()), rel+"/"+e.Name()
			folder := e.IsDir()
			if e.Type()&fs.ModeSymlink != 0 {
				if info, err := os.Stat(p); err == nil {
					folder = info.IsDir()
				}
			}
			if v := rules.Match(e.Name(), folder); v.Out {
				c.skip(r, folder, v)
				continue
			}
			if !utf8.ValidString(e.Name()) {
				return fault.Errorf(fault.Invalid, "the name of %q is not text in UTF-8, which archives of Python packages need", filepath.Join(dir, e.Name())).WithHint("rename it, or leave it out with a .trainyardignore")
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
				if err := readableFolder(p); err != nil {
					return err
				}
				below, err := rules.In(p)
				if err != nil {
					return err
				}
				seen[to] = true
				err = walk(below, p, r)
				delete(seen, to)
				if err != nil {
					return err
				}
			case info.Mode().IsRegular() && info.Size() >= tooMuch:
				return tooLarge(p)
			case info.Mode().IsRegular():
				c.files = append(c.files, source{r, p, info.Size(), info.Mode()&0o100 != 0, info})
			default:
				c.skip(r, false, ignore.Verdict{By: "neither a file nor a folder"})
			}
		}
		return nil
	}
	seen[real] = true
	if err := walk(rules, pkg, name); err != nil {
		if _, ok := err.(*fault.Error); ok {
			return err
		}
		return fault.Errorf(fault.Invalid, "read the package: %w", err)
	}
	slices.SortFunc(c.files, func(a, b source) int { return strings.Compare(a.name, b.name) })
	return nil
}

// readableFolder says that a folder cannot be read before a file in it is
// looked for.
func readableFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Errorf(fault.Invalid, "cannot read the folder %s: %w", path, cause(err)).WithHint("leave it out with a .trainyardignore, or let yourself read it")
	}
	return f.Close()
}

// cause is an error of the file system without the path, which is named already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// tooMuch is the size from which on a file is no part of a program: what is
// uploaded, fetched and unpacked for every run must be smaller.
const tooMuch = 2 << 30

func tooLarge(path string) error {
	size := int64(0)
	if info, err := os.Stat(path); err == nil {
		size = info.Size()
	}
	return fault.Errorf(fault.Invalid, "%s has %.1f GiB, and a package takes files of less than %d GiB", path, float64(size)/(1<<30), tooMuch>>30).
		WithHint("copy it to gs:// once, with: trainyard storage cp %s gs://BUCKET/, and give the program its address; or leave it out", path)
}

func (c *collection) skip(name string, folder bool, v ignore.Verdict) {
	if folder {
		name += "/"
	}
	c.skipped = append(c.skipped, Skipped{Path: name, Why: v.By, Asked: !v.Default})
}
