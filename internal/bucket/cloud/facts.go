package cloud

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// FactsKey is the entry of a service's metadata that facts are in.
const FactsKey = "trainyard"

// facts are what a service does not keep by itself, as short as they can be:
// S3 keeps 2,000 bytes.
type facts struct {
	Generation     int64             `json:"g"`
	Metageneration int64             `json:"m"`
	Size           int64             `json:"s"` // facts that do not fit the content are not its own
	Created        int64             `json:"c"` // milliseconds
	Updated        int64             `json:"u,omitzero"`
	MD5            []byte            `json:"5,omitempty"`
	CRC32C         uint32            `json:"3,omitzero"`
	Unsummed       bool              `json:"x,omitzero"`
	Components     int               `json:"n,omitzero"`
	ContentType    string            `json:"t,omitzero"`
	Encoding       string            `json:"e,omitzero"`
	Disposition    string            `json:"d,omitzero"`
	Language       string            `json:"l,omitzero"`
	CacheControl   string            `json:"h,omitzero"`
	Metadata       map[string]string `json:"k,omitempty"`
}

// entry is an object as the service is to keep it.
func (p place) entry(o bucket.Object) (Entry, error) {
	f := facts{
		Generation: o.Generation, Metageneration: o.Metageneration, Size: o.Size, Created: o.Created.UnixMilli(), MD5: o.MD5, CRC32C: o.CRC32C, Unsummed: o.Unsummed, Components: o.Components,
		ContentType: o.ContentType, Encoding: o.ContentEncoding, Disposition: o.ContentDisposition, Language: o.ContentLanguage, CacheControl: o.CacheControl, Metadata: o.Metadata,
	}
	if !o.Updated.Equal(o.Created) {
		f.Updated = o.Updated.UnixMilli()
	}
	b, err := json.Marshal(f)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Key: p.prefix + o.Name, Size: o.Size, Class: o.StorageClass, Facts: base64.RawURLEncoding.EncodeToString(b), MD5: o.MD5,
		ContentType: header(o.ContentType), ContentEncoding: header(o.ContentEncoding), ContentDisposition: header(o.ContentDisposition), ContentLanguage: header(o.ContentLanguage), CacheControl: header(o.CacheControl),
	}
	if n := len(e.Facts) + len(FactsKey); n > p.Limit() {
		return e, fault.Errorf(fault.Invalid, "the metadata of gs://%s/%s needs %d bytes; %s keeps %d with an object", o.Bucket, o.Name, n, p, p.Limit()).WithHint("use less custom metadata")
	}
	return e, nil
}

// header is a value as other programs see it; one that no header can carry they
// do not.
func header(v string) string {
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return v
}

// object is an entry as gs:// has it.
func (p place) object(e Entry) bucket.Object {
	o := bucket.Object{Bucket: p.bucket, Name: strings.TrimPrefix(e.Key, p.prefix), Size: e.Size, StorageClass: e.Class}
	if o.StorageClass == "" {
		o.StorageClass = "STANDARD"
	}
	var f facts
	if b, err := base64.RawURLEncoding.DecodeString(e.Facts); err == nil && len(b) > 0 && json.Unmarshal(b, &f) == nil && f.Size == e.Size && f.Generation > 0 {
		o.Generation, o.Metageneration, o.MD5, o.CRC32C, o.Unsummed, o.Components, o.Metadata = f.Generation, f.Metageneration, f.MD5, f.CRC32C, f.Unsummed, f.Components, f.Metadata
		o.ContentType, o.ContentEncoding, o.ContentDisposition, o.ContentLanguage, o.CacheControl = f.ContentType, f.Encoding, f.Disposition, f.Language, f.CacheControl
		o.Created = time.UnixMilli(f.Created).UTC()
		o.Updated = o.Created
		if f.Updated != 0 {
			o.Updated = time.UnixMilli(f.Updated).UTC()
		}
		return o
	}
	// Another program put it. The services tell times in seconds, so the tag
	// chooses a moment within the second before: the same object always has the
	// same generation, a later one another, and ours come after both.
	h := fnv.New64a()
	_, _ = h.Write([]byte(e.Tag))
	o.Generation = (e.Modified.Unix()-1)*1_000_000 + int64(h.Sum64()%1_000_000)
	o.Metageneration, o.Unsummed, o.MD5, o.Metadata = 1, true, e.MD5, e.Metadata
	o.ContentType, o.ContentEncoding, o.ContentDisposition, o.ContentLanguage, o.CacheControl = e.ContentType, e.ContentEncoding, e.ContentDisposition, e.ContentLanguage, e.CacheControl
	o.Created = e.Modified.UTC()
	o.Updated = o.Created
	return o
}
