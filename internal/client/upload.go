package client

import (
	"bytes"
	"context"
	"errors"
	"io"

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
	ContentType, ContentEncoding, ContentDisposition, ContentLanguage, CacheControl string
	StorageClass                                                                    string
	Metadata                                                                        map[string]string
	If                                                                              Conditions
	// CRC32C is the checksum of the content where it is known beforehand. The
	// server refuses what does not have it.
	CRC32C string
	// Progress is told how many bytes were read for sending so far; it may be
	// nil.
	Progress func(sent int64)
}

func (o UploadOptions) object(name string) *storage.Object {
	if o.ContentType == "" {
		o.ContentType = "application/octet-stream"
	}
	return &storage.Object{
		Name: name, ContentType: o.ContentType, ContentEncoding: o.ContentEncoding, ContentDisposition: o.ContentDisposition,
		ContentLanguage: o.ContentLanguage, CacheControl: o.CacheControl, StorageClass: o.StorageClass, Metadata: o.Metadata, Crc32c: o.CRC32C,
	}
}

// Upload writes an object from a stream. What the server stored is compared
// with what was read; an upload that was cut leaves nothing.
func (c *Client) Upload(ctx context.Context, bucket, name string, r io.Reader, o UploadOptions) (*Object, error) {
	in := &counter{r: r, sums: NewSums(false), progress: o.Progress}
	// The first chunk is read here: a file that fits is sent with its digest,
	// so that the server refuses what the network changed.
	first := &bytes.Buffer{}
	n, err := io.CopyN(first, in, chunk+1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	meta := o.object(name)
	var media io.Reader = io.MultiReader(first, in)
	options := []googleapi.MediaOption{googleapi.ContentType(meta.ContentType), googleapi.ChunkSize(chunk)}
	if n <= chunk {
		meta.Crc32c = in.sums.CRC32C()
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
	if o.If.Generation != nil {
		call.IfGenerationMatch(*o.If.Generation)
	}
	if o.If.Metageneration != nil {
		call.IfMetagenerationMatch(*o.If.Metageneration)
	}
	stored, err := call.Do()
	if err != nil {
		return nil, c.translate(ctx, err)
	}
	if !in.sums.Of(stored) {
		// Nobody should find what is wrong. It was known only at the end.
		_ = c.DeleteObject(ctx, bucket, name, 0, Conditions{Generation: &stored.Generation})
		return nil, damaged(bucket, name)
	}
	return stored, nil
}

// counter counts and hashes what is read through it.
type counter struct {
	r        io.Reader
	sums     *Sums
	progress func(int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	_, _ = c.sums.Write(p[:n])
	if c.progress != nil && n > 0 {
		c.progress(c.sums.Size())
	}
	return n, err
}
