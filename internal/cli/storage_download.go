package cli

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

// download writes beside the destination and renames when all has come and the
// checksum is right: a download that is cut leaves what was there.
func (w *copier) download(ctx context.Context, t transfer, m *meter) error {
	o := t.from.Object
	if t.to.std() {
		return w.print(ctx, o, m)
	}
	if marker(t.from) {
		if err := os.MkdirAll(t.to.Name, 0o777); err != nil {
			return fault.Errorf(fault.Invalid, "cannot make the folder %s: %w", t.to.Name, err)
		}
		return nil
	}
	dir := filepath.Dir(t.to.Name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fault.Errorf(fault.Invalid, "cannot make the folder of %s: %w", t.to.Name, err)
	}
	part := filepath.Join(dir, partPrefix+rand.Text()+partSuffix)
	keep := false
	if t.from.Size >= resumeFrom {
		abs, err := filepath.Abs(t.to.Name)
		if err != nil {
			return fault.Errorf(fault.Invalid, "%w", err)
		}
		if tr := w.app.track("download", w.client.Endpoint(), t.from.String(), abs); tr != nil {
			defer tr.release()
			keep = true
			part = partOf(dir, tr.key, o.Generation)
		}
	}
	err := w.fill(ctx, part, o, m)
	if err == nil {
		err = w.place(part, t)
	}
	if err != nil && !(keep && resumable(ctx, err)) {
		_ = os.Remove(part)
	}
	return err
}

const partPrefix, partSuffix = ".trainyard-", ".part"

// ours tells the name of an unfinished download.
func ours(name string) bool {
	return strings.HasPrefix(name, partPrefix) && strings.HasSuffix(name, partSuffix)
}

// partOf is the name of the unfinished download of one generation. Those of
// others are of no use any more.
func partOf(dir, key string, generation int64) string {
	name := fmt.Sprintf("%s%s-%d%s", partPrefix, key, generation, partSuffix)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != name && ours(e.Name()) && strings.HasPrefix(e.Name(), partPrefix+key+"-") {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return filepath.Join(dir, name)
}

// fill brings a file to the object's content, beginning with what it has.
func (w *copier) fill(ctx context.Context, part string, o *client.Object, m *meter) error {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return fault.Errorf(fault.Invalid, "cannot write %s: %w", part, err)
	}
	defer f.Close()
	for {
		sums := client.SumsFor(o)
		had, err := io.CopyBuffer(sums, &cancellable{ctx, f}, make([]byte, 1<<20))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fault.Errorf(fault.Invalid, "cannot read %s: %w", part, err)
		}
		if had <= int64(o.Size) {
			m.from(had)
			err = w.client.Read(ctx, o, had, -1, io.MultiWriter(f, sums, m))
			if err == nil {
				err = sums.Check(o)
			}
			if had == 0 || err == nil || !sums.Full(o) {
				if err == nil {
					err = closed(f)
				}
				return err
			}
		}
		// What an earlier run had left was wrong: once more, from the start.
		if err := f.Truncate(0); err != nil {
			return fault.Errorf(fault.Invalid, "cannot write %s: %w", part, err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fault.Errorf(fault.Invalid, "cannot write %s: %w", part, err)
		}
	}
}

func closed(f *os.File) error {
	if err := f.Close(); err != nil {
		return fault.Errorf(fault.Invalid, "cannot write %s: %w", f.Name(), err)
	}
	return nil
}

// place gives a finished download its name.
func (w *copier) place(part string, t transfer) error {
	if t.from.Object.ContentEncoding == "gzip" && !w.options.Undecoded {
		if err := unpack(part); err != nil {
			return fault.Errorf(fault.Invalid, "%s says it is gzip, but cannot be unpacked: %w", t.from, err).WithHint("take it as it is: --do-not-decompress")
		}
	}
	if err := os.Rename(part, t.to.Name); err != nil {
		return fault.Errorf(fault.Invalid, "cannot write %s: %w", t.to, err)
	}
	return nil
}

// unpack replaces a file by what gzip has packed in it.
func unpack(name string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(name+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // gone already when all is well
	defer out.Close()
	if _, err := io.Copy(out, z); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	_ = in.Close() // before its name is given away, which some systems want
	return os.Rename(out.Name(), name)
}

// print writes an object to standard output.
func (w *copier) print(ctx context.Context, o *client.Object, m *meter) error {
	if o.ContentEncoding == "gzip" && !w.options.Undecoded {
		return printUnpacked(ctx, w.client, o, io.MultiWriter(w.app.Out, m))
	}
	return printObject(ctx, w.client, o, 0, -1, io.MultiWriter(w.app.Out, m))
}

// printObject writes content as it is stored, and checks it where it is whole.
func printObject(ctx context.Context, c *client.Client, o *client.Object, offset, length int64, out io.Writer) error {
	sums := client.SumsFor(o)
	if err := c.Read(ctx, o, offset, length, io.MultiWriter(out, sums)); err != nil {
		return err
	}
	if offset > 0 || length >= 0 {
		return nil
	}
	return sums.Check(o)
}

func printUnpacked(ctx context.Context, c *client.Client, o *client.Object, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, to := io.Pipe()
	defer r.Close()
	go func() { to.CloseWithError(printObject(ctx, c, o, 0, -1, to)) }()
	z, err := gzip.NewReader(r)
	if err == nil {
		_, err = io.Copy(out, z)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, r) // the rest, for its checksum
	}
	if err != nil && fault.KindOf(err) == fault.Internal {
		err = fault.Errorf(fault.Invalid, "gs://%s/%s: %w", o.Bucket, o.Name, err)
	}
	return err
}
