package cli

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

func newBuckets(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "buckets", SuggestFor: []string{"bucket", "mb", "rb"}, Short: "Make, list, change and remove buckets", RunE: group, Args: cobra.ArbitraryArgs}
	cmd.AddCommand(newBucketsCreate(a), newBucketsList(a), newBucketsDescribe(a), newBucketsUpdate(a), newBucketsDelete(a))
	return cmd
}

func newBucketsCreate(a *App) *cobra.Command {
	var where, class, lifecycle string
	cmd := &cobra.Command{
		Use: "create URL…", Short: "Make buckets", Example: "  trainyard storage buckets create gs://my-bucket", Args: atLeastOne("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts := client.Changes{}
			if where != "" {
				facts["location"] = where
			}
			if class != "" {
				facts["storageClass"] = strings.ToUpper(class)
			}
			if lifecycle != "" {
				rules, err := lifecycleFile(lifecycle)
				if err != nil {
					return err
				}
				facts["lifecycle"] = rules
			}
			return eachBucketURL(cmd.Context(), a, args, false, func(ctx context.Context, c *client.Client, project, bucket string) error {
				a.tell("Creating gs://%s/...", bucket)
				_, err := c.CreateBucket(ctx, project, bucket, facts)
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&where, "location", "l", "", "recorded with the bucket")
	f.StringVarP(&class, "default-storage-class", "c", "", "recorded with the bucket and its objects: standard, nearline, coldline or archive")
	f.StringVarP(&class, "s", "s", "", "the same as -c")
	_ = f.MarkHidden("s")
	f.StringVar(&lifecycle, "lifecycle-file", "", "file with lifecycle rules, in JSON")
	ignored(cmd, "public-access-prevention", "no-public-access-prevention")
	f.BoolP("uniform-bucket-level-access", "b", true, "it always is so")
	_ = f.MarkHidden("uniform-bucket-level-access")
	return cmd
}

// lifecycleFile reads rules as gcloud and gsutil take them, with or without
// the name around.
func lifecycleFile(name string) (any, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", name, err)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s is not the JSON of lifecycle rules: %w", name, err).WithHint(`it looks like {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 30}}]}`)
	}
	if inner, ok := doc["lifecycle"]; ok {
		return inner, nil
	}
	return json.RawMessage(raw), nil
}

func newBucketsList(a *App) *cobra.Command {
	var raw bool
	var flags listFlags
	cmd := &cobra.Command{
		Example: "  trainyard storage buckets list --format 'value(name)'",
		Use:     "list [URL…]", Short: "List the project's buckets", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			choose, err := flags.chooser()
			if err != nil {
				return err
			}
			urls, err := remoteLocations(args)
			if err != nil {
				return err
			}
			return runBucketsList(cmd.Context(), a, urls, choose, raw)
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "as the API has it")
	flags.add(cmd)
	return cmd
}

func runBucketsList(ctx context.Context, a *App, urls []place, choose *chooser, raw bool) error {
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	var wanted []string
	for _, l := range urls {
		wanted = append(wanted, l.Bucket)
	}
	err = c.EachBucket(ctx, s.Project, "", func(b *client.Bucket) error {
		if len(wanted) > 0 {
			any := false
			for _, w := range wanted {
				re, err := glob(w)
				if err != nil {
					return err
				}
				any = any || re.MatchString(b.Name)
			}
			if !any {
				return nil
			}
		}
		doc, err := bucketDoc(b, raw)
		if err != nil {
			return err
		}
		choose.take(doc)
		return nil
	})
	if err != nil {
		return err
	}
	docs := choose.chosen()
	if len(docs) == 0 {
		a.Say("Listed 0 items.")
		return nil
	}
	return a.printDocs("yaml", false, docs...)
}

// bucketDoc is a bucket as the original shows it, or raw as the API does.
func bucketDoc(b *client.Bucket, raw bool) (any, error) {
	if raw {
		return rawDoc(b)
	}
	doc := map[string]any{
		"name": b.Name, "storage_url": "gs://" + b.Name + "/", "location": b.Location, "location_type": b.LocationType, "default_storage_class": b.StorageClass,
		"creation_time": docTime(b.TimeCreated), "update_time": docTime(b.Updated), "metageneration": b.Metageneration,
		"public_access_prevention": "inherited", "uniform_bucket_level_access": true,
	}
	if b.Versioning != nil && b.Versioning.Enabled {
		doc["versioning_enabled"] = true
	}
	if len(b.Labels) > 0 {
		doc["labels"] = b.Labels
	}
	if b.Lifecycle != nil {
		doc["lifecycle_config"] = b.Lifecycle
	}
	return convert(doc)
}

func newBucketsDescribe(a *App) *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Example: "  trainyard storage buckets describe gs://my-bucket",
		Use:     "describe URL", Short: "Print what is known of a bucket", Args: exactly("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachBucketURL(cmd.Context(), a, args, false, func(ctx context.Context, c *client.Client, _, bucket string) error {
				b, err := c.Bucket(ctx, bucket)
				if fault.Is(err, fault.NotFound) {
					return fault.Errorf(fault.NotFound, "gs://%s not found: 404.", bucket)
				}
				if err != nil {
					return err
				}
				doc, err := bucketDoc(b, raw)
				if err != nil {
					return err
				}
				return a.printDocs("yaml", true, doc)
			})
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "as the API has it")
	return cmd
}

func newBucketsDelete(a *App) *cobra.Command {
	var keepGoing bool
	cmd := &cobra.Command{
		Example: "  trainyard storage buckets delete gs://my-bucket",
		Use:     "delete URL…", Short: "Remove empty buckets", Args: atLeastOne("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachBucketURL(cmd.Context(), a, args, keepGoing, func(ctx context.Context, c *client.Client, _, bucket string) error {
				a.tell("Removing gs://%s/...", bucket)
				err := c.DeleteBucket(ctx, bucket)
				if fault.Is(err, fault.NotFound) {
					err = fault.Errorf(fault.NotFound, "gs://%s not found: 404.", bucket)
				}
				if fault.Is(err, fault.Conflict) && fault.HintOf(err) == "" {
					err = fault.Errorf(fault.Conflict, "%w", err).WithHint("trainyard storage rm -r gs://%s removes it with all that is in it", bucket)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&keepGoing, "continue-on-error", "c", false, "go on with the rest whatever fails; the exit status is 1 then")
	return cmd
}

// eachBucketURL checks all the URLs before it works on the first.
func eachBucketURL(ctx context.Context, a *App, args []string, keepGoing bool, fn func(ctx context.Context, c *client.Client, project, bucket string) error) error {
	var names []string
	for _, arg := range args {
		l, err := remoteLocation(arg)
		if err != nil {
			return err
		}
		if l.Name != "" {
			return usagef("%q names an object, not a bucket", arg).withHint("a bucket is gs://%s", l.Bucket)
		}
		names = append(names, l.Bucket)
	}
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	p := &problems{s: &a.Streams, all: true}
	for _, name := range names {
		if err := fn(ctx, c, s.Project, name); err != nil && (!keepGoing || !p.add(err)) {
			return err
		}
	}
	return p.err()
}

// tell says what is being done, unless it was asked not to.
func (a *App) tell(text string, args ...any) {
	if s, err := a.Config(); err == nil && s.Quiet {
		return
	}
	a.Say(text, args...)
}

// printDocs prints in the format that was asked for, or in def.
func (a *App) printDocs(def string, one bool, docs ...any) error {
	s, err := a.Config()
	if err != nil {
		return err
	}
	if s.Format != "" {
		def = s.Format
	}
	f, err := format.Parse(def)
	if err != nil {
		return &usageError{err: err}
	}
	if one {
		return f.PrintOne(a.Out, docs[0])
	}
	return f.Print(a.Out, docs)
}
