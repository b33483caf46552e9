package cli

import (
	"context"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
)

type duOptions struct {
	*App
	URLs                                          []place
	Summarize, Total, Readable, Versions, ZeroEnd bool
	Exclude                                       []string
	exclude                                       []*regexp.Regexp
}

func newStorageDu(a *App) *cobra.Command {
	o := &duOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard storage du -s -r gs://my-bucket",
		Use:     "du [URL…]", Short: "Print how much space objects take",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.URLs, err = remoteLocations(args); err != nil {
				return err
			}
			for _, pattern := range o.Exclude {
				re, err := glob(pattern)
				if err != nil {
					return err
				}
				o.exclude = append(o.exclude, re)
			}
			return runStorageDu(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.Summarize, "summarize", "s", false, "only the sum of each URL")
	f.BoolVarP(&o.Total, "total", "c", false, "the sum of all URLs too")
	f.BoolVarP(&o.Readable, "readable-sizes", "r", false, "sizes as people write them")
	f.BoolVarP(&o.Versions, "all-versions", "a", false, "noncurrent objects too")
	f.BoolVarP(&o.ZeroEnd, "zero-terminator", "0", false, "end lines with a zero byte")
	f.StringArrayVarP(&o.Exclude, "exclude-name-pattern", "e", nil, "leave out objects with such names, as in **.tmp; may be repeated")
	return cmd
}

func runStorageDu(ctx context.Context, o *duOptions) error {
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	if len(o.URLs) == 0 {
		err := c.EachBucket(ctx, s.Project, "", func(b *client.Bucket) error {
			o.URLs = append(o.URLs, place{Bucket: b.Name})
			return nil
		})
		if err != nil {
			return err
		}
	}
	var total int64
	err = eachNamed(ctx, c, o.URLs, true, o.Versions, func(l place, n named) error {
		var sum int64
		for _, obj := range n.objects {
			size, err := o.object(obj)
			if sum += size; err != nil {
				return err
			}
		}
		for _, lv := range n.levels {
			size, err := o.level(lv)
			if sum += size; err != nil {
				return err
			}
		}
		total += sum
		if !o.Summarize {
			return nil
		}
		url := l.String()
		if l.Name == "" {
			url = "gs://" + l.Bucket
		}
		return o.line(sum, url)
	})
	if o.Total {
		if err := o.line(total, "total"); err != nil {
			return err
		}
	}
	return err
}

func (o *duOptions) line(size int64, what string) error {
	text, end := fmt.Sprint(size), "\n"
	if o.Readable {
		text = o.size(size)
	}
	if o.ZeroEnd {
		end = "\x00"
	}
	_, err := fmt.Fprintf(o.Out, "%-11s  %s%s", text, what, end)
	return err
}

func (o *duOptions) object(obj *client.Object) (int64, error) {
	for _, re := range o.exclude {
		if re.MatchString(obj.Name) {
			return 0, nil
		}
	}
	if o.Summarize {
		return int64(obj.Size), nil
	}
	l := place{Bucket: obj.Bucket, Name: obj.Name}
	if o.Versions {
		l.Generation = obj.Generation
	}
	return int64(obj.Size), o.line(int64(obj.Size), l.String())
}

// level prints what is in a level, and its sum unless it is a bucket.
func (o *duOptions) level(l *level) (sum int64, err error) {
	for _, obj := range l.objects {
		size, err := o.object(obj)
		if sum += size; err != nil {
			return sum, err
		}
	}
	for _, b := range l.below {
		size, err := o.level(b)
		if sum += size; err != nil {
			return sum, err
		}
	}
	if l.prefix == "" || o.Summarize {
		return sum, nil
	}
	return sum, o.line(sum, l.url())
}
