package disk

import (
	"bytes"
	"hash/crc32"
	"io"
	"os"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// reader opens an object's content, or a range of it. Damage is an error that
// names the object: a size that is not the object's, and, where the whole is
// read, another checksum; before the first byte where the content is small,
// else instead of the last ones.
func (s *Store) reader(o bucket.Object, name string, offset, length int64) (io.ReadCloser, error) {
	f, err := os.Open(s.content(name))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != o.Size {
		err = damaged(o, "%d bytes are on the disk", info.Size())
	}
	if err != nil {
		f.Close()
		return nil, translate(err)
	}
	offset = min(offset, o.Size)
	if length < 0 || length > o.Size-offset {
		length = o.Size - offset
	}
	if length < o.Size || o.Size == 0 {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			f.Close()
			return nil, translate(err)
		}
		return &section{io.LimitedReader{R: f, N: length}, f}, nil
	}
	whole := &verified{f: f, object: o, left: o.Size}
	if o.Size > chunk {
		return whole, nil
	}
	defer f.Close()
	b := make([]byte, o.Size)
	if _, err := io.ReadFull(whole, b); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func damaged(o bucket.Object, format string, args ...any) error {
	return fault.Errorf(fault.Internal, "the content of %s/%s (generation %d, %d bytes) is damaged: "+format, append([]any{o.Bucket, o.Name, o.Generation, o.Size}, args...)...).
		WithHint("put the object again, or restore it from a backup; nothing else is touched")
}

// section is a range of content.
type section struct {
	io.LimitedReader
	file *os.File
}

// WriteTo shows the connection a reader that it can hand to the kernel.
func (s *section) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, &s.LimitedReader) }

func (s *section) Close() error { return s.file.Close() }

// verified reads whole content. Its end comes only with the right checksum.
type verified struct {
	f      *os.File
	object bucket.Object
	left   int64
	crc    uint32
}

func (v *verified) Read(p []byte) (int, error) {
	if v.left == 0 {
		return 0, io.EOF
	}
	n, err := v.f.Read(p[:min(int64(len(p)), v.left)])
	if err == io.EOF {
		return 0, damaged(v.object, "it became shorter while it was read")
	}
	if err != nil {
		return 0, translate(err)
	}
	v.crc = crc32.Update(v.crc, castagnoli, p[:n])
	if v.left -= int64(n); v.left == 0 && v.crc != v.object.CRC32C {
		return 0, damaged(v.object, "its CRC32C is %08x, not %08x", v.crc, v.object.CRC32C)
	}
	return n, nil
}

// WriteTo goes in large steps.
func (v *verified) WriteTo(w io.Writer) (n int64, err error) {
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{v}, buf[:])
}

func (v *verified) Close() error { return v.f.Close() }
