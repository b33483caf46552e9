package cloud

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// Sink is where what was uploaded goes.
type Sink interface {
	// Early refuses what Commit would refuse, before a body is read.
	Early(ctx context.Context, o bucket.PutOptions) error
	Commit(ctx context.Context, o bucket.PutOptions, c *Content) (bucket.Object, error)
}

// Sessions are resumable sessions and uploads in parts whose bytes are kept in
// a store on this machine, as durable as there, until they are whole; then they
// go to the cloud. In the spool an upload becomes an object of a random name in
// a bucket of the same name. When the cloud has acknowledged, the object is
// replaced by an empty one that says what became of it, so that asking again
// gives the same answer.
type Sessions struct {
	Spool bucket.Store
	To    Sink
	Dir   string

	sending locks
}

// Keys of the metadata of a spooled upload.
const (
	optionsKey = "options" // what the upload is of
	objectKey  = "object"  // what it became
)

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types always marshal
	}
	return string(b)
}

// spooled are the options of the upload in the spool.
func (s *Sessions) spooled(ctx context.Context, o bucket.PutOptions) (bucket.PutOptions, error) {
	in := bucket.PutOptions{WantMD5: o.WantMD5, WantCRC32C: o.WantCRC32C}
	if err := s.To.Early(ctx, o); err != nil {
		return in, err
	}
	if _, err := Know(ctx, s.Spool, bucket.Bucket{Name: o.Bucket}); err != nil {
		return in, err
	}
	in.Bucket, in.Name, in.Size = o.Bucket, uploadPrefix+rand.Text(), o.Size
	in.Metadata = map[string]string{optionsKey: encode(o)}
	return in, nil
}

func options(o bucket.Object) (out bucket.PutOptions, err error) {
	err = json.Unmarshal([]byte(o.Metadata[optionsKey]), &out)
	return out, err
}

// StartUpload implements bucket.Store.
func (s *Sessions) StartUpload(ctx context.Context, o bucket.PutOptions) (string, error) {
	in, err := s.spooled(ctx, o)
	if err != nil {
		return "", err
	}
	return s.Spool.StartUpload(ctx, in)
}

// Upload implements bucket.Store.
func (s *Sessions) Upload(ctx context.Context, id string, offset, total int64, body io.Reader) (bucket.UploadState, error) {
	st, err := s.Spool.Upload(ctx, id, offset, total, body)
	if err != nil || st.Object == nil {
		return st, err
	}
	o, err := s.send(ctx, *st.Object)
	if err != nil {
		return bucket.UploadState{Received: st.Received}, err
	}
	return bucket.UploadState{Received: st.Received, Object: &o}, nil
}

// UploadStatus implements bucket.Store. Of an upload that is whole but was not
// acknowledged by the cloud, asking sends it again.
func (s *Sessions) UploadStatus(ctx context.Context, id string) (bucket.UploadState, error) {
	st, err := s.Spool.UploadStatus(ctx, id)
	if err != nil || st.Object == nil {
		return st, err
	}
	o, err := s.send(ctx, *st.Object)
	if err != nil {
		return bucket.UploadState{Received: st.Received}, err
	}
	return bucket.UploadState{Received: st.Received, Object: &o}, nil
}

// CancelUpload implements bucket.Store.
func (s *Sessions) CancelUpload(ctx context.Context, id string) error {
	st, err := s.Spool.UploadStatus(ctx, id)
	if err != nil {
		return err
	}
	if st.Object != nil {
		err = s.Spool.Delete(ctx, st.Object.Bucket, st.Object.Name, 0, bucket.Conditions{})
		if fault.Is(err, fault.NotFound) {
			err = nil
		}
	}
	return errors.Join(err, s.Spool.CancelUpload(ctx, id))
}

// send brings a whole upload to the cloud, once.
func (s *Sessions) send(ctx context.Context, in bucket.Object) (o bucket.Object, err error) {
	release, err := s.sending.hold(ctx, in.Name)
	if err != nil {
		return o, err
	}
	defer release()
	now, body, err := s.Spool.Open(ctx, in.Bucket, in.Name, 0, 0, -1, bucket.Conditions{})
	if err != nil {
		return o, err
	}
	defer body.Close()
	if done, ok := now.Metadata[objectKey]; ok {
		return o, json.Unmarshal([]byte(done), &o)
	}
	out, err := options(now)
	if err != nil {
		return o, err
	}
	c := &Content{Size: now.Size, MD5: now.MD5, CRC32C: now.CRC32C}
	file, ok := body.(interface {
		io.ReaderAt
		io.Closer
	})
	if !ok || now.MD5 == nil { // of parts, whose MD5 nobody has taken yet
		if c, err = Spool(s.Dir, &bucket.PutOptions{Object: bucket.Object{Name: out.Name, Size: now.Size}, WantCRC32C: &now.CRC32C}, body); err != nil {
			return o, err
		}
		defer c.Close()
	} else {
		c.File = file
	}
	if o, err = s.To.Commit(ctx, out, c); err != nil {
		return o, err
	}
	// The caller may go now; that the cloud has it must be remembered.
	done := bucket.PutOptions{Object: bucket.Object{Bucket: in.Bucket, Name: in.Name, Metadata: map[string]string{objectKey: encode(o)}}}
	_, err = s.Spool.Put(context.WithoutCancel(ctx), done, strings.NewReader(""))
	return o, err
}

// StartParts implements bucket.Store.
func (s *Sessions) StartParts(ctx context.Context, o bucket.PutOptions) (string, error) {
	o.Size = -1
	in, err := s.spooled(ctx, o)
	if err != nil {
		return "", err
	}
	return s.Spool.StartParts(ctx, in)
}

// PutPart implements bucket.Store.
func (s *Sessions) PutPart(ctx context.Context, id string, number int, o bucket.PutOptions, body io.Reader) (bucket.Part, error) {
	return s.Spool.PutPart(ctx, id, number, o, body)
}

// Parts implements bucket.Store.
func (s *Sessions) Parts(ctx context.Context, id string) (bucket.PartUpload, []bucket.Part, error) {
	u, parts, err := s.Spool.Parts(ctx, id)
	if err != nil {
		return u, nil, err
	}
	u.Options, err = options(u.Options.Object)
	return u, parts, err
}

// FinishParts implements bucket.Store.
func (s *Sessions) FinishParts(ctx context.Context, id string, parts []bucket.PartRef) (bucket.Object, error) {
	u, _, err := s.Parts(ctx, id)
	if err == nil {
		// While the parts are still there: they can be finished otherwise.
		err = s.To.Early(ctx, u.Options)
	}
	if err != nil && !fault.Is(err, fault.NotFound) { // a finished one has no parts, but an answer
		return bucket.Object{}, err
	}
	in, err := s.Spool.FinishParts(ctx, id, parts)
	if err != nil {
		return bucket.Object{}, err
	}
	return s.send(ctx, in)
}

// AbortParts implements bucket.Store.
func (s *Sessions) AbortParts(ctx context.Context, id string) error {
	return s.Spool.AbortParts(ctx, id)
}

// PartUploads implements bucket.Store.
func (s *Sessions) PartUploads(ctx context.Context, bucketName string) ([]bucket.PartUpload, error) {
	list, err := s.Spool.PartUploads(ctx, bucketName)
	if err != nil && !fault.Is(err, fault.NotFound) { // nobody has begun one yet
		return nil, err
	}
	for i := range list {
		if list[i].Options, err = options(list[i].Options.Object); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b bucket.PartUpload) int {
		if c := strings.Compare(a.Options.Name, b.Options.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}
