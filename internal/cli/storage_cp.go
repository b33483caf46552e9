package cli

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

type cpOptions struct {
	App       *App
	Sources   []place
	To        place
	Recursive bool
	Versions  bool
	Move      bool
	ReadStdin bool
	copyOptions
}

func newStorageCp(a *App, move bool) *cobra.Command {
	o := &cpOptions{App: a, Move: move}
	cmd := &cobra.Command{
		Use:     "cp SOURCE… DESTINATION",
		Short:   "Copy files and objects",
		Example: "  trainyard storage cp model.joblib gs://my-bucket/models/\n  trainyard storage cp -r gs://my-bucket/digits_1 .\n  trainyard storage cp gs://my-bucket/metrics.json -",
		Long: "Copy files and objects: up, down and within gs://. A - as the source is standard\ninput, as the destination standard output.\n\n" +
			"What is stored is compared with what was sent, by checksum. A large copy that\nwas interrupted goes on where it stopped when the same command is run again.",
	}
	if move {
		cmd.Use, cmd.Short, cmd.Example, cmd.Long = "mv SOURCE… DESTINATION", "Move and rename files and objects", "  trainyard storage mv gs://my-bucket/a gs://my-bucket/b", ""
	}
	recursiveFlag(cmd, &o.Recursive, "also directories, and prefixes with all their objects")
	if move {
		_ = cmd.Flags().MarkHidden("recursive") // it always is
	}
	cmd.Flags().BoolVarP(&o.Versions, "all-versions", "A", false, "also noncurrent objects, oldest first")
	cmd.Flags().BoolVarP(&o.ReadStdin, "read-paths-from-stdin", "I", false, "take the sources from standard input, one a line")
	o.register(cmd)
	ignored(cmd, "daisy-chain", "skip-unsupported", "include-managed-folders", "gzip-in-flight-all", "preserve-posix", "ignore-symlinks")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 && !(o.ReadStdin && len(args) == 1) {
			return usagef("a source and a destination are expected").withHint("see: %s --help", cmd.CommandPath())
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sources := args[:len(args)-1]
		if o.ReadStdin {
			var err error
			if sources, err = a.readPaths(sources); err != nil {
				return err
			}
		}
		for _, arg := range sources {
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
		if err := o.check(); err != nil {
			return err
		}
		return runStorageCp(cmd.Context(), o)
	}
	return cmd
}

// readPaths adds the lines of standard input.
func (a *App) readPaths(paths []string) ([]string, error) {
	paths = slices.Clip(paths) // what follows in args is not ours
	in := bufio.NewScanner(a.In)
	for in.Scan() {
		if line := strings.TrimSpace(in.Text()); line != "" {
			paths = append(paths, line)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fault.Errorf(fault.Invalid, "read standard input: %w", err)
	}
	return paths, nil
}

// copyOptions are what cp, mv and rsync have in common.
type copyOptions struct {
	NoClobber    bool
	KeepGoing    bool
	PrintCreated bool
	Undecoded    bool // leave gzip as it is when downloading
	GzipLocal    []string
	GzipAll      bool
	StorageClass string
	facts        facts
	cond         conditionFlags
}

func (o *copyOptions) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVarP(&o.NoClobber, "no-clobber", "n", false, "leave alone what is there already")
	fs.BoolVarP(&o.KeepGoing, "continue-on-error", "c", false, "go on with the rest whatever fails; the exit status is 1 then")
	fs.BoolVarP(&o.PrintCreated, "print-created-message", "v", false, "print the generation of each object that is made")
	fs.BoolVar(&o.Undecoded, "do-not-decompress", false, "leave what is stored as gzip as it is")
	fs.StringSliceVarP(&o.GzipLocal, "gzip-local", "z", nil, "store files with these endings packed by gzip: js,css,…")
	fs.BoolVarP(&o.GzipAll, "gzip-local-all", "Z", false, "store all files packed by gzip")
	fs.StringVarP(&o.StorageClass, "storage-class", "s", "", "recorded with the object: standard, nearline, coldline or archive")
	o.facts.register(fs, false)
	o.cond.register(fs)
}

func (o *copyOptions) check() error { return o.facts.check() }

func runStorageCp(ctx context.Context, o *cpOptions) error {
	s, c, err := o.App.connected(ctx)
	if err != nil {
		return err
	}
	p := &problems{s: &o.App.Streams}
	f := finder{client: c, recursive: o.Recursive || o.Move, versions: o.Versions}
	var items []item
	for _, src := range o.Sources {
		found, err := f.find(ctx, src)
		if err != nil && len(o.Sources) == 1 {
			return err
		}
		if err != nil && !p.add(err) {
			return err
		}
		items = append(items, found...)
	}
	if len(items) == 0 {
		return p.err()
	}
	list, err := planCopies(ctx, c, o, items, p)
	if err != nil {
		return err
	}
	w := &copier{app: o.App, client: c, options: &o.copyOptions, move: o.Move, quiet: s.Quiet, problems: p}
	return w.run(ctx, list)
}

// planCopies decides where each source goes. What cannot go anywhere is a
// problem of its own; the others go on.
func planCopies(ctx context.Context, c *client.Client, o *cpOptions, items []item, p *problems) ([]transfer, error) {
	folder, err := isFolder(ctx, c, o.To)
	if err != nil {
		return nil, err
	}
	tree := strings.Contains(items[0].Rel, "/")
	if len(items) > 1 && !folder && !tree && !o.To.std() && !o.Versions {
		return nil, errSeveral(o.To)
	}
	list := make([]transfer, 0, len(items))
	for _, it := range items {
		t := transfer{from: it, to: o.To}
		switch {
		case t.to.std():
		case folder:
			t.to.Name = under(t.to, it.Rel)
		case tree && len(o.Sources) == 1:
			// A tree copied to a name that does not exist takes that name.
			_, below, _ := strings.Cut(it.Rel, "/")
			t.to.Name, t.from.Rel = under(t.to, below), below
		case tree:
			return nil, errSeveral(o.To)
		default:
			t.exact = true
		}
		list = append(list, t)
	}
	return checkPlan(o.To, list, p)
}

// isFolder reports whether things are put below l rather than at l.
func isFolder(ctx context.Context, c *client.Client, l place) (bool, error) {
	switch {
	case !l.remote():
		return isDir(l.Name) || strings.HasSuffix(l.Name, "/"), nil
	case l.Name == "" || strings.HasSuffix(l.Name, "/"):
		return true, nil
	}
	found := errors.New("found")
	err := c.EachObject(ctx, l.Bucket, client.Listing{Prefix: l.Name + "/", Delimiter: "/"}, func(*client.Object) error { return found })
	if errors.Is(err, found) {
		return true, nil
	}
	return false, missingBucket(err, l.Bucket)
}

func under(l place, rel string) string {
	if l.remote() && (l.Name == "" || strings.HasSuffix(l.Name, "/")) {
		return l.Name + rel
	}
	return strings.TrimSuffix(l.Name, "/") + "/" + rel
}
