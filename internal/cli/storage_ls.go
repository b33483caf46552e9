package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

func newStorageLs(a *App) *cobra.Command {
	var long, recursive bool
	cmd := &cobra.Command{
		Use: "ls [URL…]", Short: "List buckets, or what is in one",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runStorageLs(cmd.Context(), a, args, long, recursive)
		},
	}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "with size in bytes and time of the last change")
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "everything below, not only the first level")
	return cmd
}

func runStorageLs(ctx context.Context, a *App, args []string, long, recursive bool) error {
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	if len(args) == 0 || len(args) == 1 && args[0] == "gs://" {
		return c.EachBucket(ctx, s.Project, "", func(b *client.Bucket) error {
			_, err := fmt.Fprintf(a.Out, "gs://%s/\n", b.Name)
			return err
		})
	}
	var objects, total int64
	show := func(o *client.Object) error {
		url := "gs://" + o.Bucket + "/" + o.Name
		if o.Updated == "" { // a prefix
			if long {
				url = strings.Repeat(" ", 33) + url
			}
			_, err := fmt.Fprintln(a.Out, url)
			return err
		}
		objects++
		total += int64(o.Size)
		if long {
			t, _ := time.Parse(time.RFC3339, o.Updated)
			url = fmt.Sprintf("%10d  %s  %s", o.Size, t.UTC().Format("2006-01-02T15:04:05Z"), url)
		}
		_, err := fmt.Fprintln(a.Out, url)
		return err
	}
	for _, arg := range args {
		l, err := remoteLocation(arg)
		if err != nil {
			return err
		}
		if err := list(ctx, c, l, recursive, show); err != nil {
			return err
		}
	}
	if long {
		_, err = fmt.Fprintf(a.Out, "TOTAL: %d objects, %d bytes (%s)\n", objects, total, bytesOf(total))
	}
	return err
}

// list gives fn what ls shows for a URL: the object, or the first level below
// the prefix, or all of it.
func list(ctx context.Context, c *client.Client, l place, recursive bool, fn func(*client.Object) error) error {
	if _, ok := wild(l.Name); ok {
		items, err := expand(ctx, c, l, recursive)
		for _, it := range items {
			if err := fn(it.Object); err != nil {
				return err
			}
		}
		return err
	}
	found := false
	if l.Name != "" && !strings.HasSuffix(l.Name, "/") {
		o, err := c.Stat(ctx, l.Bucket, l.Name)
		switch {
		case err == nil:
			found = true
			if err := fn(o); err != nil {
				return err
			}
		case !fault.Is(err, fault.NotFound):
			return err
		}
	}
	prefix, delimiter := l.Name, "/"
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	if recursive {
		delimiter = ""
	}
	err := c.EachObject(ctx, l.Bucket, prefix, delimiter, func(o *client.Object) error {
		found = true
		return fn(o)
	})
	if err = missingBucket(err, l.Bucket); err == nil && !found && l.Name != "" {
		err = fault.Errorf(fault.NotFound, "The following URLs matched no objects or files: %s", l)
	}
	return err
}

func newStorageCat(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "cat URL…", Short: "Print objects",
		Args: atLeastOne("URL"),
		RunE: func(cmd *cobra.Command, args []string) error { return runStorageCat(cmd.Context(), a, args) },
	}
}

func runStorageCat(ctx context.Context, a *App, args []string) error {
	_, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	for _, arg := range args {
		l, err := remoteLocation(arg)
		if err != nil {
			return err
		}
		items, err := expand(ctx, c, l, false)
		if err != nil {
			return err
		}
		for _, it := range items {
			body, _, err := c.ReadObject(ctx, it.Bucket, it.Name)
			if err != nil {
				return err
			}
			_, err = io.Copy(a.Out, body)
			if err := errors.Join(err, body.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

func newStorageRm(a *App) *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use: "rm URL…", Short: "Remove objects; with -r also all below a prefix, and a bucket with what is in it",
		Args: atLeastOne("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runStorageRm(cmd.Context(), a, args, recursive)
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "also everything below a prefix or in a bucket")
	return cmd
}

func runStorageRm(ctx context.Context, a *App, args []string, recursive bool) error {
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	for _, arg := range args {
		l, err := remoteLocation(arg)
		if err != nil {
			return err
		}
		if l.Name == "" && !recursive {
			return fault.Errorf(fault.Invalid, "%s is a bucket, not an object", arg).WithHint("add -r to remove it with all that is in it, or use `storage buckets delete` for an empty one")
		}
		items, err := expand(ctx, c, l, recursive)
		if err != nil {
			return err
		}
		for _, it := range items {
			if !s.Quiet {
				a.Say("Removing %s...", it)
			}
			if err := c.DeleteObject(ctx, it.Bucket, it.Name, 0); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		if l.Name == "" {
			if !s.Quiet {
				a.Say("Removing gs://%s/...", l.Bucket)
			}
			if err := c.DeleteBucket(ctx, l.Bucket); err != nil {
				return err
			}
		}
	}
	return nil
}

func atLeastOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("argument %s: Must be specified.", name).withHint("see: %s --help", cmd.CommandPath())
		}
		return nil
	}
}
