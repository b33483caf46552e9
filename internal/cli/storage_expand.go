package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

// item is one file or object that a command works on. Rel is its path below
// what the command line named.
type item struct {
	place
	Rel    string
	Object *client.Object // nil for a file
	Size   int64          // -1 where it is not known: a pipe
}

func ofObject(o *client.Object, base string) item {
	return item{place{Bucket: o.Bucket, Name: o.Name}, strings.TrimPrefix(o.Name, base), o, int64(o.Size)}
}

// noncurrent reports whether it is an old version of an object.
func (i item) noncurrent() bool { return i.Object != nil && i.Object.TimeDeleted != "" }

func noMatch(l place) error {
	return fault.Errorf(fault.NotFound, "The following URLs matched no objects or files: %s", l)
}

// finder finds what command lines name.
type finder struct {
	client    *client.Client
	recursive bool // directories and prefixes too
	versions  bool // noncurrent objects too
}

// find gives what a source names.
func (f finder) find(ctx context.Context, src place) ([]item, error) {
	switch _, ok := wild(src.Name); {
	case !src.remote():
		return f.files(src)
	case ok:
		return f.matches(ctx, src)
	}
	if src.Name != "" && !strings.HasSuffix(src.Name, "/") {
		items, err := f.named(ctx, src)
		if err != nil || len(items) > 0 {
			return items, err
		}
	}
	return f.below(ctx, src)
}

// named is the object of that name, in all its versions if asked for.
func (f finder) named(ctx context.Context, src place) ([]item, error) {
	base := src.Name[:strings.LastIndexByte(src.Name, '/')+1]
	if f.versions && src.Generation == 0 {
		return f.collect(ctx, src.Bucket, src.Name, func(o *client.Object) (string, bool) { return base, o.Name == src.Name })
	}
	o, err := f.client.Stat(ctx, src.Bucket, src.Name, src.Generation)
	switch {
	case err == nil:
		return []item{ofObject(o, base)}, nil
	case src.Generation == 0 && fault.Is(err, fault.NotFound):
		return nil, nil
	case fault.Is(err, fault.NotFound):
		return nil, noMatch(src)
	}
	return nil, err
}

// below is what a prefix has.
func (f finder) below(ctx context.Context, src place) ([]item, error) {
	prefix := src.Name
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	base := prefix[:strings.LastIndexByte(strings.TrimSuffix(prefix, "/"), '/')+1]
	items, err := f.collect(ctx, src.Bucket, prefix, func(*client.Object) (string, bool) { return base, true })
	switch {
	case err != nil:
		return nil, err
	case len(items) == 0 && !(f.recursive && src.Name == ""):
		return nil, noMatch(src)
	case !f.recursive:
		return nil, fault.Errorf(fault.Invalid, "%s is a prefix with %d objects, not an object", src, len(items)).WithHint("add -r to take all of them")
	}
	return items, nil
}

// matches is what a wildcard names; with recursive, what is below that too.
func (f finder) matches(ctx context.Context, src place) ([]item, error) {
	re, err := glob(src.Name)
	if err != nil {
		return nil, err
	}
	tree, err := glob(strings.TrimSuffix(src.Name, "/") + "/**")
	if err != nil {
		return nil, err
	}
	fixed, _ := wild(src.Name)
	base := fixed[:strings.LastIndexByte(fixed, '/')+1]
	items, err := f.collect(ctx, src.Bucket, fixed, func(o *client.Object) (string, bool) {
		switch {
		case re.MatchString(o.Name) && strings.Contains(src.Name, "**"):
			return base, true
		case re.MatchString(o.Name):
			return o.Name[:strings.LastIndexByte(o.Name, '/')+1], true
		}
		return base, f.recursive && tree.MatchString(o.Name)
	})
	if err == nil && len(items) == 0 {
		err = noMatch(src)
	}
	return items, err
}

func (f finder) collect(ctx context.Context, bucket, prefix string, take func(*client.Object) (base string, ok bool)) ([]item, error) {
	var items []item
	err := f.client.EachObject(ctx, bucket, client.Listing{Prefix: prefix, Versions: f.versions}, func(o *client.Object) error {
		if base, ok := take(o); ok {
			items = append(items, ofObject(o, base))
		}
		return nil
	})
	return items, missingBucket(err, bucket)
}

func (f finder) files(src place) ([]item, error) {
	if src.Name == "-" {
		return []item{{place: src, Rel: "-", Size: -1}}, nil
	}
	info, err := os.Stat(src.Name)
	if err != nil {
		names, _ := filepath.Glob(src.Name)
		if len(names) == 0 {
			return nil, noMatch(src)
		}
		var all []item
		for _, n := range names {
			items, err := f.files(place{Name: n})
			if err != nil {
				return nil, err
			}
			all = append(all, items...)
		}
		return all, nil
	}
	switch {
	case !info.IsDir():
		return []item{{place: src, Rel: filepath.Base(src.Name), Size: sizeOf(info)}}, nil
	case !f.recursive:
		return nil, fault.Errorf(fault.Invalid, "%s is a directory", src.Name).WithHint("add -r to copy what is in it")
	}
	abs, err := filepath.Abs(src.Name)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%w", err)
	}
	items, err := tree(src.Name)
	for i := range items {
		items[i].Rel = path.Join(filepath.Base(abs), items[i].Rel)
	}
	if err == nil && len(items) == 0 {
		err = fault.Errorf(fault.NotFound, "%s has no files in it", src.Name)
	}
	return items, err
}

// tree is the files below a folder. Links are followed, to files: a copy has
// what they show.
func tree(root string) ([]item, error) {
	var items []item
	at, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "read %s: %w", root, err)
	}
	err = filepath.WalkDir(at, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(p)
		if err != nil || !info.Mode().IsRegular() || ours(d.Name()) {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil // a link to nothing
			}
			return err
		}
		rel, err := filepath.Rel(at, p)
		items = append(items, item{place: place{Name: filepath.Join(root, rel)}, Rel: filepath.ToSlash(rel), Size: info.Size()})
		return err
	})
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "read %s: %w", root, err)
	}
	return items, nil
}

// sizeOf is -1 for what cannot tell it.
func sizeOf(info fs.FileInfo) int64 {
	if info.Mode().IsRegular() {
		return info.Size()
	}
	return -1
}
