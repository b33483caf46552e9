package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
)

type lsOptions struct {
	*App
	URLs                                     []place
	Long, Full, Recursive, Versions, Buckets bool
	ETag, Readable, Directory                bool

	objects, bytes int64
	lines          bool // something has been printed
}

func newStorageLs(a *App) *cobra.Command {
	o := &lsOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard storage ls -l 'gs://my-bucket/models/**'",
		Use:     "ls [URL…]", SuggestFor: []string{"list", "dir"}, Short: "List buckets, or what is in one",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "gs://" {
				args = nil
			}
			var err error
			if o.URLs, err = remoteLocations(args); err != nil {
				return err
			}
			if o.Full && o.Long {
				return usagef("argument --full: At most one of --full | --long can be specified.")
			}
			return runStorageLs(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.Long, "long", "l", false, "with size in bytes and time of the last change")
	f.BoolVarP(&o.Full, "full", "L", false, "with all that is known")
	recursiveFlag(cmd, &o.Recursive, "everything below, not only the first level")
	f.BoolVarP(&o.Versions, "all-versions", "a", false, "noncurrent objects too, with their generations")
	f.BoolVarP(&o.Buckets, "buckets", "b", false, "the buckets themselves, not what is in them")
	noSetting(f, "buckets")
	f.BoolVarP(&o.ETag, "etag", "e", false, "with -l, the ETag too")
	f.BoolVar(&o.Readable, "readable-sizes", false, "sizes as people write them")
	f.BoolVarP(&o.Directory, "directory", "d", false, "prefixes themselves, not what is in them")
	_ = f.MarkHidden("directory")
	ignored(cmd, "exhaustive", "fetch-encrypted-object-hashes")
	return cmd
}

func runStorageLs(ctx context.Context, o *lsOptions) error {
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	if len(o.URLs) == 0 {
		return c.EachBucket(ctx, s.Project, "", o.bucket)
	}
	if o.Buckets {
		for _, l := range o.URLs {
			b, err := c.Bucket(ctx, l.Bucket)
			if err == nil {
				err = o.bucket(b)
			}
			if err != nil {
				return missingBucket(err, l.Bucket)
			}
		}
		return nil
	}
	err = eachNamed(ctx, c, o.URLs, o.Recursive, o.Versions, func(l place, n named) error {
		_, wildcard := wild(l.Name)
		for _, obj := range n.objects {
			if err := o.object(obj); err != nil {
				return err
			}
		}
		for _, lv := range n.levels {
			var err error
			switch {
			case o.Directory && lv.prefix != "":
				err = o.prefix(lv)
			case o.Recursive:
				err = o.deep(lv, !o.gsutil || lv.prefix != "")
			default:
				err = o.flat(lv, wildcard)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if o.Long || o.Full {
		fmt.Fprintf(o.Out, "TOTAL: %d objects, %d bytes (%s)\n", o.objects, o.bytes, o.size(o.bytes))
	}
	return err
}

func (o *lsOptions) line(format string, args ...any) error {
	o.lines = true
	_, err := fmt.Fprintf(o.Out, format+"\n", args...)
	return err
}

func (o *lsOptions) heading(l *level) error {
	if o.lines {
		if err := o.line(""); err != nil {
			return err
		}
	}
	return o.line("%s:", l.url())
}

func (o *lsOptions) flat(l *level, heading bool) error {
	if heading {
		if err := o.heading(l); err != nil {
			return err
		}
	}
	for _, obj := range l.objects {
		if err := o.object(obj); err != nil {
			return err
		}
	}
	for _, b := range l.below {
		if err := o.prefix(b); err != nil {
			return err
		}
	}
	return nil
}

func (o *lsOptions) deep(l *level, heading bool) error {
	if err := o.flat(&level{bucket: l.bucket, prefix: l.prefix, objects: l.objects}, heading); err != nil {
		return err
	}
	for _, b := range l.below {
		if err := o.deep(b, true); err != nil {
			return err
		}
	}
	return nil
}

func (o *lsOptions) prefix(l *level) error {
	indent := 0
	if o.Long {
		indent = 34
	}
	return o.line("%s%s", strings.Repeat(" ", indent), l.url())
}

func (o *lsOptions) object(obj *client.Object) error {
	o.objects++
	o.bytes += int64(obj.Size)
	url := place{Bucket: obj.Bucket, Name: obj.Name}
	if o.Versions {
		url.Generation = obj.Generation
	}
	switch {
	case o.Full:
		return o.fields(url.String(), objectFields(obj), "ACL", "[]")
	case !o.Long:
		return o.line("%s", url)
	}
	more := ""
	if o.Versions {
		more = fmt.Sprintf("  metageneration=%d", obj.Metageneration)
	}
	if o.ETag {
		more = "  etag=" + obj.Etag + more
	}
	size := fmt.Sprint(obj.Size)
	if o.Readable {
		size = o.size(int64(obj.Size))
	}
	return o.line("%10s  %s  %s%s", size, clock(obj.TimeCreated), url, more)
}

// clock cuts a time to seconds.
func clock(t string) string {
	at, err := time.Parse(time.RFC3339, t)
	if err != nil {
		return t
	}
	return at.UTC().Format("2006-01-02T15:04:05Z")
}

func (o *lsOptions) bucket(b *client.Bucket) error {
	if !o.Full {
		return o.line("gs://%s/", b.Name)
	}
	labels := labelsText(b.Labels)
	if labels == "" {
		labels = "None"
	}
	return o.fields("gs://"+b.Name+"/", []string{
		"Storage Class", b.StorageClass, "Location Type", b.LocationType, "Location Constraint", b.Location,
		"Versioning Enabled", yesNone(b.Versioning != nil && b.Versioning.Enabled), "Lifecycle Configuration", presentNone(b.Lifecycle != nil),
		"Labels", labels, "Time Created", clock(b.TimeCreated), "Time Updated", clock(b.Updated), "Metageneration", fmt.Sprint(b.Metageneration),
		"Bucket Policy Only Enabled", "True", "Public Access Prevention", "inherited",
	}, "ACL", "[]")
}

func yesNone(yes bool) string {
	if yes {
		return "True"
	}
	return "None"
}

func presentNone(there bool) string {
	if there {
		return "Present"
	}
	return "None"
}

// fields prints a heading and names with values.
func (o *lsOptions) fields(heading string, pairs []string, more ...string) error {
	o.lines = true
	return printFields(o.Out, o.gsutil, heading, append(pairs, more...))
}

func printFields(w io.Writer, gsutil bool, heading string, pairs []string) error {
	if _, err := fmt.Fprintf(w, "%s:\n", heading); err != nil {
		return err
	}
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		form := "  %-28s %s\n"
		if gsutil {
			form = "    %-23s %s\n"
			if name, value = gsutilField(name, value); name == "" {
				continue
			}
		}
		if _, err := fmt.Fprintf(w, form, name+":", value); err != nil {
			return err
		}
	}
	return nil
}

// objectFields are names and values of what is known of an object.
func objectFields(o *client.Object) []string {
	var f []string
	add := func(name, value string) {
		if value != "" {
			f = append(f, name, value)
		}
	}
	add("Creation Time", clock(o.TimeCreated))
	add("Update Time", clock(o.Updated))
	add("Storage Class Update Time", clock(o.TimeStorageClassUpdated))
	add("Storage Class", o.StorageClass)
	add("Cache-Control", o.CacheControl)
	add("Content-Disposition", o.ContentDisposition)
	add("Content-Encoding", o.ContentEncoding)
	add("Content-Language", o.ContentLanguage)
	add("Content-Length", fmt.Sprint(o.Size))
	add("Content-Type", o.ContentType)
	if o.ComponentCount > 0 {
		add("Component-Count", fmt.Sprint(o.ComponentCount))
	}
	if o.TimeDeleted != "" {
		add("Noncurrent Time", clock(o.TimeDeleted))
	}
	add("Additional Properties", labelsText(o.Metadata))
	add("Hash (CRC32C)", o.Crc32c)
	add("Hash (MD5)", o.Md5Hash)
	add("ETag", o.Etag)
	add("Generation", fmt.Sprint(o.Generation))
	add("Metageneration", fmt.Sprint(o.Metageneration))
	return f
}
