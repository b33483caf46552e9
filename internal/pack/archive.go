package pack

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/pgzip"

	"github.com/trainyard/trainyard/internal/fault"
)

// entry is a member of an archive to write: data, or a file's content.
type entry struct {
	name string
	data []byte
	path string
	size int64
	exec bool
	info os.FileInfo // of a file, from when it was listed
	link string      // of a symbolic link
}

// entry is the file as a member of an archive, in its top folder.
func (s source) entry(base string) entry {
	return entry{name: base + "/" + s.name, path: s.path, size: s.size, exec: s.exec, info: s.info}
}

// epoch is the time of every member: no machine's clock is in an archive. Zip
// files know no earlier time.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// writeArchive writes a .tar.gz that depends on nothing but names and content.
func writeArchive(to string, entries []entry) (a Archive, err error) {
	f, err := os.Create(to)
	if err != nil {
		return a, fault.Errorf(fault.Invalid, "cannot write %s: %w", to, err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fault.Errorf(fault.Invalid, "cannot write %s: %w", to, closeErr)
		}
		if err != nil {
			os.Remove(to)
		}
	}()
	a = Archive{Path: to, Name: filepath.Base(to)}
	sum, out := sha256.New(), bufio.NewWriterSize(f, 1<<18)
	z, err := compress(io.MultiWriter(out, sum))
	if err != nil {
		return a, fault.Errorf(fault.Internal, "compress: %w", err)
	}
	defer z.Close()
	t, buffer := tar.NewWriter(z), make([]byte, 1<<16)
	for _, e := range entries {
		if err := writeEntry(t, e, buffer); err != nil {
			if _, ok := errors.AsType[*fault.Error](err); ok {
				return a, err
			}
			return a, fault.Errorf(fault.Invalid, "cannot pack %s: %w", e.name, err)
		}
		if e.link == "" && !strings.HasSuffix(e.name, "/") {
			a.Files = append(a.Files, File{e.name, max(e.size, int64(len(e.data)))})
		}
	}
	if err := errors.Join(t.Close(), z.Close(), out.Flush()); err != nil {
		return a, fault.Errorf(fault.Invalid, "cannot write %s: %w", to, err)
	}
	info, err := f.Stat()
	if err != nil {
		return a, fault.Errorf(fault.Invalid, "cannot write %s: %w", to, err)
	}
	a.Size, a.SHA256 = info.Size(), hex.EncodeToString(sum.Sum(nil))
	return a, nil
}

// block is what is compressed by itself: all processors work, and what comes
// of it does not depend on how many there are.
const block = 256 << 10

// compress is gzip without a name and a time. Level 2 of this library is
// several times as fast as others and hardly larger.
func compress(w io.Writer) (*pgzip.Writer, error) {
	z, err := pgzip.NewWriterLevel(w, 2)
	if err != nil {
		return nil, err
	}
	z.ModTime = time.Unix(0, 0)
	return z, z.SetConcurrency(block, runtime.GOMAXPROCS(0))
}

func writeEntry(t *tar.Writer, e entry, buffer []byte) error {
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
	n, err := io.CopyBuffer(t, io.LimitReader(f, e.size+1), buffer)
	if err != nil || n != e.size {
		return fault.Errorf(fault.Invalid, "%s changed while it was packed", e.path).WithHint("submit again when nothing writes to it")
	}
	return nil
}

// normalise writes a .tar.gz, or a .tar as one, again without what the machine
// and the clock put into it: order, times, owners, permissions but for
// executability.
func normalise(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Errorf(fault.Internal, "read %s: %w", path, err)
	}
	defer f.Close()
	var r io.Reader = bufio.NewReaderSize(f, 1<<18)
	to := path
	if name, plain := strings.CutSuffix(path, ".tar"); plain {
		to = name + ".tar.gz"
	} else if r, err = gzip.NewReader(r); err != nil {
		return nil // no gzip: it stays as it is
	}
	entries, known, err := members(r)
	if err != nil {
		return fault.Errorf(fault.Invalid, "the archive %s that was built cannot be read: %w", filepath.Base(path), err)
	}
	if !known {
		return nil // what we do not know we do not touch
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	temp := to + ".new"
	if _, err := writeArchive(temp, entries); err != nil {
		return err
	}
	if err := os.Rename(temp, to); err != nil {
		return fault.Errorf(fault.Invalid, "cannot write %s: %w", to, err)
	}
	if to != path {
		return os.Remove(path)
	}
	return nil
}

// members reads a tar; known is false where it has what is neither a file, a
// folder nor a link.
func members(r io.Reader) (entries []entry, known bool, err error) {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return entries, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		e := entry{name: h.Name, exec: h.Mode&0o100 != 0}
		switch h.Typeflag {
		case tar.TypeReg:
			if h.Size >= tooMuch {
				return nil, false, nil
			}
			e.data = make([]byte, h.Size)
			if _, err := io.ReadFull(t, e.data); err != nil {
				return nil, false, err
			}
		case tar.TypeDir:
			e.name = strings.TrimRight(h.Name, "/") + "/"
		case tar.TypeSymlink:
			e.link = h.Linkname
		default:
			return nil, false, nil
		}
		entries = append(entries, e)
	}
}
