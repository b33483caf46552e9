package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

// level is a prefix with what is directly in it.
type level struct {
	bucket, prefix string // prefix with its slash; empty for the bucket
	objects        []*client.Object
	below          []*level
}

func (l *level) url() string { return "gs://" + l.bucket + "/" + l.prefix }

// levels sorts objects below a prefix into levels.
func levels(bucket, prefix string, objects []*client.Object) *level {
	root := &level{bucket: bucket, prefix: prefix}
	known := map[string]*level{prefix: root}
	var at func(prefix string) *level
	at = func(p string) *level {
		if l, ok := known[p]; ok {
			return l
		}
		parent := at(p[:strings.LastIndexByte(strings.TrimSuffix(p, "/"), '/')+1])
		l := &level{bucket: bucket, prefix: p}
		known[p] = l
		parent.below = append(parent.below, l)
		return l
	}
	for _, o := range objects {
		l := at(o.Name[:strings.LastIndexByte(o.Name[len(prefix):], '/')+1+len(prefix)])
		l.objects = append(l.objects, o)
	}
	return root
}

// named is what a URL names in a listing: objects, and levels below prefixes.
type named struct {
	objects []*client.Object
	levels  []*level
}

// look finds what a URL names. Levels have all below them when deep is set,
// else their first level only.
func look(ctx context.Context, c *client.Client, l place, deep, versions bool) (named, error) {
	var n named
	if fixed, ok := wild(l.Name); ok {
		return lookWild(ctx, c, l, fixed, versions)
	}
	if l.Name != "" && !strings.HasSuffix(l.Name, "/") {
		items, err := finder{client: c, versions: versions}.named(ctx, l)
		if err != nil {
			return n, err
		}
		for _, it := range items {
			n.objects = append(n.objects, it.Object)
		}
	}
	prefix := l.Name
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	listing := client.Listing{Prefix: prefix, Delimiter: "/", Versions: versions}
	if deep {
		listing.Delimiter = ""
	}
	top := &level{bucket: l.Bucket, prefix: prefix}
	var all []*client.Object
	err := c.EachObject(ctx, l.Bucket, listing, func(o *client.Object) error {
		switch {
		case deep:
			all = append(all, o)
		case isPrefix(o):
			top.below = append(top.below, &level{bucket: l.Bucket, prefix: o.Name})
		default:
			top.objects = append(top.objects, o)
		}
		return nil
	})
	if err = missingBucket(err, l.Bucket); err != nil {
		return n, err
	}
	if deep {
		top = levels(l.Bucket, prefix, all)
	}
	if l.Name == "" || len(top.objects)+len(top.below) > 0 {
		n.levels = append(n.levels, top)
	}
	if len(n.objects)+len(n.levels) == 0 {
		return n, noMatch(l)
	}
	return n, nil
}

func isPrefix(o *client.Object) bool { return o.Generation == 0 }

func lookWild(ctx context.Context, c *client.Client, l place, fixed string, versions bool) (n named, err error) {
	re, err := glob(strings.TrimSuffix(l.Name, "/"))
	if err != nil {
		return n, err
	}
	flat := strings.Contains(l.Name, "**")
	found := map[string][]*client.Object{}
	var order []string
	err = c.EachObject(ctx, l.Bucket, client.Listing{Prefix: fixed, Versions: versions}, func(o *client.Object) error {
		if re.MatchString(o.Name) {
			n.objects = append(n.objects, o)
			return nil
		}
		for i := range len(o.Name) {
			if !flat && o.Name[i] == '/' && re.MatchString(o.Name[:i]) {
				if found[o.Name[:i+1]] == nil {
					order = append(order, o.Name[:i+1])
				}
				found[o.Name[:i+1]] = append(found[o.Name[:i+1]], o)
				return nil
			}
		}
		return nil
	})
	if err = missingBucket(err, l.Bucket); err != nil {
		return n, err
	}
	for _, prefix := range slices.Compact(order) {
		n.levels = append(n.levels, levels(l.Bucket, prefix, found[prefix]))
	}
	if len(n.objects)+len(n.levels) == 0 {
		err = noMatch(l)
	}
	return n, err
}

// eachNamed looks up several URLs. One that names nothing is told of at the
// end, when the others have been shown.
func eachNamed(ctx context.Context, c *client.Client, urls []place, deep, versions bool, fn func(place, named) error) error {
	var missing []error
	for _, l := range urls {
		n, err := look(ctx, c, l, deep, versions)
		if fault.Is(err, fault.NotFound) {
			missing = append(missing, err)
			continue
		}
		if err == nil {
			err = fn(l, n)
		}
		if err != nil {
			return err
		}
	}
	if len(missing) == 1 {
		return missing[0]
	}
	return errors.Join(missing...)
}
