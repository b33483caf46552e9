package client

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"

	"github.com/trainyard/trainyard/internal/fault"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sums takes the checksums of what is written to it.
type Sums struct {
	n   int64
	crc uint32
	md5 hash.Hash // nil where nobody asks
}

// NewSums takes the CRC32C, and the MD5 where it is asked for: it costs ten
// times as much.
func NewSums(withMD5 bool) *Sums {
	s := &Sums{}
	if withMD5 {
		s.md5 = md5.New()
	}
	return s
}

// SumsFor takes the checksum that an object can be compared by.
func SumsFor(o *Object) *Sums { return NewSums(o.Crc32c == "") }

func (s *Sums) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	s.crc = crc32.Update(s.crc, castagnoli, p)
	if s.md5 != nil {
		s.md5.Write(p)
	}
	return len(p), nil
}

// Size is how many bytes there were.
func (s *Sums) Size() int64 { return s.n }

// CRC32C is the checksum as the API writes it.
func (s *Sums) CRC32C() string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, s.crc))
}

// MD5 is the checksum as the API writes it; empty where it was not asked for.
func (s *Sums) MD5() string {
	if s.md5 == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(s.md5.Sum(nil))
}

// Of reports whether these are the sums of the object.
func (s *Sums) Of(o *Object) bool {
	return s.n == int64(o.Size) && (o.Crc32c == "" || o.Crc32c == s.CRC32C()) && (o.Md5Hash == "" || s.md5 == nil || o.Md5Hash == s.MD5())
}

// Check is a fault.Internal when what was read is not what the server said.
func (s *Sums) Check(o *Object) error {
	if s.Of(o) {
		return nil
	}
	return fault.Errorf(fault.Internal, "gs://%s/%s arrived damaged: its checksum is not the one that the server named", o.Bucket, o.Name).WithHint("try again")
}

// Full reports whether there was as much as the object has.
func (s *Sums) Full(o *Object) bool { return s.n >= int64(o.Size) }
