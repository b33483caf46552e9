package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

// mtimeKey is where the original keeps the time a file was changed, in an
// object's custom metadata.
const mtimeKey = "goog-reserved-file-mtime"

type rsyncOptions struct {
	App       *App
	From, To  place
	Recursive bool
	Delete    bool
	DryRun    bool
	Checksums bool
	SkipNewer bool
	Exclude   []string
	exclude   []*regexp.Regexp
	copyOptions
}

func newStorageRsync(a *App) *cobra.Command {
	o := &rsyncOptions{App: a}
	cmd := &cobra.Command{
		Use: "rsync SOURCE DESTINATION", Short: "Make a folder or a prefix like another",
		Long:    "Make a folder or a prefix like another: copy what is missing or different, and,\nif asked, remove what the source has not. Files are the same when size and time of\nthe last change are, or size and checksum.",
		Example: "  trainyard storage rsync -r data gs://my-bucket/data\n  trainyard storage rsync -r --delete-unmatched-destination-objects --dry-run gs://my-bucket/data data",
		Args:    exactly("SOURCE", "DESTINATION"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.From, err = parseLocation(args[0]); err == nil {
				o.To, err = parseLocation(args[1])
			}
			if err != nil {
				return err
			}
			for _, list := range o.Exclude {
				for _, pattern := range splitList(list) {
					re, err := regexp.Compile(`\A(?:` + pattern + `)`)
					if err != nil {
						return usagef("argument --exclude: %q is not a regular expression that is understood: %w", pattern, err)
					}
					o.exclude = append(o.exclude, re)
				}
			}
			if err := o.check(); err != nil {
				return err
			}
			return runStorageRsync(cmd.Context(), o)
		},
	}
	recursiveFlag(cmd, &o.Recursive, "also what is in folders below")
	f := cmd.Flags()
	f.BoolVar(&o.Delete, "delete-unmatched-destination-objects", false, "remove from the destination what the source has not")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and do nothing")
	f.BoolVar(&o.Checksums, "checksums-only", false, "compare checksums, whatever the times say")
	f.BoolVarP(&o.SkipNewer, "skip-if-dest-has-newer-mtime", "u", false, "leave alone what was changed later in the destination")
	f.StringArrayVarP(&o.Exclude, "exclude", "x", nil, "leave out names, seen from the folder, that begin with a match of this regular expression; may be repeated")
	o.register(cmd)
	ignored(cmd, "skip-unsupported", "include-managed-folders", "gzip-in-flight-all", "preserve-posix", "ignore-symlinks", "no-ignore-symlinks")
	return cmd
}

func runStorageRsync(ctx context.Context, o *rsyncOptions) error {
	if !o.From.remote() && !o.To.remote() {
		return usagef("neither %s nor %s is a gs:// URL", o.From, o.To)
	}
	s, c, err := o.App.connected(ctx)
	if err != nil {
		return err
	}
	source, err := o.contents(ctx, c, o.From, true)
	if err != nil {
		return err
	}
	there, err := o.contents(ctx, c, o.To, false)
	if err != nil {
		return err
	}
	p := &problems{s: &o.App.Streams, all: o.KeepGoing}
	var list []transfer
	for _, rel := range slices.Sorted(maps.Keys(source)) {
		it := source[rel]
		if old, ok := there[rel]; ok {
			same, err := o.same(ctx, it, old)
			if err != nil {
				return err
			}
			if same {
				continue
			}
		}
		to := o.To
		to.Name = joined(o.To, rel)
		list = append(list, transfer{from: it, to: to})
	}
	if list, err = checkPlan(o.To, list, p); err != nil {
		return err
	}
	var extra []item
	if o.Delete {
		for _, rel := range slices.Sorted(maps.Keys(there)) {
			if _, ok := source[rel]; !ok {
				extra = append(extra, there[rel])
			}
		}
	}
	if o.DryRun {
		for _, t := range list {
			o.App.Say("Would copy %s to %s", t.from.url(), t.to.url())
		}
		for _, it := range extra {
			o.App.Say("Would remove %s", it.url())
		}
		return p.err()
	}
	if len(list) > 0 {
		w := &copier{app: o.App, client: c, options: &o.copyOptions, quiet: s.Quiet, problems: p, keepTime: true}
		if err := w.run(ctx, list); err != nil {
			return err
		}
	}
	if p.any {
		return p.err() // nothing is removed when not all could be copied
	}
	return o.remove(ctx, c, extra)
}

func (o *rsyncOptions) remove(ctx context.Context, c *client.Client, extra []item) error {
	if o.To.remote() {
		return removeAll(ctx, o.App, c, extra, false, client.Conditions{})
	}
	for _, it := range extra {
		o.App.tell("Removing %s...", it.url())
		if err := os.Remove(it.Name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.Errorf(fault.Invalid, "%w", err)
		}
	}
	return nil
}

// joined is a path below a folder or prefix. What is said of a folder holds
// with and without its slash.
func joined(l place, rel string) string {
	if l.remote() && l.Name == "" {
		return rel
	}
	return strings.TrimSuffix(l.Name, "/") + "/" + rel
}

// contents is what a folder or prefix has, by path below it. A source must be
// there: a mistyped one would empty its destination.
func (o *rsyncOptions) contents(ctx context.Context, c *client.Client, l place, must bool) (map[string]item, error) {
	gone := fault.Errorf(fault.NotFound, "Did not find existing container at: %s", l)
	var items []item
	switch {
	case !l.remote() && !isDir(l.Name):
		if _, err := os.Lstat(l.Name); must || err == nil {
			return nil, gone
		}
		return nil, nil
	case !l.remote():
		var err error
		if items, err = tree(l.Name); err != nil {
			return nil, err
		}
	default:
		prefix := l.Name
		if prefix != "" {
			prefix = strings.TrimSuffix(prefix, "/") + "/"
		}
		delimiter := "/"
		if o.Recursive {
			delimiter = ""
		}
		err := c.EachObject(ctx, l.Bucket, client.Listing{Prefix: prefix, Delimiter: delimiter}, func(obj *client.Object) error {
			if it := ofObject(obj, prefix); !isPrefix(obj) && it.Rel != "" && !marker(it) {
				items = append(items, it)
			}
			return nil
		})
		if err = missingBucket(err, l.Bucket); err != nil {
			return nil, err
		}
		if must && len(items) == 0 && l.Name != "" {
			return nil, gone
		}
	}
	found := map[string]item{}
	for _, it := range items {
		deep := strings.Contains(it.Rel, "/")
		if deep && !o.Recursive && !l.remote() || o.excluded(it.Rel) {
			continue
		}
		found[it.Rel] = it
	}
	return found, nil
}

func (o *rsyncOptions) excluded(rel string) bool {
	return slices.ContainsFunc(o.exclude, func(re *regexp.Regexp) bool { return re.MatchString(rel) })
}

// same reports whether there is nothing to copy.
func (o *rsyncOptions) same(ctx context.Context, from, to item) (bool, error) {
	if o.NoClobber {
		o.App.tell("Skipping existing destination item (no-clobber): %s", to.url())
		return true, nil
	}
	a, aKnown := mtime(from)
	b, bKnown := mtime(to)
	switch {
	case o.SkipNewer && aKnown && bKnown && b.After(a):
		return true, nil
	case from.Size != to.Size:
		return packed(from, to), nil
	case !o.Checksums && aKnown && bKnown && a.Equal(b):
		return true, nil
	}
	x, err := o.sum(ctx, from)
	if err != nil {
		return false, err
	}
	y, err := o.sum(ctx, to)
	return err == nil && x == y, err
}

// packed tells a download that was unpacked when it came, which time alone can
// compare.
func packed(from, to item) bool {
	if from.Object == nil || from.Object.ContentEncoding != "gzip" || to.Object != nil {
		return false
	}
	a, known := mtime(from)
	b, _ := mtime(to)
	return known && a.Equal(b)
}

func (o *rsyncOptions) sum(ctx context.Context, it item) (string, error) {
	if it.Object != nil {
		return it.Object.Crc32c, nil
	}
	sums, err := sumsOfFile(ctx, o.App, it.place, false)
	if err != nil {
		return "", err
	}
	return sums.CRC32C(), nil
}

// mtime is when the content was changed, to the second, as far as it is known.
func mtime(it item) (time.Time, bool) {
	if it.Object == nil {
		info, err := os.Stat(it.Name)
		if err != nil {
			return time.Time{}, false
		}
		return info.ModTime().Truncate(time.Second), true
	}
	n, err := strconv.ParseInt(it.Object.Metadata[mtimeKey], 10, 64)
	return time.Unix(n, 0), err == nil
}

// withTime has an upload remember when its file was changed.
func withTime(up *client.UploadOptions, t transfer) {
	if at, ok := mtime(t.from); ok && !t.from.std() {
		up.Metadata = maps.Clone(up.Metadata)
		if up.Metadata == nil {
			up.Metadata = map[string]string{}
		}
		up.Metadata[mtimeKey] = fmt.Sprint(at.Unix())
	}
}

// setTime gives a download the time that its upload remembered.
func setTime(t transfer) error {
	at, ok := mtime(t.from)
	if !ok {
		return nil
	}
	if err := os.Chtimes(filepath.FromSlash(t.to.Name), time.Time{}, at); err != nil {
		return fault.Errorf(fault.Invalid, "%w", err)
	}
	return nil
}
