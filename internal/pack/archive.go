package pack

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// entry is a member of an archive to write: data, or a file's content.
type entry struct {
	name string
	data []byte
	path string
	size int64
	exec bool
	link string // of a symbolic link
}

// epoch is the time of every member: no machine's clock is in an archive. Zip
// files know no earlier time.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// writeArchive writes a .tar.gz that depends on nothing but names and content.
func writeArchive(to string, entries []entry) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return fault.Errorf(fault.Invalid, "cannot write %s: %w", to, err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fault.Errorf(fault.Invalid, "cannot write %s: %w", to, closeErr)
		}
		if err != nil {
			os.Remove(to)
		}
	}()
	z, _ := gzip.NewWriterLevel(f, gzip.DefaultCompression) // no name and no time in its header
	t := tar.NewWriter(z)
	for _, e := range entries {
		if err := writeEntry(t, e); err != nil {
			if _, ok := errors.AsType[*fault.Error](err); ok {
				return err
			}
			return fault.Errorf(fault.Invalid, "cannot pack %s: %w", e.name, err)
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return fault.Errorf(fault.Invalid, "cannot write %s: %w", to, err)
	}
	return nil
}

func writeEntry(t *tar.Writer, e entry) error {
	h := &tar.Header{Name: e.name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(e.data)), ModTime: epoch}
	if e.exec {
		h.Mode = 0o755
	}
	switch {
	case e.link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.link, 0o777
		return t.WriteHeader(h)
	case strings.HasSuffix(e.name, "/"):
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
		return t.WriteHeader(h)
	case e.path == "":
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := t.Write(e.data)
		return err
	}
	f, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Size = e.size
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(t, io.LimitReader(f, e.size+1))
	if err != nil || n != e.size {
		return fault.Errorf(fault.Invalid, "%s changed while it was packed", e.path).WithHint("submit again when nothing writes to it")
	}
	return nil
}

// normalise writes a .tar.gz again without what the machine and the clock put
// into it: order, times, owners, permissions but for executability.
func normalise(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil // no gzip: it stays as it is
	}
	var entries []entry
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fault.Errorf(fault.Invalid, "the archive %s that was built cannot be read: %w", filepath.Base(path), err)
		}
		e := entry{name: h.Name, exec: h.Mode&0o100 != 0}
		switch h.Typeflag {
		case tar.TypeReg:
			if e.data, err = io.ReadAll(t); err != nil {
				return fault.Errorf(fault.Invalid, "the archive %s that was built cannot be read: %w", filepath.Base(path), err)
			}
		case tar.TypeDir:
			e.name = strings.TrimRight(h.Name, "/") + "/"
		case tar.TypeSymlink:
			e.link = h.Linkname
		default:
			return nil // what we do not know we do not touch
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	temp := path + ".new"
	if err := writeArchive(temp, entries); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
