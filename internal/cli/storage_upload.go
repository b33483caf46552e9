package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

// large uploads a file in an upload that a later run can go on with. Its
// checksum is taken before anything is sent: the server refuses the whole when
// it is another, also when it was sent by two runs.
func (w *copier) large(ctx context.Context, t transfer, up client.UploadOptions, f *os.File, m *meter) (*client.Object, error) {
	before, err := f.Stat()
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%w", err)
	}
	sums := client.NewSums(false)
	if _, err := io.CopyBuffer(sums, &cancellable{ctx, f}, make([]byte, 1<<20)); err != nil {
		return nil, unreadable(ctx, t, err)
	}
	up.CRC32C = sums.CRC32C()
	abs, err := filepath.Abs(t.from.Name)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%w", err)
	}
	how, err := json.Marshal([]any{up.ContentType, up.ContentEncoding, up.ContentDisposition, up.ContentLanguage, up.CacheControl, up.StorageClass, up.Metadata, up.If})
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "%w", err)
	}
	tr := w.app.track("upload", w.client.Endpoint(), t.to.String(), abs, string(how))
	defer tr.release()
	r := tr.load()
	if r.Size != sums.Size() || r.CRC32C != up.CRC32C {
		r = uploadRecord{} // the file is another now
	}
	o, err := w.send(ctx, t, up, f, m, tr, r)
	if err == nil || !resumable(ctx, err) {
		tr.forget()
	}
	if fault.Is(err, fault.Invalid) {
		if after, statErr := f.Stat(); statErr == nil && (after.Size() != before.Size() || after.ModTime() != before.ModTime()) {
			return nil, fault.Errorf(fault.Invalid, "%s was changed while it was uploaded; nothing was stored", t.from).WithHint("upload it when nobody writes it")
		}
	}
	return o, err
}

// send goes on with the upload of a record, or begins one.
func (w *copier) send(ctx context.Context, t transfer, up client.UploadOptions, f *os.File, m *meter, tr *track, r uploadRecord) (*client.Object, error) {
	size := t.from.Size
	if r.ID != "" {
		sent := false
		m.skip = true
		o, err := w.client.FinishUpload(ctx, t.to.Bucket, r.ID, f, size, func(n int64) { sent = true; m.set(n) })
		if err == nil && !sent {
			// It was stored by the earlier run. Is it still what is there?
			there, statErr := w.client.Stat(ctx, t.to.Bucket, t.to.Name, 0)
			if statErr == nil && there.Generation == o.Generation {
				m.from(size)
				return o, nil
			}
			err = fault.Errorf(fault.NotFound, "replaced")
		}
		if err == nil || resumable(ctx, err) {
			return o, err
		}
		tr.forget() // the server has given it up, or what it had was wrong
		m.skip = true
		m.set(0)
	}
	id, err := w.client.StartUpload(ctx, t.to.Bucket, t.to.Name, size, up)
	if err != nil {
		return nil, err
	}
	tr.save(uploadRecord{id, size, up.CRC32C})
	return w.client.FinishUpload(ctx, t.to.Bucket, id, f, size, m.set)
}

// resumable reports whether an error is one that a later run may not meet.
func resumable(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.Canceled) || fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Full)
}

func unreadable(ctx context.Context, t transfer, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", t.from.Name, err)
}

// cancellable is a reader that ends with a context.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
