// Package bucket is the contract for object storage: what gs:// means. Drivers
// are in sub-packages; the suite in buckettest is their specification.
//
// Names are data, never paths: "a", "a/b", "a//b", "../x" and names of 1,024
// bytes are all objects. An acknowledged write survives a power cut. A body
// that is cut, or whose checksum is wrong, leaves nothing behind.
package bucket

import (
	"context"
	"io"
	"maps"
	"time"
)

// Bucket is a bucket's facts.
type Bucket struct {
	Name           string
	Project        string
	Location       string
	StorageClass   string
	Created        time.Time
	Updated        time.Time
	Metageneration int64
	Labels         map[string]string
	// Versioning keeps what is overwritten or deleted as a noncurrent object,
	// which only its generation names.
	Versioning bool   `json:",omitzero"`
	Lifecycle  []Rule `json:",omitzero"`
}

// Object is an object's facts. Content never changes under a generation.
type Object struct {
	Bucket             string
	Name               string
	Generation         int64 // microseconds since 1970 of its creation, unique and growing within the bucket
	Metageneration     int64
	Size               int64
	MD5                []byte // nil for composites
	CRC32C             uint32 // Castagnoli
	Unsummed           bool   `json:",omitzero"` // the CRC32C is not known: another program put the content into a cloud's bucket
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	CacheControl       string
	StorageClass       string // the bucket's when empty
	Metadata           map[string]string
	Components         int // of a composite
	Created            time.Time
	Updated            time.Time
	Deleted            time.Time `json:",omitzero"` // since when it is noncurrent; zero for the live one
}

// Inherit gives an object that is copied the facts of its source, or only its
// content's when replace is set.
func (o *Object) Inherit(from Object, replace bool) {
	if !replace {
		name, b := o.Name, o.Bucket
		*o = from
		o.Name, o.Bucket = name, b
	}
	o.Size, o.MD5, o.CRC32C, o.Unsummed, o.Components = from.Size, from.MD5, from.CRC32C, from.Unsummed, from.Components
}

// Apply changes the facts of an object as Update does.
func (a Attrs) Apply(o *Object) {
	for _, v := range []struct{ to, from *string }{{&o.ContentType, a.ContentType}, {&o.ContentEncoding, a.ContentEncoding}, {&o.ContentDisposition, a.ContentDisposition}, {&o.ContentLanguage, a.ContentLanguage}, {&o.CacheControl, a.CacheControl}} {
		if v.from != nil {
			*v.to = *v.from
		} else if a.Replace {
			*v.to = ""
		}
	}
	if a.Replace {
		o.Metadata = nil
	}
	o.Metadata = maps.Clone(o.Metadata)
	for k, v := range a.Metadata {
		if v == nil {
			delete(o.Metadata, k)
			continue
		}
		if o.Metadata == nil {
			o.Metadata = map[string]string{}
		}
		o.Metadata[k] = *v
	}
}

// Conditions guard a call; nil pointers are not checked. They are about the
// live object, or about the one whose generation the call names.
// GenerationMatch 0 means that there must be no live object. A condition that
// does not hold is fault.Precondition, and it is checked in the same
// transaction as the effect.
type Conditions struct {
	GenerationMatch        *int64
	GenerationNotMatch     *int64
	MetagenerationMatch    *int64
	MetagenerationNotMatch *int64
}

// PutOptions describe a new object. The checksums, where given, are those the
// body must have; a mismatch is fault.Invalid and commits nothing.
type PutOptions struct {
	Object     // ContentType …, Metadata; Size -1 when not known, else it must fit
	WantMD5    []byte
	WantCRC32C *uint32
	Conditions Conditions
}

// Query asks for a listing. Items and prefixes together count against Max.
type Query struct {
	Prefix                   string
	Delimiter                string
	Token                    string // from the page before
	Max                      int    // 0 means 1,000
	StartOffset              string // inclusive
	EndOffset                string // exclusive
	MatchGlob                string
	IncludeTrailingDelimiter bool
	Versions                 bool // noncurrent objects too
}

// Page is part of a listing, ordered by name as bytes, and by generation.
type Page struct {
	Objects  []Object
	Prefixes []string
	Next     string // empty on the last page
}

// Attrs are the facts that Update may change; nil leaves one alone. In
// Metadata, a nil value removes the key, unless Replace asks for the whole map.
type Attrs struct {
	ContentType, ContentEncoding, ContentDisposition, ContentLanguage, CacheControl *string
	Metadata                                                                        map[string]*string
	Replace                                                                         bool
}

// Store holds buckets and their objects. Errors are fault errors: NotFound,
// Conflict, Precondition, Invalid, Full. All methods may be called from several
// goroutines, and one slow body blocks nobody.
type Store interface {
	CreateBucket(ctx context.Context, b Bucket) (Bucket, error) // Conflict when the name is taken
	Bucket(ctx context.Context, name string) (Bucket, error)
	Buckets(ctx context.Context, project, prefix string) ([]Bucket, error)
	UpdateBucket(ctx context.Context, name string, change func(*Bucket) error) (Bucket, error)
	// DeleteBucket is a Conflict unless the bucket is empty, also of noncurrent
	// objects. Of the conditions, those about the metageneration count.
	DeleteBucket(ctx context.Context, name string, c Conditions) error

	// Expire deletes what the lifecycle rules of the buckets say as of now, and
	// tells how many objects that were: a live one as Delete would, a noncurrent
	// one for good. A driver does it by itself at its start and every hour.
	Expire(ctx context.Context, now time.Time) (removed int, err error)

	// Put writes a whole object, durable when it returns.
	Put(ctx context.Context, o PutOptions, body io.Reader) (Object, error)
	Stat(ctx context.Context, bucket, name string, generation int64, c Conditions) (Object, error) // generation 0 is the live one
	// Open reads from offset; length -1 reads to the end. The content stays
	// readable until closed, whatever happens to the object.
	Open(ctx context.Context, bucket, name string, generation, offset, length int64, c Conditions) (Object, io.ReadCloser, error)
	List(ctx context.Context, bucket string, q Query) (Page, error)
	Update(ctx context.Context, bucket, name string, generation int64, a Attrs, c Conditions) (Object, error)
	// Delete of generation 0 takes the live object away; a versioned bucket keeps
	// it as noncurrent. Delete of a generation is for good.
	Delete(ctx context.Context, bucket, name string, generation int64, c Conditions) error
	// Copy copies content without reading it where the driver can. o carries
	// the destination and, when override is set, its facts. A noncurrent object
	// copied onto its name is live again, as a new generation.
	Copy(ctx context.Context, from Source, o PutOptions, override bool) (Object, error)
	Move(ctx context.Context, from Source, name string, c Conditions) (Object, error) // within one bucket, atomic
	Compose(ctx context.Context, o PutOptions, sources []Source, deleteSources bool) (Object, error)

	// Resumable sessions live on disk: one that was started, and every byte it
	// acknowledged, survives a restart.
	StartUpload(ctx context.Context, o PutOptions) (id string, err error)
	// Upload appends a chunk that begins at offset. When total is known and
	// reached, the object is committed and returned. A cut chunk keeps what
	// arrived. offset may repeat bytes that are stored; a gap is Precondition. A
	// body that is a *Promise brings checksums that the whole object must have.
	Upload(ctx context.Context, id string, offset, total int64, body io.Reader) (UploadState, error)
	UploadStatus(ctx context.Context, id string) (UploadState, error)
	CancelUpload(ctx context.Context, id string) error

	// An upload in parts is of the XML API: parts come in any order, several at a
	// time, and again, which replaces them; each is durable when PutPart returns.
	StartParts(ctx context.Context, o PutOptions) (id string, err error)
	// PutPart takes from o only Size and the checksums wanted.
	PutPart(ctx context.Context, id string, number int, o PutOptions, body io.Reader) (Part, error)
	Parts(ctx context.Context, id string) (PartUpload, []Part, error) // by number
	// FinishParts makes the object of the parts named, under the conditions that
	// the upload was started with; the others are dropped. Asking again gives the
	// object again. The cause of an Invalid may be ErrPart or ErrPartOrder.
	FinishParts(ctx context.Context, id string, parts []PartRef) (Object, error)
	AbortParts(ctx context.Context, id string) error
	PartUploads(ctx context.Context, bucket string) ([]PartUpload, error) // under way, by name
}

// MaxParts is how many parts an upload may have.
const MaxParts = 10_000

// PartUpload is an upload in parts that is under way.
type PartUpload struct {
	ID      string
	Options PutOptions
	Started time.Time
}

// Part is a part that is stored.
type Part struct {
	Number  int
	Size    int64
	MD5     []byte
	CRC32C  uint32
	Updated time.Time
}

// PartRef names a part; where MD5 is given, the part must have it.
type PartRef struct {
	Number int
	MD5    []byte
}

// Source names content to copy or compose.
type Source struct {
	Bucket, Name string
	Generation   int64 // 0 is the live one
	Conditions   Conditions
}

// Promise is the body of a resumable session's chunk that comes with the
// checksums of the whole object: clients know them only when they have read it.
// They count with the chunk that completes the object.
type Promise struct {
	io.Reader
	WantMD5    []byte
	WantCRC32C *uint32
}

// UploadState is how far a resumable session is.
type UploadState struct {
	Received int64   // bytes stored durably
	Object   *Object // set once committed; asking again gives it again
}
