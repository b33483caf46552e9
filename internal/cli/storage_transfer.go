package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

// parallelCopies is how many objects are under way at once.
const parallelCopies = 8

// copier makes copies.
type copier struct {
	app      *App
	client   *client.Client
	options  *copyOptions
	move     bool
	keepTime bool // between files and objects, for rsync
	quiet    bool
	problems *problems
	board    *board
}

func (w *copier) run(ctx context.Context, list []transfer) error {
	total, std := int64(0), false
	for _, t := range list {
		total += max(t.from.Size, 0)
		std = std || t.to.std()
	}
	w.board = w.app.board(w.quiet || std, len(list), total)
	w.problems.b, w.problems.all = w.board, w.options.KeepGoing
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelCopies)
	if std {
		g.SetLimit(1)
	}
	for _, t := range list {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err := w.one(ctx, t)
			w.board.done.Add(1)
			if err != nil && len(list) > 1 && w.problems.add(err) {
				return nil
			}
			return err
		})
	}
	err := g.Wait()
	w.board.end(err == nil)
	w.problems.b = nil
	if err == nil {
		w.summary()
	}
	if errors.Is(err, context.Canceled) && total >= resumeFrom {
		return &interruptError{"Interrupted. The same command goes on where this one stopped."}
	}
	if err != nil {
		return err
	}
	return w.problems.err()
}

func (w *copier) one(ctx context.Context, t transfer) error {
	if w.options.NoClobber {
		there, err := w.exists(ctx, t.to)
		if err != nil {
			return err
		}
		if there {
			w.skipping(t)
			return nil
		}
	}
	w.copying(t)
	made, err := w.copy(ctx, t)
	switch {
	case fault.Is(err, fault.Precondition) && w.options.NoClobber:
		w.skipping(t)
		return nil
	case err != nil:
		return err
	}
	if made != nil && w.options.PrintCreated {
		w.board.say("Created: %s", place{made.Bucket, made.Name, made.Generation}.url())
	}
	if !w.move {
		return nil
	}
	w.board.say("Removing %s...", t.from.url())
	if t.from.remote() {
		generation := t.from.Object.Generation
		if t.from.noncurrent() {
			return w.client.DeleteObject(ctx, t.from.Bucket, t.from.Name, generation, client.Conditions{})
		}
		return w.client.DeleteObject(ctx, t.from.Bucket, t.from.Name, 0, client.Conditions{Generation: &generation})
	}
	if err := os.Remove(t.from.Name); err != nil {
		return fault.Errorf(fault.Invalid, "%s is copied but cannot be removed: %w", t.from, err)
	}
	return nil
}

func (w *copier) exists(ctx context.Context, l place) (bool, error) {
	if l.std() {
		return false, nil
	}
	if !l.remote() {
		_, err := os.Lstat(l.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fault.Errorf(fault.Invalid, "%w", err)
		}
		return err == nil, nil
	}
	_, err := w.client.Stat(ctx, l.Bucket, l.Name, 0)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// copy gives the object that it made, if any.
func (w *copier) copy(ctx context.Context, t transfer) (*client.Object, error) {
	m := w.board.meter(t.from.Size)
	cond := w.options.cond.conditions()
	if w.options.NoClobber {
		cond.Generation = new(int64)
	}
	switch {
	case t.from.remote() && t.to.remote():
		changes := w.options.facts.of(t.from.Object.Metadata)
		if w.options.StorageClass != "" {
			changes["storageClass"] = strings.ToUpper(w.options.StorageClass)
		}
		o, err := w.client.CopyObject(ctx, t.from.Object, t.to.Bucket, t.to.Name, changes, cond)
		if err == nil {
			m.set(t.from.Size)
		}
		return o, err
	case t.from.remote():
		err := w.download(ctx, t, m)
		if err == nil && w.keepTime {
			err = setTime(t)
		}
		return nil, err
	}
	up := w.options.facts.upload()
	up.If, up.StorageClass = cond, strings.ToUpper(w.options.StorageClass)
	if up.ContentType == "" {
		up.ContentType = contentType(t)
	}
	if w.keepTime {
		withTime(&up, t)
	}
	o, err := w.upload(ctx, t, up, m)
	if err != nil && fault.Is(err, fault.NotFound) {
		err = missingBucket(err, t.to.Bucket)
	}
	return o, err
}

// contentType goes by the name of what is read, as the original does.
func contentType(t transfer) string {
	name := t.from.Name
	if t.from.std() {
		name = t.to.Name
	}
	kind, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(filepath.ToSlash(name))), ";")
	return kind
}

func (w *copier) upload(ctx context.Context, t transfer, up client.UploadOptions, m *meter) (*client.Object, error) {
	if t.from.std() {
		up.Progress = m.set
		return w.client.Upload(ctx, t.to.Bucket, t.to.Name, w.app.In, up)
	}
	f, err := os.Open(t.from.Name)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", t.from.Name, err)
	}
	defer f.Close()
	ending := strings.TrimPrefix(path.Ext(t.from.Name), ".")
	switch {
	case w.options.GzipAll || ending != "" && slices.Contains(w.options.GzipLocal, ending):
		return w.packed(ctx, t, up, f, m)
	case t.from.Size >= resumeFrom:
		return w.large(ctx, t, up, f, m)
	}
	up.Progress = m.set
	return w.client.Upload(ctx, t.to.Bucket, t.to.Name, f, up)
}

// packed uploads a file through gzip.
func (w *copier) packed(ctx context.Context, t transfer, up client.UploadOptions, f *os.File, m *meter) (*client.Object, error) {
	up.ContentEncoding = "gzip"
	if up.CacheControl == "" {
		up.CacheControl = "no-transform"
	}
	r, to := io.Pipe()
	defer r.Close() // ends the packing when the upload has ended
	go func() {
		z := gzip.NewWriter(to)
		_, err := io.Copy(io.MultiWriter(z, m), f)
		to.CloseWithError(errors.Join(err, z.Close()))
	}()
	return w.client.Upload(ctx, t.to.Bucket, t.to.Name, r, up)
}
