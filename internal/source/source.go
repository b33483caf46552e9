// Package source brings sources here that lie elsewhere, to be packed like a
// folder: a commit of a git repository, or an archive of a tree. What it brings
// may be anybody's: nothing is written outside the folder it is given, and
// nothing of it is run. It knows neither packages nor jobs.
package source

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// Options say what to bring, and with what.
type Options struct {
	Spec    string   // git+SCHEME://…@REF#subdirectory=DIR, gs://BUCKET/ARCHIVE, or an archive here
	Into    string   // an empty folder
	Environ []string // of the user: git is looked up in it and runs with it
	// Patience is for a server of git that accepts and says nothing, in whole
	// seconds; 0 for as much as is good.
	Patience time.Duration
	// Download writes an object to a file.
	Download func(ctx context.Context, uri string, to *os.File) error
}

// Tree is what was brought.
type Tree struct {
	Dir    string
	Commit string // of git
}

// suffixes are the archives that are unpacked.
var suffixes = []string{".zip", ".tar.gz", ".tgz", ".tar"}

// Is reports whether a package path names sources that have to be brought.
func Is(spec string) bool {
	file, _ := split(spec)
	return strings.HasPrefix(spec, "git+") || strings.HasPrefix(spec, "gs://") || isArchive(file) && isFile(file)
}

func isArchive(name string) bool {
	for _, s := range suffixes {
		if strings.HasSuffix(strings.ToLower(name), s) {
			return true
		}
	}
	return false
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Name is what the folder of the sources is called: as the repository or the
// archive is.
func Name(spec string) string {
	rest, _ := split(spec)
	if address, ok := strings.CutPrefix(rest, "git+"); ok {
		if r, err := parseGit(address); err == nil {
			rest = r.url
		}
	}
	name := path.Base(filepath.ToSlash(rest))
	for _, s := range append([]string{".git"}, suffixes...) {
		name = strings.TrimSuffix(name, s)
	}
	if !filepath.IsLocal(name) || name == "." {
		return "sources"
	}
	return name
}

// split takes the fragment off, of which subdirectory says something, and of
// the names that pip knows only that.
func split(spec string) (rest, subdirectory string) {
	i := strings.LastIndex(spec, "#")
	if i < 0 || !strings.Contains(spec[i:], "=") {
		return spec, ""
	}
	for _, part := range strings.Split(spec[i+1:], "&") {
		if v, ok := strings.CutPrefix(part, "subdirectory="); ok {
			subdirectory = v
		}
	}
	return spec[:i], subdirectory
}

// Fetch brings the sources.
func Fetch(ctx context.Context, o Options) (t Tree, err error) {
	rest, sub := split(o.Spec)
	if url, ok := strings.CutPrefix(rest, "git+"); ok {
		t, err = fetchGit(ctx, o, url)
	} else {
		t, err = fetchArchive(ctx, o, rest)
	}
	if err != nil {
		return Tree{}, err
	}
	if sub == "" {
		return t, nil
	}
	dir := filepath.FromSlash(sub)
	if !filepath.IsLocal(dir) {
		return Tree{}, fault.Errorf(fault.Invalid, "%s: the subdirectory %s leads out of the sources", Shown(o.Spec), sub)
	}
	root, err := os.OpenRoot(t.Dir) // a link on the way may lead out of it too
	if err != nil {
		return Tree{}, fault.Errorf(fault.Internal, "open %s: %w", t.Dir, err)
	}
	defer root.Close()
	if _, err := root.Stat(dir); err != nil {
		return Tree{}, fault.Errorf(fault.Invalid, "%s has no folder %s", Shown(o.Spec), sub).WithHint("it has: %s", strings.Join(names(t.Dir), ", "))
	}
	t.Dir = filepath.Join(t.Dir, dir)
	return t, nil
}

// names are what is at the top of a tree.
func names(dir string) (list []string) {
	entries, _ := os.ReadDir(dir) // it is a hint
	for _, e := range entries {
		if e.Name() == ".git" {
			continue
		}
		if list = append(list, e.Name()); len(list) == 10 {
			return append(list, "…")
		}
	}
	return list
}

// fetchArchive unpacks an archive, of this machine or of a bucket.
func fetchArchive(ctx context.Context, o Options, archive string) (Tree, error) {
	if !isArchive(archive) {
		e := fault.Errorf(fault.Invalid, "%s is not an archive of sources: its name ends in none of %s", archive, strings.Join(suffixes, ", "))
		if strings.HasSuffix(archive, ".whl") {
			return Tree{}, e.WithHint("a wheel is built already: name it with --packages")
		}
		return Tree{}, e.WithHint("a folder of a bucket is packed into one first")
	}
	local := archive
	if strings.HasPrefix(archive, "gs://") {
		f, err := os.CreateTemp(filepath.Dir(o.Into), "sources-*"+filepath.Ext(archive))
		if err != nil {
			return Tree{}, fault.Errorf(fault.Invalid, "cannot make a temporary file: %w", err)
		}
		defer os.Remove(f.Name())
		defer f.Close()
		if err := o.Download(ctx, archive, f); err != nil {
			return Tree{}, err
		}
		local = f.Name()
	}
	if err := unpack(local, archive, o.Into); err != nil {
		return Tree{}, err
	}
	return Tree{Dir: within(o.Into)}, nil
}

// within is the one folder that an archive has everything in, as those of
// hosting services have; a package itself stays in its folder.
func within(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		return dir
	}
	inner := filepath.Join(dir, entries[0].Name())
	if isFile(filepath.Join(inner, "__init__.py")) {
		return dir
	}
	return inner
}
