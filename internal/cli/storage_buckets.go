package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
)

func newBuckets(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "buckets", Short: "Make, list and remove buckets", RunE: group, Args: cobra.ArbitraryArgs}
	var where string
	create := &cobra.Command{
		Use: "create URL…", Short: "Make buckets", Example: "  trainyard storage buckets create gs://my-bucket", Args: atLeastOne("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachBucketURL(cmd.Context(), a, args, func(ctx context.Context, c *client.Client, project, bucket string) error {
				a.tell("Creating gs://%s/...", bucket)
				_, err := c.CreateBucket(ctx, project, bucket, where)
				return err
			})
		},
	}
	create.Flags().StringVarP(&where, "location", "l", "", "recorded with the bucket")
	for _, name := range []string{"default-storage-class", "uniform-bucket-level-access"} {
		create.Flags().String(name, "", "accepted and ignored")
		create.Flags().Lookup(name).NoOptDefVal = "true"
		_ = create.Flags().MarkHidden(name)
	}
	cmd.AddCommand(
		create,
		&cobra.Command{
			Use: "list", Short: "List the project's buckets", Args: exactly(),
			RunE: func(cmd *cobra.Command, _ []string) error { return runBucketsList(cmd.Context(), a) },
		},
		&cobra.Command{
			Use: "describe URL", Short: "Print what is known of a bucket", Args: exactly("URL"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return eachBucketURL(cmd.Context(), a, args, func(ctx context.Context, c *client.Client, _, bucket string) error {
					b, err := c.Bucket(ctx, bucket)
					if err != nil {
						return err
					}
					raw, err := json.Marshal(b)
					if err != nil {
						return err
					}
					doc, err := format.Decode(raw)
					if err != nil {
						return err
					}
					return a.printDocs("yaml", true, doc)
				})
			},
		},
		&cobra.Command{
			Use: "delete URL…", Short: "Remove empty buckets", Args: atLeastOne("URL"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return eachBucketURL(cmd.Context(), a, args, func(ctx context.Context, c *client.Client, _, bucket string) error {
					a.tell("Removing gs://%s/...", bucket)
					return c.DeleteBucket(ctx, bucket)
				})
			},
		},
	)
	return cmd
}

// eachBucketURL checks all the URLs before it works on the first.
func eachBucketURL(ctx context.Context, a *App, args []string, fn func(ctx context.Context, c *client.Client, project, bucket string) error) error {
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
	for _, name := range names {
		if err := fn(ctx, c, s.Project, name); err != nil {
			return err
		}
	}
	return nil
}

func runBucketsList(ctx context.Context, a *App) error {
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	var docs []any
	err = c.EachBucket(ctx, s.Project, "", func(b *client.Bucket) error {
		docs = append(docs, map[string]any{"name": b.Name, "storage_url": fmt.Sprintf("gs://%s/", b.Name), "location": b.Location, "creation_time": b.TimeCreated, "update_time": b.Updated})
		return nil
	})
	if err != nil {
		return err
	}
	if len(docs) == 0 {
		a.Say("Listed 0 items.")
		return nil
	}
	return a.printDocs("yaml", false, docs...)
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
		return err
	}
	if one {
		return f.PrintOne(a.Out, docs[0])
	}
	return f.Print(a.Out, docs)
}
