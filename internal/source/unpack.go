package source

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// What an archive of sources may hold. Data of more belong into a bucket.
const (
	maxMembers = 200_000
	maxBytes   = 4 << 30
)

// member is an entry of an archive.
type member struct {
	name string
	kind fs.FileMode // its type bits
	exec bool
	link string
	hard bool
}

// unpacker writes an archive's members below a folder, and never beside it:
// the folder is a root that links cannot leave either.
type unpacker struct {
	root    *os.Root
	archive string // for people
	members int
	left    int64
}

// unpack unpacks a file; shown is what it is called.
func unpack(file, shown, into string) (err error) {
	root, err := os.OpenRoot(into)
	if err != nil {
		return fault.Errorf(fault.Internal, "open %s: %w", into, err)
	}
	defer root.Close()
	f, err := os.Open(file)
	if err != nil {
		return fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", shown, err)
	}
	defer f.Close()
	u := &unpacker{root: root, archive: shown, left: maxBytes}
	switch name := strings.ToLower(shown); {
	case strings.HasSuffix(name, ".zip"):
		err = u.zip(f)
	case strings.HasSuffix(name, ".tar"):
		err = u.tar(f)
	default:
		var z *gzip.Reader
		if z, err = gzip.NewReader(bufio.NewReaderSize(f, 1<<16)); err == nil {
			err = u.tar(z)
		}
	}
	if _, ok := errors.AsType[*fault.Error](err); err != nil && !ok {
		return fault.Errorf(fault.Invalid, "%s cannot be unpacked: %w", shown, err).WithHint("is it whole? make it again, with tar or zip")
	}
	return err
}

func (u *unpacker) tar(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader { // git archive writes the commit there
			continue
		}
		m := member{name: h.Name, kind: h.FileInfo().Mode().Type(), exec: h.Mode&0o100 != 0, link: h.Linkname, hard: h.Typeflag == tar.TypeLink}
		if err := u.write(m, t); err != nil {
			return err
		}
	}
}

func (u *unpacker) zip(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // those are refused by name
		return err
	}
	for _, e := range z.File {
		m := member{name: e.Name, kind: e.Mode().Type(), exec: e.Mode()&0o100 != 0}
		if strings.HasSuffix(e.Name, "/") {
			m.kind = fs.ModeDir
		}
		r, err := e.Open()
		if err != nil {
			return err
		}
		if m.kind&fs.ModeSymlink != 0 {
			target, err := io.ReadAll(io.LimitReader(r, 4096))
			if err != nil {
				return err
			}
			m.link = string(target)
		}
		err = u.write(m, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) refuse(m member, why string, args ...any) error {
	e := fault.Errorf(fault.Invalid, "%s has a member %q, which "+why, append([]any{u.archive, m.name}, args...)...)
	return e.WithHint("nothing of it was packed; make the archive of a plain tree of sources")
}

// write makes one member.
func (u *unpacker) write(m member, r io.Reader) error {
	if u.members++; u.members > maxMembers {
		return fault.Errorf(fault.Invalid, "%s has more than %d members", u.archive, maxMembers).WithHint("data are better copied to gs:// and opened there")
	}
	name := path.Clean(m.name)
	switch {
	case strings.ContainsAny(m.name, "\x00\\"):
		return u.refuse(m, "is not a name for a file")
	case path.IsAbs(m.name):
		return u.refuse(m, "is an absolute path")
	case !filepath.IsLocal(name):
		return u.refuse(m, "leads out of the archive")
	case m.hard:
		return u.refuse(m, "is a hard link, to %q", m.link)
	case name == ".":
		return nil
	}
	if m.kind&fs.ModeDir != 0 {
		return u.root.MkdirAll(name, 0o755)
	}
	if m.kind&^fs.ModeSymlink != 0 {
		return u.refuse(m, "is neither a file, a folder nor a link but a device, a pipe or a socket")
	}
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return u.refuse(m, "lies behind what is no folder of the archive: %v", err)
	}
	if m.kind&fs.ModeSymlink != 0 {
		if target := path.Join(path.Dir(name), m.link); path.IsAbs(m.link) || !filepath.IsLocal(target) {
			return u.refuse(m, "is a link out of the archive, to %q", m.link)
		}
		if err := u.root.Symlink(m.link, name); err != nil {
			return u.refuse(m, "cannot be made: %v", err)
		}
		return nil
	}
	return u.file(m, name, r)
}

func (u *unpacker) file(m member, name string, r io.Reader) error {
	mode := fs.FileMode(0o644)
	if m.exec {
		mode = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return u.refuse(m, "is in it twice")
	}
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, u.left+1))
	if u.left -= n; err == nil && u.left < 0 {
		err = fault.Errorf(fault.Invalid, "%s unpacks to more than %d GiB", u.archive, maxBytes>>30).WithHint("data are better copied to gs:// and opened there")
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
