package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/filter"
	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
)

const listFormat = "table(jobId.basename(), state:label=STATUS, createTime.date(tz=LOCAL):label=CREATED)"

const costFormat = "table(jobId.basename(), state:label=STATUS, createTime.date(tz=LOCAL):label=CREATED, cost:label=COST)"

// listFlags choose and order documents; they work here, not in the server.
type listFlags struct {
	filter string
	limit  countValue
	sortBy string
}

func (l *listFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.filter, "filter", "", "only what this expression holds for, as in 'state=FAILED AND labels.owner:ann'")
	f.Var(&l.limit, "limit", "at most so many")
	f.StringVar(&l.sortBy, "sort-by", "", "keys to sort by, a ~ before a key for descending, as in ~createTime,jobId")
	f.Var(&countValue{}, "page-size", "accepted and ignored")
	_ = f.MarkHidden("page-size")
}

type sortKey struct {
	path       format.Path
	descending bool
}

// chooser is listFlags, checked.
type chooser struct {
	filter *filter.Filter
	keys   []sortKey
	limit  int
	docs   []any
}

func (l *listFlags) chooser() (*chooser, error) {
	c := &chooser{}
	if l.limit.n != nil {
		c.limit = int(*l.limit.n)
	}
	var err error
	if c.filter, err = filter.Parse(l.filter, time.Now()); err != nil {
		return nil, &usageError{err: err}
	}
	for text := range strings.SplitSeq(l.sortBy, ",") {
		text, down := strings.CutPrefix(strings.TrimSpace(text), "~")
		if text == "" {
			continue
		}
		s := &format.Scanner{Text: text, What: "sort key"}
		path, err := s.Path()
		if err == nil && !s.End() {
			err = s.Errorf("that is not supported")
		}
		if err != nil {
			return nil, &usageError{err: err}
		}
		c.keys = append(c.keys, sortKey{path, down})
	}
	return c, nil
}

// take looks at one document and reports whether more are wanted.
func (c *chooser) take(doc any) bool {
	if c.filter.Match(doc) {
		c.docs = append(c.docs, doc)
	}
	return len(c.keys) > 0 || c.limit == 0 || len(c.docs) < c.limit
}

// chosen are the documents in order.
func (c *chooser) chosen() []any {
	slices.SortStableFunc(c.docs, func(x, y any) int {
		for _, k := range c.keys {
			a, _ := k.path.Get(x)
			b, _ := k.path.Get(y)
			if d := format.Compare(a, b); d != 0 {
				if k.descending {
					return -d
				}
				return d
			}
		}
		return 0
	})
	if c.limit > 0 && len(c.docs) > c.limit {
		return c.docs[:c.limit]
	}
	return c.docs
}

type listOptions struct {
	*App
	listFlags
	cost bool
}

func newList(a *App) *cobra.Command {
	o := &listOptions{App: a}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the jobs of the project",
		Args:  exactly(),
		RunE:  func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), o) },
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&o.cost, "cost", false, "show what each job cost until now, by the server's price sheet (the setting prices)")
	return cmd
}

func runList(ctx context.Context, o *listOptions) error {
	choose, err := o.chooser()
	if err != nil {
		return err
	}
	own := listFormat
	if o.cost {
		own = costFormat
	}
	f, err := o.format(own)
	if err != nil {
		return err
	}
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	var bad error
	err = c.List(ctx, s.Project, func(j client.Job) bool {
		doc, err := document(j)
		if err != nil {
			bad = err
			return false
		}
		return choose.take(doc)
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	docs := choose.chosen()
	if o.cost {
		if err := o.priced(ctx, c, s.Project, docs); err != nil {
			return err
		}
	}
	return o.printList(f, docs)
}

// priced adds to jobs what they cost.
func (o *listOptions) priced(ctx context.Context, c *client.Client, project string, docs []any) error {
	none := len(docs) > 0
	for _, doc := range docs {
		v, err := c.Replicas(ctx, project, get(doc, "jobId"))
		if err != nil {
			return err
		}
		if m, ok := doc.(map[string]any); ok && v.Cost != nil {
			m["cost"], none = v.Price(), false
		}
	}
	if none {
		o.Warn("no job has a price: the server has no price sheet, or none of these ran")
	}
	return nil
}

// printList shows documents; that there are none is said, not shown.
func (a *App) printList(f *format.Format, docs []any) error {
	if len(docs) == 0 {
		a.Say("Listed 0 items.")
	}
	return f.Print(a.Out, docs)
}
