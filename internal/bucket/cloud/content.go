package cloud

import (
	"context"
	"crypto/md5"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Content is a whole body on this machine's disk.
type Content struct {
	File interface {
		io.ReaderAt
		io.Closer
	}
	Size       int64
	MD5        []byte
	CRC32C     uint32
	Components int // of a composite, else 0
}

// Reader reads the content from its beginning. It can be called again.
func (c *Content) Reader() *io.SectionReader { return io.NewSectionReader(c.File, 0, c.Size) }

// Close frees the disk.
func (c *Content) Close() error { return c.File.Close() }

// newFile is a file without a name: it is gone when it is closed, also by a
// crash.
func newFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "body-")
	if err != nil {
		return nil, local(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(local(err), f.Close())
	}
	return f, nil
}

// spool writes bodies to the disk one after another.
func spool(dir string, bodies func(io.Writer) error) (*Content, error) {
	f, err := newFile(dir)
	if err != nil {
		return nil, err
	}
	sum, crc, size := md5.New(), crc32.New(castagnoli), counter(0)
	if err := bodies(io.MultiWriter(f, sum, crc, &size)); err != nil {
		f.Close()
		return nil, err
	}
	return &Content{File: f, Size: int64(size), MD5: sum.Sum(nil), CRC32C: crc.Sum32()}, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// readerOnly hides WriterTo and ReaderFrom, so that the buffer is ours.
type readerOnly struct{ io.Reader }

func copyBody(w io.Writer, body io.Reader) error {
	_, err := io.CopyBuffer(w, readerOnly{body}, make([]byte, 256<<10))
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return local(err)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok || err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Errorf(fault.Invalid, "the body broke off: %w", err)
}

// Spool reads a body to its end and checks it against what was promised.
func Spool(dir string, o *bucket.PutOptions, body io.Reader) (*Content, error) {
	c, err := spool(dir, func(w io.Writer) error { return copyBody(w, body) })
	if err != nil {
		return nil, err
	}
	if err := o.CheckBody(c.Size, c.MD5, c.CRC32C); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// local gives an error of this machine's disk its kind.
func local(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Errorf(fault.Full, "the disk that bodies on their way to a cloud are spooled on is full: %w", err)
	}
	return err
}
