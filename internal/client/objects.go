package client

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/trainyard/trainyard/internal/fault"
)

// Object and Bucket are what the storage API says of one.
type (
	Object = storage.Object
	Bucket = storage.Bucket
)

func bucketPath(bucket string) string { return "/storage/v1/b/" + url.PathEscape(bucket) }

func objectPath(bucket, name string) string {
	return bucketPath(bucket) + "/o/" + url.PathEscape(name)
}

// objectCall is a call whose answer is JSON, or nothing at all.
func objectCall[T any](ctx context.Context, c *Client, q request) (v T, err error) {
	raw, _, err := c.call(ctx, q)
	if err != nil || len(raw) == 0 {
		return v, err
	}
	return decode[T](c, raw)
}

// CreateBucket makes a bucket; one that exists is a fault.Conflict.
func (c *Client) CreateBucket(ctx context.Context, project, name, location string) (*Bucket, error) {
	body := map[string]string{"name": name}
	if location != "" {
		body["location"] = location
	}
	return objectCall[*Bucket](ctx, c, request{method: http.MethodPost, path: "/storage/v1/b", query: url.Values{"project": {project}}, body: body})
}

// Bucket is one bucket.
func (c *Client) Bucket(ctx context.Context, name string) (*Bucket, error) {
	return objectCall[*Bucket](ctx, c, request{method: http.MethodGet, path: bucketPath(name)})
}

// DeleteBucket removes an empty bucket.
func (c *Client) DeleteBucket(ctx context.Context, name string) error {
	_, _, err := c.call(ctx, request{method: http.MethodDelete, path: bucketPath(name)})
	return err
}

// EachBucket gives the project's buckets to fn, by name.
func (c *Client) EachBucket(ctx context.Context, project, prefix string, fn func(*Bucket) error) error {
	query := url.Values{"project": {project}, "prefix": {prefix}}
	for {
		page, err := objectCall[storage.Buckets](ctx, c, request{method: http.MethodGet, path: "/storage/v1/b", query: query})
		if err != nil {
			return err
		}
		for _, b := range page.Items {
			if err := fn(b); err != nil {
				return err
			}
		}
		if page.NextPageToken == "" {
			return nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}

// EachObject gives the objects whose names begin with prefix to fn, by name;
// with a delimiter, prefixes come as objects with only a name.
func (c *Client) EachObject(ctx context.Context, bucket, prefix, delimiter string, fn func(*Object) error) error {
	query := url.Values{"prefix": {prefix}, "projection": {"noAcl"}}
	if delimiter != "" {
		query.Set("delimiter", delimiter)
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

// DeleteObject removes an object; a generation other than 0 must be the one
// that is there.
func (c *Client) DeleteObject(ctx context.Context, bucket, name string, generation int64) error {
	q := request{method: http.MethodDelete, path: objectPath(bucket, name), query: url.Values{}}
	if generation != 0 {
		q.query.Set("ifGenerationMatch", strconv.FormatInt(generation, 10))
	}
	_, _, err := c.call(ctx, q)
	return err
}

// CopyObject copies within the server.
func (c *Client) CopyObject(ctx context.Context, bucket, name, toBucket, toName string) (*Object, error) {
	q := request{method: http.MethodPost, path: objectPath(bucket, name) + "/rewriteTo/b/" + url.PathEscape(toBucket) + "/o/" + url.PathEscape(toName), query: url.Values{}, body: struct{}{}}
	for {
		answer, err := objectCall[storage.RewriteResponse](ctx, c, q)
		if err != nil || answer.Done {
			return answer.Resource, err
		}
		q.query.Set("rewriteToken", answer.RewriteToken)
	}
}

// ReadObject opens an object's content. The reader gives fault.Internal at the
// end when what came does not have the object's checksum.
func (c *Client) ReadObject(ctx context.Context, bucket, name string) (io.ReadCloser, int64, error) {
	res, err := c.stream(ctx, http.MethodGet, objectPath(bucket, name)+"?alt=media", nil, nil, 0)
	if err != nil {
		return nil, 0, err
	}
	sum := res.Header.Values("X-Goog-Hash")
	r := &checked{body: res.Body, hash: md5.New(), client: c, what: "gs://" + bucket + "/" + name}
	for _, h := range sum {
		if v, ok := cutHash(h); ok {
			r.want = v
		}
	}
	if res.Uncompressed {
		r.want = ""
	}
	return r, res.ContentLength, nil
}

// cutHash finds the MD5 in an x-goog-hash header: "crc32c=…,md5=…".
func cutHash(header string) (string, bool) {
	const mark = "md5="
	for i := 0; i+len(mark) <= len(header); i++ {
		if header[i:i+len(mark)] == mark && (i == 0 || header[i-1] == ',' || header[i-1] == ' ') {
			v := header[i+len(mark):]
			for j := range v {
				if v[j] == ',' {
					return v[:j], true
				}
			}
			return v, true
		}
	}
	return "", false
}

// checked compares what was read with the checksum that was promised.
type checked struct {
	body   io.ReadCloser
	hash   hash.Hash
	want   string // base64; empty where there is none, as for composites
	client *Client
	what   string
}

func (r *checked) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.hash.Write(p[:n])
	switch {
	case err == io.EOF && r.want != "" && base64.StdEncoding.EncodeToString(r.hash.Sum(nil)) != r.want:
		return n, fault.Errorf(fault.Internal, "%s arrived damaged: its checksum is not the one that the server named", r.what).WithHint("try again")
	case err != nil && err != io.EOF:
		err = r.client.translate(context.Background(), err)
	}
	return n, err
}

func (r *checked) Close() error { return r.body.Close() }

// WriteObject puts an object. size is -1 when it is not known. The answer's
// checksum is compared with what was sent.
func (c *Client) WriteObject(ctx context.Context, bucket, name, contentType string, body io.Reader, size int64) (*Object, error) {
	sum := md5.New()
	header := http.Header{}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	path := "/upload" + bucketPath(bucket) + "/o?uploadType=media&name=" + url.QueryEscape(name)
	res, err := c.stream(ctx, http.MethodPost, path, header, io.TeeReader(body, sum), size)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, c.translate(ctx, err)
	}
	o, err := decode[*Object](c, raw)
	if err == nil && o.Md5Hash != base64.StdEncoding.EncodeToString(sum.Sum(nil)) {
		return o, fault.Errorf(fault.Internal, "gs://%s/%s was stored damaged: the server names another checksum", bucket, name).WithHint("upload it again")
	}
	return o, err
}

// stream sends a request whose body or answer may be large. It is not
// repeated: a body can be read once.
func (c *Client) stream(ctx context.Context, method, path string, header http.Header, body io.Reader, size int64) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make the request: %w", err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	if body != nil {
		r.ContentLength = size
		if size == 0 {
			r.Body = http.NoBody
		}
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, c.translate(ctx, err)
	}
	if err := googleapi.CheckResponse(res); err != nil {
		res.Body.Close()
		return nil, c.translate(ctx, err)
	}
	return res, nil
}
