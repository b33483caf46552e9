package disk

import (
	"crypto/md5"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"sync"
)

// chunk is how much of a body is read, hashed and written at a time.
const chunk = 256 << 10

// ahead is how many chunks the hashes may be behind the disk.
const ahead = 4

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// sums are the checksums of what went by.
type sums struct {
	md5 hash.Hash // nil where it is not wanted
	crc uint32
}

func newSums() *sums { return &sums{md5: md5.New()} }

func (s *sums) write(p []byte) {
	s.crc = crc32.Update(s.crc, castagnoli, p)
	if s.md5 != nil {
		s.md5.Write(p)
	}
}

// intake copies body to the end of f and through the sums. Hashing takes longer
// than writing, so each has a processor where the body is more than a chunk. The
// disk begins with what was written while the rest is still coming: the flush
// at the end then has little left to do.
func intake(f *os.File, body io.Reader, s *sums) (n int64, err error) {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	buf := chunks.Get().(*[chunk]byte)
	m, err := readUp(body, buf[:])
	if err != nil {
		defer chunks.Put(buf)
		if _, failed := f.Write(buf[:m]); failed != nil {
			return 0, failed
		}
		s.write(buf[:m])
		return int64(m), ended(err)
	}
	hashing := make(chan []byte, ahead)
	var hashed sync.WaitGroup
	hashed.Go(func() {
		for p := range hashing {
			s.write(p)
			chunks.Put((*[chunk]byte)(p[:chunk]))
		}
	})
	defer hashed.Wait()
	defer close(hashing)
	behind := writeBehind{f: f, begun: at}
	for {
		_, failed := f.Write(buf[:m])
		hashing <- buf[:m]
		if failed != nil {
			return n, failed
		}
		n += int64(m)
		behind.wrote(int64(m))
		if err != nil {
			return n, ended(err)
		}
		buf = chunks.Get().(*[chunk]byte)
		m, err = readUp(body, buf[:])
	}
}

// readUp fills p as far as the body goes.
func readUp(body io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = body.Read(p[n:])
		n += m
	}
	return n, err
}

func ended(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
