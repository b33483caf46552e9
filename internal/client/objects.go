package client

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"google.golang.org/api/storage/v1"

	"github.com/trainyard/trainyard/internal/fault"
)

// Object and Bucket are what the storage API says of one.
type (
	Object = storage.Object
	Bucket = storage.Bucket
)

// Changes are facts of an object or a bucket to change, by their names on the
// wire.
type Changes map[string]any

// Conditions must hold of what a call replaces or changes; nil ones are not
// asked for. Generation 0 means that nothing may be there. One that does not
// hold is a fault.Precondition.
type Conditions struct {
	Generation, Metageneration *int64
}

func (c Conditions) set(q url.Values) {
	for name, v := range map[string]*int64{"ifGenerationMatch": c.Generation, "ifMetagenerationMatch": c.Metageneration} {
		if v != nil {
			q.Set(name, strconv.FormatInt(*v, 10))
		}
	}
}

func bucketPath(bucket string) string { return "/storage/v1/b/" + url.PathEscape(bucket) }

func objectPath(bucket, name string) string {
	return bucketPath(bucket) + "/o/" + url.PathEscape(name)
}

func withGeneration(q url.Values, name string, generation int64) url.Values {
	if generation != 0 {
		q.Set(name, strconv.FormatInt(generation, 10))
	}
	return q
}

// objectCall is a call whose answer is JSON, or nothing at all.
func objectCall[T any](ctx context.Context, c *Client, q request) (v T, err error) {
	raw, _, err := c.call(ctx, q)
	if err != nil || len(raw) == 0 {
		return v, err
	}
	return decode[T](c, raw)
}

// Stat is what is known of one object; fault.NotFound when it, or its bucket,
// is not there. Generation 0 is the live one.
func (c *Client) Stat(ctx context.Context, bucket, name string, generation int64) (*Object, error) {
	return objectCall[*Object](ctx, c, request{method: http.MethodGet, path: objectPath(bucket, name), query: withGeneration(url.Values{}, "generation", generation)})
}

// Listing asks for objects by the beginning of their names. With a delimiter,
// prefixes come as objects with only a name.
type Listing struct {
	Prefix, Delimiter string
	Versions          bool // noncurrent ones too
}

// EachObject gives the objects to fn, by name and generation.
func (c *Client) EachObject(ctx context.Context, bucket string, l Listing, fn func(*Object) error) error {
	query := url.Values{"prefix": {l.Prefix}, "projection": {"noAcl"}}
	if l.Delimiter != "" {
		query.Set("delimiter", l.Delimiter)
	}
	if l.Versions {
		query.Set("versions", "true")
	}
	for {
		page, err := objectCall[storage.Objects](ctx, c, request{method: http.MethodGet, path: bucketPath(bucket) + "/o", query: query})
		if err != nil {
			return err
		}
		objects, prefixes := page.Items, page.Prefixes
		for len(objects) > 0 || len(prefixes) > 0 {
			var next *Object
			if len(prefixes) > 0 && (len(objects) == 0 || prefixes[0] < objects[0].Name) {
				next, prefixes = &Object{Bucket: bucket, Name: prefixes[0]}, prefixes[1:]
			} else {
				next, objects = objects[0], objects[1:]
			}
			if err := fn(next); err != nil {
				return err
			}
		}
		if page.NextPageToken == "" {
			return nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}

// DeleteObject removes an object: the live one for generation 0, one version
// for good otherwise.
func (c *Client) DeleteObject(ctx context.Context, bucket, name string, generation int64, cond Conditions) error {
	q := request{method: http.MethodDelete, path: objectPath(bucket, name), query: withGeneration(url.Values{}, "generation", generation)}
	cond.set(q.query)
	_, _, err := c.call(ctx, q)
	return err
}

// CopyObject copies within the server. The copy has the facts of the original,
// with changes. What arrives is compared with the original's checksum.
func (c *Client) CopyObject(ctx context.Context, from *Object, toBucket, toName string, changes Changes, cond Conditions) (*Object, error) {
	q := request{
		method: http.MethodPost, path: objectPath(from.Bucket, from.Name) + "/rewriteTo/b/" + url.PathEscape(toBucket) + "/o/" + url.PathEscape(toName),
		query: withGeneration(url.Values{}, "sourceGeneration", from.Generation), body: struct{}{},
	}
	cond.set(q.query)
	if len(changes) > 0 {
		q.body = changes.over(from)
	}
	for {
		answer, err := objectCall[storage.RewriteResponse](ctx, c, q)
		if err != nil {
			return nil, err
		}
		if !answer.Done {
			q.query.Set("rewriteToken", answer.RewriteToken)
			continue
		}
		if o := answer.Resource; o != nil && o.Crc32c != from.Crc32c {
			return o, damaged(toBucket, toName)
		}
		return answer.Resource, nil
	}
}

// over is the facts of an object with the changes made: a copy that is given
// any fact is given all.
func (c Changes) over(o *Object) Changes {
	all := Changes{}
	for name, v := range map[string]string{"contentType": o.ContentType, "contentEncoding": o.ContentEncoding, "contentDisposition": o.ContentDisposition, "contentLanguage": o.ContentLanguage, "cacheControl": o.CacheControl} {
		if v != "" {
			all[name] = v
		}
	}
	if len(o.Metadata) > 0 {
		all["metadata"] = o.Metadata
	}
	maps.Copy(all, c)
	return all
}

// UpdateObject changes facts of an object; a value nil removes one.
func (c *Client) UpdateObject(ctx context.Context, bucket, name string, generation int64, changes Changes, cond Conditions) (*Object, error) {
	q := request{method: http.MethodPatch, path: objectPath(bucket, name), query: withGeneration(url.Values{}, "generation", generation), body: changes}
	cond.set(q.query)
	return objectCall[*Object](ctx, c, q)
}

// ComposeObject joins objects of a bucket into one, which has the changes as
// its facts.
func (c *Client) ComposeObject(ctx context.Context, bucket string, sources []*Object, name string, changes Changes, cond Conditions) (*Object, error) {
	type source struct {
		Name       string `json:"name"`
		Generation int64  `json:"generation,omitempty,string"`
	}
	body := map[string]any{"destination": changes}
	var list []source
	for _, s := range sources {
		list = append(list, source{s.Name, s.Generation})
	}
	body["sourceObjects"] = list
	q := request{method: http.MethodPost, path: objectPath(bucket, name) + "/compose", query: url.Values{}, body: body}
	cond.set(q.query)
	return objectCall[*Object](ctx, c, q)
}

func damaged(bucket, name string) error {
	return fault.Errorf(fault.Internal, "what was stored as gs://%s/%s is not what was sent", bucket, name).WithHint("try again")
}
