package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/trainyard/trainyard/internal/fault"
)

// pauses are how long a transfer waits before each further try while nothing
// moves: long enough for a server to be replaced.
var pauses = []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second, 8 * time.Second}

// goOn repeats what is unavailable, anew whenever something moved. Where
// nobody answers from the start there is no server, and the user should hear it
// at once.
func goOn(ctx context.Context, try func() (moved bool, err error)) error {
	for n, first := 0, true; ; n, first = n+1, false {
		moved, err := try()
		if moved {
			n = 0
		}
		if !fault.Is(err, fault.Unavailable) || n >= len(pauses) || first && !moved && refused(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pauses[n]):
		}
	}
}

// StartUpload begins an upload of size bytes that may be sent in several goes,
// by several processes, and gives its id.
func (c *Client) StartUpload(ctx context.Context, bucket, name string, size int64, o UploadOptions) (id string, err error) {
	meta := o.object(name)
	q := request{method: http.MethodPost, path: "/upload" + bucketPath(bucket) + "/o", query: url.Values{"uploadType": {"resumable"}, "name": {name}}, header: http.Header{}, body: meta}
	q.header.Set("X-Upload-Content-Type", meta.ContentType)
	q.header.Set("X-Upload-Content-Length", strconv.FormatInt(size, 10))
	o.If.set(q.query)
	_, header, err := c.call(ctx, q)
	if err != nil {
		return "", err
	}
	where, err := url.Parse(header.Get("Location"))
	if err != nil || where.Query().Get("upload_id") == "" {
		return "", fault.Errorf(fault.Internal, "the server at %s began an upload without saying where it goes on", c.base)
	}
	return where.Query().Get("upload_id"), nil
}

// FinishUpload sends what the server has not got of an upload and gives the
// object. An upload that the server does not know any more is fault.NotFound.
func (c *Client) FinishUpload(ctx context.Context, bucket, id string, body io.ReaderAt, size int64, progress func(sent int64)) (*Object, error) {
	var stored *Object
	have := int64(-1)
	err := goOn(ctx, func() (bool, error) {
		before := have
		var err error
		stored, have, err = c.send(ctx, bucket, id, http.NoBody, 0, fmt.Sprintf("bytes */%d", size))
		if err != nil {
			have = before
			return false, err
		}
		moved := before >= 0 && have > before
		if stored != nil {
			return moved, nil
		}
		from := have
		if progress != nil {
			progress(from)
		}
		in := &progressReader{r: io.NewSectionReader(body, from, size-from), n: from, tell: progress}
		stored, _, err = c.send(ctx, bucket, id, in, size-from, fmt.Sprintf("bytes %d-%d/%d", from, size-1, size))
		if e := in.err.Load(); e != nil && ctx.Err() == nil {
			return false, fault.Errorf(fault.Invalid, "cannot read what is to be uploaded: %w", *e)
		}
		if err == nil && stored == nil {
			err = fault.Errorf(fault.Unavailable, "the server at %s did not take all of the upload", c.base)
		}
		return moved, err
	})
	if stored != nil && int64(stored.Size) != size {
		return nil, damaged(bucket, stored.Name)
	}
	return stored, err
}

// send puts content into an upload. It gives the object when that made it, and
// how much the server has otherwise.
func (c *Client) send(ctx context.Context, bucket, id string, body io.Reader, size int64, span string) (*Object, int64, error) {
	q := url.Values{"uploadType": {"resumable"}, "upload_id": {id}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+"/upload"+bucketPath(bucket)+"/o?"+q.Encode(), body)
	if err != nil {
		return nil, 0, fault.Errorf(fault.Internal, "make the request: %w", err)
	}
	r.ContentLength = size
	r.Header.Set("Content-Range", span)
	res, err := c.http.Do(r)
	if err != nil {
		return nil, 0, c.translate(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusPermanentRedirect {
		var last int64
		if span := res.Header.Get("Range"); span != "" {
			if _, err := fmt.Sscanf(span, "bytes=0-%d", &last); err != nil {
				return nil, 0, fault.Errorf(fault.Internal, "the server at %s has %q of an upload, which is not understood", c.base, span)
			}
			last++
		}
		return nil, last, nil
	}
	if err := googleapi.CheckResponse(res); err != nil {
		if res.StatusCode == http.StatusGone {
			return nil, 0, fault.Errorf(fault.NotFound, "the upload is no longer known: %w", err)
		}
		return nil, 0, c.translate(ctx, err)
	}
	o := new(Object)
	if err := json.NewDecoder(res.Body).Decode(o); err != nil {
		return nil, 0, c.translate(ctx, err)
	}
	return o, int64(o.Size), nil
}

// progressReader tells how far a reader was read, and keeps its error apart
// from those of the connection.
type progressReader struct {
	r    io.Reader
	n    int64
	tell func(int64)
	err  atomic.Pointer[error] // the transport may go on reading when an answer has come
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	if err != nil && err != io.EOF {
		p.err.Store(&err)
	}
	if p.tell != nil && n > 0 {
		p.tell(p.n)
	}
	return n, err
}
