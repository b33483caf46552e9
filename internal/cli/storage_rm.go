package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

type rmOptions struct {
	*App
	URLs                                      []place
	Recursive, Versions, KeepGoing, ReadStdin bool
	cond                                      conditionFlags
}

func newStorageRm(a *App) *cobra.Command {
	o := &rmOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard storage rm gs://my-bucket/old.bin\n  trainyard storage rm -r gs://my-bucket/models",
		Use:     "rm URL…", SuggestFor: []string{"remove", "delete"}, Short: "Remove objects; with -r also all below a prefix, and a bucket with what is in it",
		Args: func(cmd *cobra.Command, args []string) error {
			if o.ReadStdin {
				return nil
			}
			return atLeastOne("URL")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.ReadStdin {
				if args, err = a.readPaths(args); err != nil {
					return err
				}
			}
			if o.URLs, err = remoteLocations(args); err != nil {
				return err
			}
			return runStorageRm(cmd.Context(), o)
		},
	}
	recursiveFlag(cmd, &o.Recursive, "also everything below a prefix or in a bucket, in all versions")
	cmd.Flags().BoolVarP(&o.Versions, "all-versions", "a", false, "noncurrent objects too")
	cmd.Flags().BoolVarP(&o.KeepGoing, "continue-on-error", "c", false, "go on with the rest whatever fails; the exit status is 1 then")
	cmd.Flags().BoolVarP(&o.ReadStdin, "read-paths-from-stdin", "I", false, "take URLs from standard input too, one a line")
	o.cond.register(cmd.Flags())
	ignored(cmd, "exclude-managed-folders")
	return cmd
}

func runStorageRm(ctx context.Context, o *rmOptions) error {
	_, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	p := &problems{s: &o.Streams, all: o.KeepGoing}
	f := finder{client: c, recursive: o.Recursive, versions: o.Versions || o.Recursive}
	for _, l := range o.URLs {
		if err := o.remove(ctx, c, f, l); err != nil && (len(o.URLs) == 1 || !p.add(err)) {
			return err
		}
	}
	return p.err()
}

func (o *rmOptions) remove(ctx context.Context, c *client.Client, f finder, l place) error {
	if l.Name == "" && !o.Recursive {
		return fault.Errorf(fault.Invalid, "gs://%s is a bucket, not an object", l.Bucket).WithHint("add -r to remove it with all that is in it, or use `storage buckets delete` for an empty one")
	}
	items, err := f.find(ctx, l)
	if err != nil {
		return err
	}
	if err := removeAll(ctx, o.App, c, items, f.versions, o.cond.conditions()); err != nil || l.Name != "" {
		return err
	}
	o.tell("Removing gs://%s/...", l.Bucket)
	return c.DeleteBucket(ctx, l.Bucket)
}

// removeAll removes objects, several at once. One that is gone already is as
// good as removed.
func removeAll(ctx context.Context, a *App, c *client.Client, items []item, versions bool, cond client.Conditions) error {
	s, err := a.Config()
	if err != nil {
		return err
	}
	b := a.board(true, len(items), 0)
	defer b.end(false)
	b.quiet = s.Quiet
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelCopies)
	for _, it := range items {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			l := it.place
			if versions && it.Object != nil {
				l.Generation = it.Object.Generation
			}
			b.say("Removing %s...", l)
			err := c.DeleteObject(ctx, l.Bucket, l.Name, l.Generation, cond)
			if fault.Is(err, fault.NotFound) {
				return nil
			}
			return err
		})
	}
	err = g.Wait()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return context.Canceled
	}
	return err
}
