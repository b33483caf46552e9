package pack

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// normaliseWheel writes a wheel again without what the machine and the clock
// put into it: times, permissions but for executability, the order. Its RECORD
// has the digests of files and nothing else, so that it stays true, and stays
// last, where it is meant to be.
func normaliseWheel(path string) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return fault.Errorf(fault.Invalid, "the archive %s that was built cannot be read: %w", filepath.Base(path), err)
	}
	defer z.Close()
	members := slices.Clone(z.File)
	slices.SortStableFunc(members, func(a, b *zip.File) int {
		if x, y := isRecord(a.Name), isRecord(b.Name); x != y {
			if x {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Name, b.Name)
	})
	temp := path + ".new"
	if err := rewriteWheel(temp, members); err != nil {
		_ = os.Remove(temp)
		return fault.Errorf(fault.Invalid, "cannot write %s again: %w", filepath.Base(path), err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fault.Errorf(fault.Invalid, "cannot write %s: %w", path, err)
	}
	return nil
}

func isRecord(name string) bool { return strings.HasSuffix(name, ".dist-info/RECORD") }

func rewriteWheel(to string, members []*zip.File) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := zip.NewWriter(f)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.Name, Method: zip.Deflate, Modified: epoch}
		switch {
		case strings.HasSuffix(m.Name, "/"):
			h.Method = zip.Store
			h.SetMode(0o755 | os.ModeDir)
		case m.Mode()&0o100 != 0:
			h.SetMode(0o755)
		default:
			h.SetMode(0o644)
		}
		out, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		in, err := m.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		if err = errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	return w.Close()
}
