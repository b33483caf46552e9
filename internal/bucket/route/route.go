// Package route is a bucket.Store that hands each bucket to the driver that
// its name is configured for. It knows no driver.
package route

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// Way is a rule and the driver that keeps its buckets.
type Way struct {
	Rule
	Store bucket.Store
}

// Store routes by the name of the bucket.
type Store struct {
	Disk bucket.Store // keeps what no rule is about
	Ways []Way        // the most specific first, as Parse gives rules
}

var _ bucket.Store = (*Store)(nil)

func (s *Store) of(name string) bucket.Store {
	if w := s.way(name); w != nil {
		return w.Store
	}
	return s.Disk
}

func (s *Store) way(name string) *Way {
	for i := range s.Ways {
		if _, ok := s.Ways[i].At(name); ok {
			return &s.Ways[i]
		}
	}
	return nil
}

// CreateBucket implements bucket.Store.
func (s *Store) CreateBucket(ctx context.Context, b bucket.Bucket) (bucket.Bucket, error) {
	return s.of(b.Name).CreateBucket(ctx, b)
}

// Bucket implements bucket.Store.
func (s *Store) Bucket(ctx context.Context, name string) (bucket.Bucket, error) {
	return s.of(name).Bucket(ctx, name)
}

// Buckets implements bucket.Store: of each driver those that are routed to it.
func (s *Store) Buckets(ctx context.Context, project, prefix string) ([]bucket.Bucket, error) {
	all, err := s.Disk.Buckets(ctx, project, prefix)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(b bucket.Bucket) bool { return s.way(b.Name) != nil })
	for i := range s.Ways {
		list, err := s.Ways[i].Store.Buckets(ctx, project, prefix)
		if err != nil {
			return nil, err
		}
		for _, b := range list {
			if s.way(b.Name) == &s.Ways[i] {
				all = append(all, b)
			}
		}
	}
	slices.SortFunc(all, func(a, b bucket.Bucket) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// UpdateBucket implements bucket.Store.
func (s *Store) UpdateBucket(ctx context.Context, name string, change func(*bucket.Bucket) error) (bucket.Bucket, error) {
	return s.of(name).UpdateBucket(ctx, name, change)
}

// DeleteBucket implements bucket.Store.
func (s *Store) DeleteBucket(ctx context.Context, name string, c bucket.Conditions) error {
	if w := s.way(name); w != nil && w.Exact() {
		return fault.Errorf(fault.Invalid, "bucket %s is set in the server's configuration, key buckets; it goes when it is taken out there", name)
	}
	return s.of(name).DeleteBucket(ctx, name, c)
}

// Expire implements bucket.Store.
func (s *Store) Expire(ctx context.Context, now time.Time) (removed int, err error) {
	removed, err = s.Disk.Expire(ctx, now)
	for i := range s.Ways {
		n, e := s.Ways[i].Store.Expire(ctx, now)
		removed += n
		if err == nil {
			err = e
		}
	}
	return removed, err
}

// Put implements bucket.Store.
func (s *Store) Put(ctx context.Context, o bucket.PutOptions, body io.Reader) (bucket.Object, error) {
	return s.of(o.Bucket).Put(ctx, o, body)
}

// Stat implements bucket.Store.
func (s *Store) Stat(ctx context.Context, bucketName, name string, generation int64, c bucket.Conditions) (bucket.Object, error) {
	return s.of(bucketName).Stat(ctx, bucketName, name, generation, c)
}

// Open implements bucket.Store.
func (s *Store) Open(ctx context.Context, bucketName, name string, generation, offset, length int64, c bucket.Conditions) (bucket.Object, io.ReadCloser, error) {
	return s.of(bucketName).Open(ctx, bucketName, name, generation, offset, length, c)
}

// List implements bucket.Store.
func (s *Store) List(ctx context.Context, bucketName string, q bucket.Query) (bucket.Page, error) {
	return s.of(bucketName).List(ctx, bucketName, q)
}

// Update implements bucket.Store.
func (s *Store) Update(ctx context.Context, bucketName, name string, generation int64, a bucket.Attrs, c bucket.Conditions) (bucket.Object, error) {
	return s.of(bucketName).Update(ctx, bucketName, name, generation, a, c)
}

// Delete implements bucket.Store.
func (s *Store) Delete(ctx context.Context, bucketName, name string, generation int64, c bucket.Conditions) error {
	return s.of(bucketName).Delete(ctx, bucketName, name, generation, c)
}

// Copy implements bucket.Store. From one driver to another the content is read
// and written, and its checksums are checked on the way.
func (s *Store) Copy(ctx context.Context, from bucket.Source, o bucket.PutOptions, override bool) (bucket.Object, error) {
	a, b := s.of(from.Bucket), s.of(o.Bucket)
	if a == b {
		return b.Copy(ctx, from, o, override)
	}
	src, body, err := a.Open(ctx, from.Bucket, from.Name, from.Generation, 0, -1, from.Conditions)
	if err != nil {
		return src, err
	}
	defer body.Close()
	class := o.StorageClass
	o.Inherit(src, override)
	o.StorageClass = class // the classes of one place are not those of another
	o.WantMD5 = src.MD5
	if !src.Unsummed {
		o.WantCRC32C = &src.CRC32C
	}
	o.Unsummed, o.Components = false, 0
	return b.Put(ctx, o, body)
}

// Move implements bucket.Store.
func (s *Store) Move(ctx context.Context, from bucket.Source, name string, c bucket.Conditions) (bucket.Object, error) {
	return s.of(from.Bucket).Move(ctx, from, name, c)
}

// Compose implements bucket.Store.
func (s *Store) Compose(ctx context.Context, o bucket.PutOptions, sources []bucket.Source, deleteSources bool) (bucket.Object, error) {
	to := s.of(o.Bucket)
	for _, src := range sources {
		if s.of(src.Bucket) != to {
			return bucket.Object{}, fault.Errorf(fault.Invalid, "the sources of a compose must be in the bucket of the whole, %s; %s is not", o.Bucket, src.Bucket)
		}
	}
	return to.Compose(ctx, o, sources, deleteSources)
}

// The id of an upload into a bucket that a rule is about begins with the
// bucket, so that it finds its driver again. Drivers' own ids have no dot.
func (s *Store) id(name, id string) string {
	if s.way(name) == nil {
		return id
	}
	return name + "." + id
}

func (s *Store) upload(id string) (bucket.Store, string) {
	if i := strings.LastIndexByte(id, '.'); i >= 0 {
		return s.of(id[:i]), id[i+1:]
	}
	return s.Disk, id
}

// StartUpload implements bucket.Store.
func (s *Store) StartUpload(ctx context.Context, o bucket.PutOptions) (string, error) {
	id, err := s.of(o.Bucket).StartUpload(ctx, o)
	return s.id(o.Bucket, id), err
}

// Upload implements bucket.Store.
func (s *Store) Upload(ctx context.Context, id string, offset, total int64, body io.Reader) (bucket.UploadState, error) {
	to, id := s.upload(id)
	return to.Upload(ctx, id, offset, total, body)
}

// UploadStatus implements bucket.Store.
func (s *Store) UploadStatus(ctx context.Context, id string) (bucket.UploadState, error) {
	to, id := s.upload(id)
	return to.UploadStatus(ctx, id)
}

// CancelUpload implements bucket.Store.
func (s *Store) CancelUpload(ctx context.Context, id string) error {
	to, id := s.upload(id)
	return to.CancelUpload(ctx, id)
}

// StartParts implements bucket.Store.
func (s *Store) StartParts(ctx context.Context, o bucket.PutOptions) (string, error) {
	id, err := s.of(o.Bucket).StartParts(ctx, o)
	return s.id(o.Bucket, id), err
}

// PutPart implements bucket.Store.
func (s *Store) PutPart(ctx context.Context, id string, number int, o bucket.PutOptions, body io.Reader) (bucket.Part, error) {
	to, id := s.upload(id)
	return to.PutPart(ctx, id, number, o, body)
}

// Parts implements bucket.Store.
func (s *Store) Parts(ctx context.Context, id string) (bucket.PartUpload, []bucket.Part, error) {
	to, own := s.upload(id)
	u, parts, err := to.Parts(ctx, own)
	u.ID = id
	return u, parts, err
}

// FinishParts implements bucket.Store.
func (s *Store) FinishParts(ctx context.Context, id string, parts []bucket.PartRef) (bucket.Object, error) {
	to, id := s.upload(id)
	return to.FinishParts(ctx, id, parts)
}

// AbortParts implements bucket.Store.
func (s *Store) AbortParts(ctx context.Context, id string) error {
	to, id := s.upload(id)
	return to.AbortParts(ctx, id)
}

// PartUploads implements bucket.Store.
func (s *Store) PartUploads(ctx context.Context, bucketName string) ([]bucket.PartUpload, error) {
	list, err := s.of(bucketName).PartUploads(ctx, bucketName)
	for i := range list {
		list[i].ID = s.id(bucketName, list[i].ID)
	}
	return list, err
}
