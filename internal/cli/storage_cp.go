package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

// parallelCopies is how many objects are under way at once.
const parallelCopies = 8

type cpOptions struct {
	App       *App
	Sources   []place
	To        place
	Recursive bool
	NoClobber bool
	Move      bool
}

func newStorageCp(a *App, move bool) *cobra.Command {
	o := &cpOptions{App: a, Move: move}
	cmd := &cobra.Command{
		Use:     "cp SOURCE… DESTINATION",
		Short:   "Copy files and objects",
		Example: "  trainyard storage cp model.joblib gs://my-bucket/models/\n  trainyard storage cp -r gs://my-bucket/digits_1 .\n  trainyard storage cp gs://my-bucket/metrics.json -",
	}
	if move {
		cmd.Use, cmd.Short, cmd.Example = "mv SOURCE… DESTINATION", "Move and rename files and objects", "  trainyard storage mv gs://my-bucket/a gs://my-bucket/b"
	}
	cmd.Flags().BoolVarP(&o.Recursive, "recursive", "r", false, "also directories, and prefixes with all their objects")
	cmd.Flags().BoolVarP(&o.Recursive, "R", "R", false, "the same as -r")
	_ = cmd.Flags().MarkHidden("R")
	cmd.Flags().BoolVarP(&o.NoClobber, "no-clobber", "n", false, "leave alone what is there already")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef("a source and a destination are expected").withHint("see: %s --help", cmd.CommandPath())
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, arg := range args[:len(args)-1] {
			l, err := parseLocation(arg)
			if err != nil {
				return err
			}
			o.Sources = append(o.Sources, l)
		}
		var err error
		if o.To, err = parseLocation(args[len(args)-1]); err != nil {
			return err
		}
		return runStorageCp(cmd.Context(), o)
	}
	return cmd
}

// transfer is one copy to make.
type transfer struct {
	from item
	to   place
}

func runStorageCp(ctx context.Context, o *cpOptions) error {
	_, c, err := o.App.connected(ctx)
	if err != nil {
		return err
	}
	var items []item
	for _, src := range o.Sources {
		found, err := expand(ctx, c, src, o.Recursive || o.Move)
		if err != nil {
			return err
		}
		items = append(items, found...)
	}
	list, err := planCopies(ctx, c, o, items)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(t transfer) {
		if s, err := o.App.Config(); err == nil && s.Quiet || t.to.Name == "-" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		verb := "Copying"
		if o.Move {
			verb = "Moving"
		}
		o.App.Say("%s %s to %s", verb, shown(t.from.place), shown(t.to))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelCopies)
	if o.To.Name == "-" && !o.To.remote() {
		g.SetLimit(1)
	}
	for _, t := range list {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if o.NoClobber {
				if there, err := exists(ctx, c, t.to); err != nil || there {
					return err
				}
			}
			say(t)
			if err := copyOne(ctx, o.App, c, t); err != nil {
				return err
			}
			if !o.Move {
				return nil
			}
			if t.from.remote() {
				return c.DeleteObject(ctx, t.from.Bucket, t.from.Name, t.from.Object.Generation)
			}
			return os.Remove(t.from.Name)
		})
	}
	return g.Wait()
}

func shown(l place) string {
	if l.remote() || l.Name == "-" {
		return l.String()
	}
	return "file://" + filepath.ToSlash(l.Name)
}

// planCopies decides where each source goes, and refuses before anything is copied.
func planCopies(ctx context.Context, c *client.Client, o *cpOptions, items []item) ([]transfer, error) {
	folder, err := isFolder(ctx, c, o.To)
	if err != nil {
		return nil, err
	}
	tree := len(items) > 1 || strings.Contains(items[0].Rel, "/")
	single := len(o.Sources) == 1
	if len(items) > 1 && !folder && !o.Recursive && !o.Move {
		if o.To.Name != "-" {
			return nil, fault.Errorf(fault.Invalid, "Destination URL must name an existing bucket or directory, or end with a slash, for multiple sources: %s", o.To)
		}
	}
	list := make([]transfer, 0, len(items))
	seen := map[string]string{}
	for _, it := range items {
		to := o.To
		rel := it.Rel
		switch {
		case to.Name == "-" && !to.remote():
		case folder:
			to.Name = under(to, rel)
		case tree && single:
			// A tree copied to a name that does not exist takes that name.
			_, below, _ := strings.Cut(rel, "/")
			to.Name = under(to, below)
		}
		if to.remote() && (to.Name == "" || it.Name == "-" && !it.remote() && strings.HasSuffix(to.Name, "/")) {
			return nil, fault.Errorf(fault.Invalid, "%s names no object", o.To).WithHint("say what the object is to be called: gs://%s/NAME", to.Bucket)
		}
		if !to.remote() && to.Name != "-" {
			if err := inside(o.To.Name, to.Name, folder || tree); err != nil {
				return nil, fault.Errorf(fault.Invalid, "object %s cannot be written below %s: its name leads outside", it, o.To.Name)
			}
		}
		if other, twice := seen[to.String()]; twice && to.Name != "-" {
			return nil, fault.Errorf(fault.Invalid, "%s and %s would both be copied to %s", other, it.place, to)
		}
		seen[to.String()] = it.String()
		if it.place == to {
			return nil, fault.Errorf(fault.Invalid, "source and destination are the same: %s", to)
		}
		list = append(list, transfer{it, to})
	}
	return list, nil
}

// isFolder reports whether things are put below l rather than at l.
func isFolder(ctx context.Context, c *client.Client, l place) (bool, error) {
	switch {
	case !l.remote():
		info, err := os.Stat(l.Name)
		return err == nil && info.IsDir() || strings.HasSuffix(l.Name, "/"), nil
	case l.Name == "" || strings.HasSuffix(l.Name, "/"):
		return true, nil
	}
	found := errors.New("found")
	err := c.EachObject(ctx, l.Bucket, l.Name+"/", "/", func(*client.Object) error { return found })
	if errors.Is(err, found) {
		return true, nil
	}
	return false, missingBucket(err, l.Bucket)
}

// missingBucket says how to make the bucket that a listing did not find.
func missingBucket(err error, bucket string) error {
	if fault.Is(err, fault.NotFound) {
		return fault.Errorf(fault.NotFound, "gs://%s bucket does not exist", bucket).WithHint("make it with: trainyard storage buckets create gs://%s", bucket)
	}
	return err
}

func under(l place, rel string) string {
	if l.remote() {
		if l.Name == "" || strings.HasSuffix(l.Name, "/") {
			return l.Name + rel
		}
		return l.Name + "/" + rel
	}
	return l.Name + "/" + rel
}

// inside refuses names such as ../../etc/passwd, which are fine in a bucket.
func inside(root, name string, below bool) error {
	if !below {
		return nil
	}
	rel, err := filepath.Rel(filepath.Clean(root), filepath.Clean(name))
	if err != nil || !filepath.IsLocal(rel) {
		return errors.New("outside")
	}
	return nil
}

func exists(ctx context.Context, c *client.Client, l place) (bool, error) {
	if !l.remote() {
		_, err := os.Stat(l.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	_, err := c.Stat(ctx, l.Bucket, l.Name)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func copyOne(ctx context.Context, a *App, c *client.Client, t transfer) error {
	switch {
	case t.from.remote() && t.to.remote():
		_, err := c.CopyObject(ctx, t.from.Bucket, t.from.Name, t.to.Bucket, t.to.Name)
		return err
	case t.to.remote():
		return upload(ctx, a, c, t)
	case t.from.remote():
		return download(ctx, a, c, t)
	default:
		return fault.Errorf(fault.Invalid, "neither %s nor %s is a gs:// URL", t.from, t.to).WithHint("cp copies local files")
	}
}

func upload(ctx context.Context, a *App, c *client.Client, t transfer) error {
	var body io.Reader = a.In
	if t.from.Name != "-" {
		f, err := os.Open(t.from.Name)
		if err != nil {
			return fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", t.from.Name, err)
		}
		defer f.Close()
		body = f
	}
	_, err := c.WriteObject(ctx, t.to.Bucket, t.to.Name, mime.TypeByExtension(path.Ext(t.to.Name)), body, t.from.Size)
	return missingBucket(err, t.to.Bucket)
}

// download writes beside the destination and renames when all has come and the
// checksum is right: a download that is cut leaves what was there.
func download(ctx context.Context, a *App, c *client.Client, t transfer) error {
	body, _, err := c.ReadObject(ctx, t.from.Bucket, t.from.Name)
	if err != nil {
		return err
	}
	defer body.Close()
	if t.to.Name == "-" {
		_, err := io.Copy(a.Out, body)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(t.to.Name), 0o777); err != nil {
		return fault.Errorf(fault.Invalid, "cannot make the folder of %s: %w", t.to.Name, err)
	}
	return writeFile(t.to.Name, body)
}

func writeFile(name string, body io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".trainyard-*")
	if err != nil {
		return fault.Errorf(fault.Invalid, "cannot write %s: %w", name, err)
	}
	defer os.Remove(f.Name())
	w := bufio.NewWriterSize(f, 256<<10)
	if _, err = io.Copy(w, body); err == nil {
		err = w.Flush()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if _, ok := errors.AsType[*fault.Error](err); err != nil && !ok {
		err = fault.Errorf(fault.Invalid, "cannot write %s: %w", name, err)
	}
	return err
}
