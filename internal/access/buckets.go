package access

import (
	"context"
	"io"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Buckets are a store as the callers in contexts may see it. The methods are
// written out, none is embedded: one that the contract gains is not forgotten.
//
// The ids of uploads are secrets of those who started them, so whoever knows
// one may go on with it.
type Buckets struct {
	Store  bucket.Store
	Common job.Project // whose buckets are everybody's
	Shared string      // a bucket that is everybody's, whosever it is: the default one
}

var _ bucket.Store = Buckets{}

// Project refuses a bucket that a project does not reach. One that does not
// exist is nobody's: what is asked of it will say so.
func (b Buckets) Project(ctx context.Context, p job.Project, name string) error {
	if name == b.Shared {
		return nil
	}
	have, err := b.Store.Bucket(ctx, name)
	switch owner := job.Project(have.Project); {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		return nil
	case err != nil:
		return err
	case owner == p, owner == b.Common:
		return nil
	default:
		return fault.Errorf(fault.Denied, "bucket %s belongs to project %s, which jobs of project %s do not reach", name, owner, p).
			WithHint("make a bucket in project %s, or one in project %s, which all projects share", p, b.Common)
	}
}

func (b Buckets) check(ctx context.Context, names ...string) error {
	key, ok := ctx.Value(caller{}).(job.Key)
	if !ok {
		return nil
	}
	for _, name := range names {
		if err := b.Project(ctx, key.Project, name); err != nil {
			return err
		}
	}
	return nil
}

// owner refuses a job that would list or make another project's buckets.
func (b Buckets) owner(ctx context.Context, project string) error {
	if job.Project(project) == b.Common {
		return nil
	}
	return Project(ctx, job.Project(project))
}

func (b Buckets) CreateBucket(ctx context.Context, n bucket.Bucket) (bucket.Bucket, error) {
	if err := b.owner(ctx, n.Project); err != nil {
		return bucket.Bucket{}, err
	}
	return b.Store.CreateBucket(ctx, n)
}

func (b Buckets) Bucket(ctx context.Context, name string) (bucket.Bucket, error) {
	if err := b.check(ctx, name); err != nil {
		return bucket.Bucket{}, err
	}
	return b.Store.Bucket(ctx, name)
}

func (b Buckets) Buckets(ctx context.Context, project, prefix string) ([]bucket.Bucket, error) {
	if err := b.owner(ctx, project); err != nil {
		return nil, err
	}
	return b.Store.Buckets(ctx, project, prefix)
}

func (b Buckets) UpdateBucket(ctx context.Context, name string, change func(*bucket.Bucket) error) (bucket.Bucket, error) {
	if err := b.check(ctx, name); err != nil {
		return bucket.Bucket{}, err
	}
	return b.Store.UpdateBucket(ctx, name, change)
}

func (b Buckets) DeleteBucket(ctx context.Context, name string, c bucket.Conditions) error {
	if err := b.check(ctx, name); err != nil {
		return err
	}
	return b.Store.DeleteBucket(ctx, name, c)
}

func (b Buckets) Expire(ctx context.Context, now time.Time) (int, error) {
	return b.Store.Expire(ctx, now)
}

func (b Buckets) Put(ctx context.Context, o bucket.PutOptions, body io.Reader) (bucket.Object, error) {
	if err := b.check(ctx, o.Bucket); err != nil {
		return bucket.Object{}, err
	}
	return b.Store.Put(ctx, o, body)
}

func (b Buckets) Stat(ctx context.Context, name, object string, generation int64, c bucket.Conditions) (bucket.Object, error) {
	if err := b.check(ctx, name); err != nil {
		return bucket.Object{}, err
	}
	return b.Store.Stat(ctx, name, object, generation, c)
}

func (b Buckets) Open(ctx context.Context, name, object string, generation, offset, length int64, c bucket.Conditions) (bucket.Object, io.ReadCloser, error) {
	if err := b.check(ctx, name); err != nil {
		return bucket.Object{}, nil, err
	}
	return b.Store.Open(ctx, name, object, generation, offset, length, c)
}

func (b Buckets) List(ctx context.Context, name string, q bucket.Query) (bucket.Page, error) {
	if err := b.check(ctx, name); err != nil {
		return bucket.Page{}, err
	}
	return b.Store.List(ctx, name, q)
}

func (b Buckets) Update(ctx context.Context, name, object string, generation int64, a bucket.Attrs, c bucket.Conditions) (bucket.Object, error) {
	if err := b.check(ctx, name); err != nil {
		return bucket.Object{}, err
	}
	return b.Store.Update(ctx, name, object, generation, a, c)
}

func (b Buckets) Delete(ctx context.Context, name, object string, generation int64, c bucket.Conditions) error {
	if err := b.check(ctx, name); err != nil {
		return err
	}
	return b.Store.Delete(ctx, name, object, generation, c)
}

func (b Buckets) Copy(ctx context.Context, from bucket.Source, o bucket.PutOptions, override bool) (bucket.Object, error) {
	if err := b.check(ctx, from.Bucket, o.Bucket); err != nil {
		return bucket.Object{}, err
	}
	return b.Store.Copy(ctx, from, o, override)
}

func (b Buckets) Move(ctx context.Context, from bucket.Source, name string, c bucket.Conditions) (bucket.Object, error) {
	if err := b.check(ctx, from.Bucket); err != nil {
		return bucket.Object{}, err
	}
	return b.Store.Move(ctx, from, name, c)
}

func (b Buckets) Compose(ctx context.Context, o bucket.PutOptions, sources []bucket.Source, deleteSources bool) (bucket.Object, error) {
	names := []string{o.Bucket}
	for _, s := range sources {
		names = append(names, s.Bucket)
	}
	if err := b.check(ctx, names...); err != nil {
		return bucket.Object{}, err
	}
	return b.Store.Compose(ctx, o, sources, deleteSources)
}

func (b Buckets) StartUpload(ctx context.Context, o bucket.PutOptions) (string, error) {
	if err := b.check(ctx, o.Bucket); err != nil {
		return "", err
	}
	return b.Store.StartUpload(ctx, o)
}

func (b Buckets) Upload(ctx context.Context, id string, offset, total int64, body io.Reader) (bucket.UploadState, error) {
	return b.Store.Upload(ctx, id, offset, total, body)
}

func (b Buckets) UploadStatus(ctx context.Context, id string) (bucket.UploadState, error) {
	return b.Store.UploadStatus(ctx, id)
}

func (b Buckets) CancelUpload(ctx context.Context, id string) error {
	return b.Store.CancelUpload(ctx, id)
}

func (b Buckets) StartParts(ctx context.Context, o bucket.PutOptions) (string, error) {
	if err := b.check(ctx, o.Bucket); err != nil {
		return "", err
	}
	return b.Store.StartParts(ctx, o)
}

func (b Buckets) PutPart(ctx context.Context, id string, number int, o bucket.PutOptions, body io.Reader) (bucket.Part, error) {
	return b.Store.PutPart(ctx, id, number, o, body)
}

func (b Buckets) Parts(ctx context.Context, id string) (bucket.PartUpload, []bucket.Part, error) {
	return b.Store.Parts(ctx, id)
}

func (b Buckets) FinishParts(ctx context.Context, id string, parts []bucket.PartRef) (bucket.Object, error) {
	return b.Store.FinishParts(ctx, id, parts)
}

func (b Buckets) AbortParts(ctx context.Context, id string) error { return b.Store.AbortParts(ctx, id) }

func (b Buckets) PartUploads(ctx context.Context, name string) ([]bucket.PartUpload, error) {
	if err := b.check(ctx, name); err != nil {
		return nil, err
	}
	return b.Store.PartUploads(ctx, name)
}
