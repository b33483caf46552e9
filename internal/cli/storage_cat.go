package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/fault"
)

type catOptions struct {
	*App
	URLs  []place
	Show  bool
	Range rangeValue
}

func newStorageCat(a *App) *cobra.Command {
	o := &catOptions{App: a}
	cmd := &cobra.Command{
		Use: "cat URL…", Short: "Print objects", Args: atLeastOne("URL"),
		Example: "  trainyard storage cat gs://my-bucket/log.txt\n  trainyard storage cat -r -100 gs://my-bucket/log.txt",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.URLs, err = remoteLocations(args); err != nil {
				return err
			}
			return runStorageCat(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.Show, "display-url", "d", false, "say the URL of each object before it")
	cmd.Flags().VarP(&o.Range, "range", "r", "only these bytes, the first being 0: 10-19, 10- to the end, -10 for the last ten")
	return cmd
}

// rangeValue is FIRST-LAST, FIRST- or -COUNT.
type rangeValue struct {
	given       bool
	suffix      bool  // first counts from the end
	first, last int64 // last is -1 for the end
}

func (r *rangeValue) String() string { return "" }
func (r *rangeValue) Type() string   { return "RANGE" }

func (r *rangeValue) Set(s string) error {
	first, last, ok := strings.Cut(s, "-")
	got := rangeValue{given: true, last: -1}
	var err error
	switch {
	case !ok:
		err = strconv.ErrSyntax
	case first == "":
		got.suffix = true
		got.first, err = strconv.ParseInt(last, 10, 64)
		if got.first < 0 {
			err = strconv.ErrSyntax
		}
	default:
		got.first, err = strconv.ParseInt(first, 10, 64)
		if err == nil && last != "" {
			got.last, err = strconv.ParseInt(last, 10, 64)
		}
		if got.first < 0 || got.last < -1 || got.last >= 0 && got.last < got.first {
			err = strconv.ErrSyntax
		}
	}
	if err != nil {
		return wrong("invalid range %q. Write FIRST-LAST, FIRST- or -COUNT.", s)
	}
	*r = got
	return nil
}

// of is the part of size bytes that the range has.
func (r rangeValue) of(size int64) (offset, length int64) {
	switch {
	case !r.given:
		return 0, -1
	case r.suffix:
		offset = max(size-r.first, 0)
		return offset, size - offset
	case r.first >= size:
		return 0, 0
	case r.last < 0:
		return r.first, size - r.first
	}
	return r.first, min(r.last, size-1) - r.first + 1
}

func runStorageCat(ctx context.Context, o *catOptions) error {
	_, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	p := &problems{s: &o.Streams}
	for _, l := range o.URLs {
		items, err := finder{client: c}.find(ctx, l)
		if fault.Is(err, fault.NotFound) && len(o.URLs) > 1 {
			p.add(err)
			continue
		}
		if err != nil {
			return err
		}
		for _, it := range items {
			if o.Show {
				o.Say("==> %s <==", it)
			}
			offset, length := o.Range.of(it.Size)
			if length == 0 {
				continue
			}
			if it.Object.ContentEncoding == "gzip" && !o.Range.given {
				err = printUnpacked(ctx, c, it.Object, o.Out)
			} else {
				err = printObject(ctx, c, it.Object, offset, length, o.Out)
			}
			if err != nil {
				return err
			}
		}
	}
	return p.err()
}
