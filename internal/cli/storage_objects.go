package cli

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

func newObjects(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "objects", Short: "Look at, change and join objects", RunE: group, Args: cobra.ArbitraryArgs}
	cmd.AddCommand(newObjectsDescribe(a), newObjectsList(a), newObjectsUpdate(a), newObjectsCompose(a))
	return cmd
}

// objectDoc is an object as the original shows it, or raw as the API does.
func objectDoc(o *client.Object, raw bool) (any, error) {
	if raw {
		return rawDoc(o)
	}
	doc := map[string]any{
		"bucket": o.Bucket, "name": o.Name, "size": int64(o.Size), "metageneration": o.Metageneration, "generation": place{Generation: o.Generation}.generation(),
		"storage_url": place{o.Bucket, o.Name, o.Generation}.String(),
	}
	for name, v := range map[string]string{
		"content_type": o.ContentType, "content_encoding": o.ContentEncoding, "content_disposition": o.ContentDisposition, "content_language": o.ContentLanguage,
		"cache_control": o.CacheControl, "crc32c_hash": o.Crc32c, "md5_hash": o.Md5Hash, "etag": o.Etag, "storage_class": o.StorageClass,
		"creation_time": docTime(o.TimeCreated), "update_time": docTime(o.Updated), "storage_class_update_time": docTime(o.TimeStorageClassUpdated), "noncurrent_time": docTime(o.TimeDeleted),
	} {
		if v != "" {
			doc[name] = v
		}
	}
	if len(o.Metadata) > 0 {
		doc["custom_fields"] = o.Metadata
	}
	if o.ComponentCount > 0 {
		doc["component_count"] = o.ComponentCount
	}
	return convert(doc)
}

func rawDoc(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode: %w", err)
	}
	return format.Decode(raw)
}

// docTime is a time as the original's descriptions have it.
func docTime(t string) string {
	at, err := time.Parse(time.RFC3339, t)
	if err != nil {
		return t
	}
	return at.UTC().Format("2006-01-02T15:04:05-0700")
}

func newObjectsDescribe(a *App) *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Example: "  trainyard storage objects describe gs://my-bucket/model.joblib",
		Use:     "describe URL", Short: "Print what is known of an object", Args: exactly("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runObjectsDescribe(cmd.Context(), a, args[0], raw)
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "as the API has it")
	ignored(cmd, "fetch-encrypted-object-hashes")
	return cmd
}

func runObjectsDescribe(ctx context.Context, a *App, url string, raw bool) error {
	l, err := objectLocation(url)
	if err != nil {
		return err
	}
	if _, ok := wild(l.Name); ok && !a.gsutil {
		return usagef("%q has a wildcard; describe takes one object", url).withHint("trainyard storage objects list '%s'", url)
	}
	_, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	items, err := finder{client: c}.find(ctx, l)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		if a.gsutil {
			err = fault.Errorf(fault.NotFound, "No URLs matched: %s", l)
		} else {
			err = fault.Errorf(fault.NotFound, "%s not found: 404.", l)
		}
	}
	if err != nil {
		return err
	}
	for _, it := range items {
		if a.gsutil {
			if err := printFields(a.Out, true, it.String(), objectFields(it.Object)); err != nil {
				return err
			}
			continue
		}
		doc, err := objectDoc(it.Object, raw)
		if err == nil {
			err = a.printDocs("yaml", true, doc)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// objectLocation is a URL of an object, not of a bucket.
func objectLocation(url string) (place, error) {
	l, err := remoteLocation(url)
	if err == nil && l.Name == "" {
		return l, usagef("%q names a bucket, not an object", url).withHint("a URL is gs://%s/OBJECT", l.Bucket)
	}
	return l, err
}

func newObjectsList(a *App) *cobra.Command {
	var raw, stat bool
	var flags listFlags
	cmd := &cobra.Command{
		Use: "list URL…", Short: "List objects with all that is known of them", Args: atLeastOne("URLS"),
		Example: "  trainyard storage objects list 'gs://my-bucket/**' --format 'table(name,size)'",
		RunE: func(cmd *cobra.Command, args []string) error {
			urls, err := remoteLocations(args)
			if err != nil {
				return err
			}
			choose, err := flags.chooser()
			if err != nil {
				return err
			}
			_, c, err := a.connected(cmd.Context())
			if err != nil {
				return err
			}
			listErr := eachNamed(cmd.Context(), c, urls, false, false, func(_ place, n named) error {
				for _, l := range n.levels {
					n.objects = append(n.objects, l.objects...)
				}
				for _, o := range n.objects {
					doc, err := objectDoc(o, raw)
					if err != nil {
						return err
					}
					choose.take(doc)
				}
				return nil
			})
			if docs := choose.chosen(); len(docs) > 0 {
				if err := a.printDocs("yaml", false, docs...); err != nil {
					return err
				}
			} else if listErr == nil {
				a.Say("Listed 0 items.")
			}
			return listErr
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "as the API has it")
	cmd.Flags().BoolVar(&stat, "stat", false, "accepted and ignored")
	_ = cmd.Flags().MarkHidden("stat")
	ignored(cmd, "exhaustive", "fetch-encrypted-object-hashes")
	flags.add(cmd)
	return cmd
}

func newObjectsUpdate(a *App) *cobra.Command {
	var f facts
	var cond conditionFlags
	var recursive, versions, keepGoing bool
	cmd := &cobra.Command{
		Use: "update URL…", Short: "Change the facts of objects, besides their content", Args: atLeastOne("URL"),
		Example: "  trainyard storage objects update gs://my-bucket/model.bin --content-type application/octet-stream --update-custom-metadata run=7",
		RunE: func(cmd *cobra.Command, args []string) error {
			urls, err := remoteLocations(args)
			if err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			_, c, err := a.connected(cmd.Context())
			if err != nil {
				return err
			}
			p := &problems{s: &a.Streams, all: keepGoing}
			for _, l := range urls {
				items, err := finder{client: c, recursive: recursive, versions: versions}.find(cmd.Context(), l)
				if err != nil {
					if len(urls) == 1 || !p.add(err) {
						return err
					}
					continue
				}
				for _, it := range items {
					a.tell("Patching %s...", it)
					changes := f.of(it.Object.Metadata)
					if len(changes) == 0 {
						return usagef("nothing to change was given").withHint("see: %s --help", cmd.CommandPath())
					}
					if _, err := c.UpdateObject(cmd.Context(), it.Bucket, it.Name, it.Object.Generation, changes, cond.conditions()); err != nil && (len(items) == 1 && len(urls) == 1 || !p.add(err)) {
						return err
					}
				}
			}
			return p.err()
		},
	}
	f.register(cmd.Flags(), true)
	cond.register(cmd.Flags())
	recursiveFlag(cmd, &recursive, "also everything below a prefix")
	cmd.Flags().BoolVar(&versions, "all-versions", false, "noncurrent objects too")
	cmd.Flags().BoolVarP(&keepGoing, "continue-on-error", "c", false, "go on with the rest whatever fails; the exit status is 1 then")
	return cmd
}

func newObjectsCompose(a *App) *cobra.Command {
	var f facts
	var cond conditionFlags
	cmd := &cobra.Command{
		Use: "compose SOURCE… DESTINATION", Short: "Join objects of a bucket into one",
		Example: "  trainyard storage objects compose gs://my-bucket/a gs://my-bucket/b gs://my-bucket/ab",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("a source and a destination are expected").withHint("see: %s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var all []place
			for _, arg := range args {
				l, err := objectLocation(arg)
				if err != nil {
					return err
				}
				if l.Bucket != strings.SplitN(strings.TrimPrefix(args[0], "gs://"), "/", 2)[0] {
					return usagef("%s and %s are in two buckets; compose joins objects of one", args[0], arg)
				}
				all = append(all, l)
			}
			sources, to := all[:len(all)-1], all[len(all)-1]
			_, c, err := a.connected(cmd.Context())
			if err != nil {
				return err
			}
			var parts []*client.Object
			for _, l := range sources {
				items, err := finder{client: c}.find(cmd.Context(), l)
				if err != nil {
					return err
				}
				for _, it := range items {
					parts = append(parts, it.Object)
				}
			}
			a.tell("Composing %s from %d component object(s).", to, len(parts))
			changes := f.of(nil)
			if changes["contentType"] == nil && parts[0].ContentType != "" {
				changes["contentType"] = parts[0].ContentType
			}
			_, err = c.ComposeObject(cmd.Context(), to.Bucket, parts, to.Name, changes, cond.conditions())
			return err
		},
	}
	f.register(cmd.Flags(), false)
	cond.register(cmd.Flags())
	return cmd
}
