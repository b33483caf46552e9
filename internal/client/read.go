package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"

	"google.golang.org/api/googleapi"

	"github.com/trainyard/trainyard/internal/fault"
)

// Read writes an object's content to w, as it is stored: what has a content
// encoding keeps it. It begins at offset and ends after length bytes, or with
// the object for -1. A connection that breaks is taken up where it broke, of the same
// generation. Checksums are the caller's to compare, as it knows what it had.
func (c *Client) Read(ctx context.Context, o *Object, offset, length int64, w io.Writer) error {
	end := int64(o.Size)
	if length >= 0 {
		end = min(end, offset+length)
	}
	out := &sink{w: w}
	return goOn(ctx, func() (bool, error) {
		if offset >= end {
			return false, nil
		}
		before := out.n
		err := c.readOnce(ctx, o, offset, end, out)
		offset += out.n - before
		return out.n > before, err
	})
}

func (c *Client) readOnce(ctx context.Context, o *Object, offset, end int64, out *sink) error {
	q := withGeneration(url.Values{"alt": {"media"}}, "generation", o.Generation)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+objectPath(o.Bucket, o.Name)+"?"+q.Encode(), nil)
	if err != nil {
		return fault.Errorf(fault.Internal, "make the request: %w", err)
	}
	// Said, so that nobody on the way packs or unpacks what is checked.
	r.Header.Set("Accept-Encoding", "identity")
	if o.ContentEncoding == "gzip" {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	if offset > 0 || end < int64(o.Size) {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, end-1))
	}
	res, err := c.do(r)
	if err != nil {
		return c.translate(ctx, err)
	}
	defer res.Body.Close()
	if err := googleapi.CheckResponse(res); err != nil {
		return c.translate(ctx, err)
	}
	if r.Header.Get("Range") != "" && res.StatusCode != http.StatusPartialContent {
		return fault.Errorf(fault.Internal, "the server at %s sent all of gs://%s/%s where a part was asked for", c.base, o.Bucket, o.Name)
	}
	n, err := io.CopyBuffer(out, io.LimitReader(res.Body, end-offset), make([]byte, 256<<10))
	switch {
	case out.err != nil:
		return out.err
	case err == nil && n < end-offset:
		err = io.ErrUnexpectedEOF
	}
	return c.translate(ctx, err)
}

// sink tells an error of where things are written from one of the connection.
type sink struct {
	w   io.Writer
	n   int64
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	if err != nil {
		kind := fault.Invalid
		if errors.Is(err, syscall.ENOSPC) {
			kind = fault.Full
		}
		s.err = fault.Errorf(kind, "cannot write: %w", err)
	}
	return n, err
}
