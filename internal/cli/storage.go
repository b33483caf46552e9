package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

func newStorage(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "storage", Short: "Work with gs:// buckets and objects", RunE: group, Args: cobra.ArbitraryArgs,
		Long: "Work with gs:// buckets and objects.\n\nIn a gs:// URL that is read, * stands for anything but a slash, ** for anything,\n? for one character and [a-z] for one of a set.",
	}
	cmd.AddCommand(newStorageCp(a, false), newStorageCp(a, true), newStorageLs(a), newStorageCat(a), newStorageRm(a), newBuckets(a))
	cmd.AddCommand(newStorageSignURL(a))
	return cmd
}

// place is a place that a command line names: an object or a prefix in a
// bucket, a file, or - for standard input and output.
type place struct {
	Bucket string // empty for a local path
	Name   string // object name or prefix, or the local path
}

func (l place) remote() bool { return l.Bucket != "" }

func (l place) String() string {
	if l.remote() {
		return "gs://" + l.Bucket + "/" + l.Name
	}
	return l.Name
}

// parseLocation reads a command-line word. Only gs://bucket/… is remote.
func parseLocation(s string) (place, error) {
	rest, ok := strings.CutPrefix(s, "gs://")
	if !ok {
		switch {
		case strings.HasPrefix(s, "gs:"):
			return place{}, usagef("%q is not a gs:// URL", s).withHint("did you mean gs://%s?", strings.TrimLeft(s[3:], "/"))
		case strings.HasPrefix(s, "s3://"), strings.HasPrefix(s, "az://"):
			return place{}, usagef("%q: only gs:// URLs and local paths are served", s)
		case s == "":
			return place{}, usagef("an empty path names nothing")
		}
		return place{Name: strings.TrimPrefix(s, "file://")}, nil
	}
	bucket, name, _ := strings.Cut(rest, "/")
	if bucket == "" {
		return place{}, usagef("%q names no bucket", s).withHint("a URL is gs://BUCKET/OBJECT")
	}
	return place{Bucket: bucket, Name: name}, nil
}

// remoteLocation is parseLocation for commands that work on gs:// only.
func remoteLocation(s string) (place, error) {
	l, err := parseLocation(s)
	if err == nil && !l.remote() {
		return l, usagef("%q is not a gs:// URL", s).withHint("a URL is gs://BUCKET/OBJECT")
	}
	return l, err
}

// wild reports whether a name has a wildcard, and where the part before it ends.
func wild(name string) (fixed string, ok bool) {
	i := strings.IndexAny(name, "*?[")
	if i < 0 {
		return name, false
	}
	return name[:i], true
}

// glob turns a wildcard into a pattern over whole names.
func glob(name string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case strings.HasPrefix(name[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case c == '[':
			end := strings.IndexByte(name[i:], ']')
			if end < 2 {
				return nil, usagef("wildcard %q has a [ without its ]", name)
			}
			set := name[i+1 : i+end]
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(strings.Replace(set, "!", "^", 1)) + "]")
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(name[i : i+1]))
		}
	}
	b.WriteString(`)\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, usagef("wildcard %q is not understood", name)
	}
	return re, nil
}

// item is one file or object that a command works on. Rel is its path below
// what the command line named.
type item struct {
	place
	Rel    string
	Object *client.Object // nil for a file
	Size   int64
}

// expand finds what a source names. Directories and prefixes need recursive.
func expand(ctx context.Context, c *client.Client, src place, recursive bool) ([]item, error) {
	if !src.remote() {
		return expandLocal(src, recursive)
	}
	var items []item
	add := func(o *client.Object, base string) error {
		items = append(items, item{place{src.Bucket, o.Name}, strings.TrimPrefix(o.Name, base), o, int64(o.Size)})
		return nil
	}
	if fixed, ok := wild(src.Name); ok {
		re, err := glob(src.Name)
		if err != nil {
			return nil, err
		}
		base := fixed[:strings.LastIndexByte(fixed, '/')+1]
		tree, err := glob(strings.TrimSuffix(src.Name, "/") + "/**")
		if err != nil {
			return nil, err
		}
		err = c.EachObject(ctx, src.Bucket, fixed, "", func(o *client.Object) error {
			switch {
			case re.MatchString(o.Name):
				if strings.Contains(src.Name, "**") {
					return add(o, base)
				}
				return add(o, o.Name[:strings.LastIndexByte(o.Name, '/')+1])
			case recursive && tree.MatchString(o.Name):
				return add(o, base)
			}
			return nil
		})
		if err = missingBucket(err, src.Bucket); err == nil && len(items) == 0 {
			err = fault.Errorf(fault.NotFound, "The following URLs matched no objects or files: %s", src)
		}
		return items, err
	}
	if src.Name != "" && !strings.HasSuffix(src.Name, "/") {
		o, err := c.Stat(ctx, src.Bucket, src.Name)
		if err == nil {
			return []item{{src, path.Base(src.Name), o, int64(o.Size)}}, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	prefix := src.Name
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	base := prefix[:strings.LastIndexByte(strings.TrimSuffix(prefix, "/"), '/')+1]
	err := c.EachObject(ctx, src.Bucket, prefix, "", func(o *client.Object) error { return add(o, base) })
	switch {
	case err != nil:
		return nil, missingBucket(err, src.Bucket)
	case len(items) == 0 && !(recursive && src.Name == ""):
		return nil, fault.Errorf(fault.NotFound, "The following URLs matched no objects or files: %s", src)
	case !recursive:
		return nil, fault.Errorf(fault.Invalid, "%s is a prefix with %d objects, not an object", src, len(items)).WithHint("add -r to take all of them")
	}
	return items, nil
}

func expandLocal(src place, recursive bool) ([]item, error) {
	if src.Name == "-" {
		return []item{{place: src, Rel: "-", Size: -1}}, nil
	}
	info, err := os.Stat(src.Name)
	if err != nil {
		if names, _ := filepath.Glob(src.Name); len(names) > 0 {
			var all []item
			for _, n := range names {
				items, err := expandLocal(place{Name: n}, recursive)
				if err != nil {
					return nil, err
				}
				all = append(all, items...)
			}
			return all, nil
		}
		return nil, fault.Errorf(fault.NotFound, "The following URLs matched no objects or files: %s", src.Name)
	}
	if !info.IsDir() {
		return []item{{place: src, Rel: filepath.Base(src.Name), Size: info.Size()}}, nil
	}
	if !recursive {
		return nil, fault.Errorf(fault.Invalid, "%s is a directory", src.Name).WithHint("add -r to copy what is in it")
	}
	abs, err := filepath.Abs(src.Name)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%w", err)
	}
	var items []item
	err = filepath.WalkDir(abs, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(p) // links are followed, as a copy of what they show
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(filepath.Dir(abs), p)
		items = append(items, item{place: place{Name: p}, Rel: filepath.ToSlash(rel), Size: info.Size()})
		return err
	})
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "read %s: %w", src.Name, err)
	}
	if len(items) == 0 {
		return nil, fault.Errorf(fault.NotFound, "%s has no files in it", src.Name)
	}
	return items, nil
}

// bytesOf writes a size for people: 1.5MiB.
func bytesOf(n int64) string {
	units := []string{"B", "kiB", "MiB", "GiB", "TiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	if u == 0 {
		return fmt.Sprintf("%dB", n)
	}
	return fmt.Sprintf("%.1f%s", f, units[u])
}
