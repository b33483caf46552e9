package bucket

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/fault"
)

// ErrNotModified is the cause of a fault.Precondition that says: what you have
// is what is there.
var ErrNotModified = errors.New("not modified")

// ErrChecksum is the cause of a fault.Invalid that says: what came is not what
// was promised.
var ErrChecksum = errors.New("checksum mismatch")

// ErrPart is the cause when a part that was named is not there, or is another;
// ErrPartOrder when the parts do not ascend.
var (
	ErrPart      = errors.New("no such part")
	ErrPartOrder = errors.New("parts out of order")
)

// CheckBucketName refuses names that the service would not take.
func CheckBucketName(name string) error {
	reason := ""
	limit := 63
	if strings.Contains(name, ".") {
		limit = 222
	}
	longPart := false
	for part := range strings.SplitSeq(name, ".") {
		longPart = longPart || len(part) > 63
	}
	switch {
	case len(name) < 3 || len(name) > limit || longPart:
		reason = "it must have 3 to 63 characters, or with dots up to 222 and each part at most 63"
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
		reason = "only lower-case letters, digits, dashes, underscores and dots are allowed"
	case strings.Contains("-_.", name[:1]) || strings.Contains("-_.", name[len(name)-1:]):
		reason = "it must begin and end with a letter or digit"
	case net.ParseIP(name) != nil:
		reason = "it must not be an IP address"
	default:
		return nil
	}
	return fault.Errorf(fault.Invalid, "Invalid bucket name: '%s': %s", name, reason)
}

// CheckObjectName refuses names that the service would not take. Everything
// else is a name, also what would be dangerous as a path.
func CheckObjectName(name string) error {
	switch {
	case name == "":
		return fault.Errorf(fault.Invalid, "an object needs a name")
	case len(name) > 1024:
		return fault.Errorf(fault.Invalid, "the object name is %d bytes long; 1024 are allowed", len(name))
	case !utf8.ValidString(name):
		return fault.Errorf(fault.Invalid, "object name %q is not UTF-8", name)
	case strings.ContainsAny(name, "\r\n"):
		return fault.Errorf(fault.Invalid, "object name %q holds an end of line", name)
	case name == "." || name == "..":
		return fault.Errorf(fault.Invalid, "an object cannot be named %q", name)
	}
	return nil
}

// Check says whether the conditions hold for an object that is there with
// these generations, or is not (exists false).
func (c Conditions) Check(exists bool, generation, metageneration int64) error {
	if !exists {
		generation, metageneration = 0, 0
	}
	switch {
	case c.GenerationMatch != nil && *c.GenerationMatch != generation:
		return fault.Errorf(fault.Precondition, "At least one of the pre-conditions you specified did not hold: ifGenerationMatch is %d, the object's generation is %d.", *c.GenerationMatch, generation)
	case c.MetagenerationMatch != nil && *c.MetagenerationMatch != metageneration:
		return fault.Errorf(fault.Precondition, "At least one of the pre-conditions you specified did not hold: ifMetagenerationMatch is %d, the object's is %d.", *c.MetagenerationMatch, metageneration)
	case c.GenerationNotMatch != nil && *c.GenerationNotMatch == generation,
		c.MetagenerationNotMatch != nil && *c.MetagenerationNotMatch == metageneration:
		return &fault.Error{Kind: fault.Precondition, Msg: "At least one of the pre-conditions you specified did not hold: the object is not modified.", Err: ErrNotModified}
	}
	return nil
}

// CheckBody compares a body that came with what was promised of it.
func (o *PutOptions) CheckBody(size int64, sum []byte, crc uint32) error {
	switch {
	case o.Size >= 0 && size != o.Size:
		return fault.Errorf(fault.Invalid, "the body of %s has %d bytes, %d were announced", o.Name, size, o.Size)
	case o.WantMD5 != nil && !bytes.Equal(o.WantMD5, sum):
		return &fault.Error{Kind: fault.Invalid, Msg: "Provided MD5 hash does not match calculated MD5 hash of " + o.Name + ".", Err: ErrChecksum}
	case o.WantCRC32C != nil && *o.WantCRC32C != crc:
		return &fault.Error{Kind: fault.Invalid, Msg: "Provided CRC32C does not match calculated CRC32C of " + o.Name + ".", Err: ErrChecksum}
	}
	return nil
}

// NoObject says that there is no such object.
func NoObject(bucket, name string) error {
	return fault.Errorf(fault.NotFound, "No such object: %s/%s", bucket, name)
}

// NoBucket says that there is no such bucket.
func NoBucket(name string) error {
	return fault.Errorf(fault.NotFound, "The specified bucket does not exist: %s", name)
}
