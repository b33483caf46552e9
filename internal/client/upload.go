package client

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/url"

	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/trainyard/trainyard/internal/fault"
)

// chunk is how much of a large upload is sent, and sent again when it did not
// arrive, at a time. What fits one chunk goes in one request.
const chunk = 8 << 20

// UploadOptions are an upload's extras; the zero value has none.
type UploadOptions struct {
	ContentType string
	Metadata    map[string]string
	// IfGeneration, when not nil, is the generation that must be there; 0 for
	// no object.
	IfGeneration *int64
	// Progress is told how many bytes were read for sending so far; it may be
	// nil.
	Progress func(sent int64)
}

// Upload writes an object. What the server stored is compared with what was
// read; an upload that was cut leaves nothing.
func (c *Client) Upload(ctx context.Context, bucket, name string, r io.Reader, o UploadOptions) (*storage.Object, error) {
	in := &counter{r: r, sum: md5.New(), progress: o.Progress}
	if o.ContentType == "" {
		o.ContentType = "application/octet-stream"
	}
	// The first chunk is read here: a file that fits is sent with its digest,
	// so that the server refuses what the network changed.
	first := &bytes.Buffer{}
	n, err := io.CopyN(first, in, chunk+1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	small := n <= chunk
	meta := &storage.Object{Name: name, ContentType: o.ContentType, Metadata: o.Metadata}
	var media io.Reader = io.MultiReader(first, in)
	options := []googleapi.MediaOption{googleapi.ContentType(o.ContentType), googleapi.ChunkSize(chunk)}
	if small {
		meta.Md5Hash = base64.StdEncoding.EncodeToString(in.sum.Sum(nil))
		media = first
		options[1] = googleapi.ChunkSize(chunk + googleapi.MinUploadChunkSize)
	}
	tries := 0
	call := c.store.Objects.Insert(bucket, meta).Context(ctx).Media(media, options...).
		WithRetry(&gax.Backoff{Initial: backoff[0], Max: backoff[len(backoff)-1], Multiplier: 4}, func(err error) bool {
			if err == nil || tries >= len(backoff) {
				return false
			}
			err = c.translate(ctx, err)
			if !fault.Is(err, fault.Unavailable) || refused(err) {
				return false
			}
			tries++
			return true
		})
	if o.IfGeneration != nil {
		call.IfGenerationMatch(*o.IfGeneration)
	}
	stored, err := call.Do()
	if err != nil {
		return nil, c.translate(ctx, err)
	}
	want := base64.StdEncoding.EncodeToString(in.sum.Sum(nil))
	if int64(stored.Size) != in.n || stored.Md5Hash != "" && stored.Md5Hash != want {
		return nil, fault.Errorf(fault.Internal, "what was stored as gs://%s/%s is not what was sent", bucket, name).WithHint("try again")
	}
	return stored, nil
}

// counter counts and hashes what is read through it.
type counter struct {
	r        io.Reader
	sum      hash.Hash
	n        int64
	progress func(int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	_, _ = c.sum.Write(p[:n])
	if c.progress != nil && n > 0 {
		c.progress(c.n)
	}
	return n, err
}

// BucketExists reports whether there is a bucket of this name.
func (c *Client) BucketExists(ctx context.Context, name string) (bool, error) {
	_, _, err := c.call(ctx, request{method: http.MethodGet, path: "/storage/v1/b/" + url.PathEscape(name)})
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Stat is what is known of one object; fault.NotFound when it, or its bucket,
// is not there.
func (c *Client) Stat(ctx context.Context, bucket, name string) (*storage.Object, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/storage/v1/b/" + url.PathEscape(bucket) + "/o/" + url.PathEscape(name)})
	if err != nil {
		return nil, err
	}
	return decode[*storage.Object](c, raw)
}
