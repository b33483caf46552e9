package cloud

import (
	"context"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// Bucket implements bucket.Store. The facts of a bucket are in the spool. A
// bucket that this machine does not know yet, but whose container is there, is
// taken over: another server may have made it.
func (s *Store) Bucket(ctx context.Context, name string) (bucket.Bucket, error) {
	b, err := s.Spool.Bucket(ctx, name)
	if !fault.Is(err, fault.NotFound) {
		return own(b), err
	}
	p, err := s.place(ctx, name)
	if err != nil {
		return b, err
	}
	there, err := p.inUse(ctx)
	if err != nil {
		return b, err
	}
	if !there {
		return b, bucket.NoBucket(name)
	}
	return Know(ctx, s.Spool, bucket.Bucket{Name: name})
}

// inUse tells whether a bucket is there without this machine knowing it: its
// container is, and its prefix, if it has one, holds something.
func (p place) inUse(ctx context.Context) (bool, error) {
	if err := p.Check(ctx); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = nil
		}
		return false, err
	}
	if p.prefix == "" {
		return true, nil
	}
	return p.holdsAny(ctx)
}

func (p place) holdsAny(ctx context.Context) (bool, error) {
	for _, err := range p.Scan(ctx, p.prefix, p.prefix, "") {
		return err == nil, err
	}
	return false, nil
}

// CreateBucket implements bucket.Store. The container is made when it is not
// there.
func (s *Store) CreateBucket(ctx context.Context, b bucket.Bucket) (bucket.Bucket, error) {
	if err := bucket.CheckBucketName(b.Name); err != nil {
		return b, err
	}
	if err := refuse(b); err != nil {
		return b, err
	}
	p, err := s.place(ctx, b.Name)
	if err != nil {
		return b, err
	}
	err = p.Check(ctx)
	made := fault.Is(err, fault.NotFound)
	if made {
		err = p.Make(ctx)
	}
	if err != nil {
		return b, err
	}
	if made {
		// It may have been known before its container was there.
		return Know(ctx, s.Spool, b)
	}
	return create(ctx, s.Spool, b)
}

// refuse says what a bucket in a cloud cannot have here.
func refuse(b bucket.Bucket) error {
	what := ""
	switch {
	case b.Versioning:
		what = "versions"
	case len(b.Lifecycle) > 0:
		what = "lifecycle rules"
	default:
		return nil
	}
	return fault.Errorf(fault.Invalid, "gs://%s is kept in a cloud's object storage: this server does not manage %s there", b.Name, what).WithHint("set them with the cloud's own tools")
}

// Buckets implements bucket.Store: those that are known.
func (s *Store) Buckets(ctx context.Context, project, prefix string) ([]bucket.Bucket, error) {
	return Known(ctx, s.Spool, project, prefix)
}

// Known lists the buckets of a spool.
func Known(ctx context.Context, spool bucket.Store, project, prefix string) ([]bucket.Bucket, error) {
	list, err := spool.Buckets(ctx, project, prefix)
	for i := range list {
		list[i] = own(list[i])
	}
	return list, err
}

// UpdateBucket implements bucket.Store.
func (s *Store) UpdateBucket(ctx context.Context, name string, change func(*bucket.Bucket) error) (bucket.Bucket, error) {
	if _, err := s.Bucket(ctx, name); err != nil {
		return bucket.Bucket{}, err
	}
	b, err := s.Spool.UpdateBucket(ctx, name, func(b *bucket.Bucket) error {
		rules := b.Lifecycle
		*b = own(*b)
		if err := change(b); err != nil {
			return err
		}
		err := refuse(*b)
		b.Lifecycle = rules
		return err
	})
	return own(b), err
}

// DeleteBucket implements bucket.Store. Where the bucket is a whole container,
// that goes; where it is a prefix, only what this machine knows of it.
func (s *Store) DeleteBucket(ctx context.Context, name string, c bucket.Conditions) error {
	b, err := s.Bucket(ctx, name)
	if err != nil {
		return err
	}
	c.GenerationMatch, c.GenerationNotMatch = nil, nil
	if err := c.Check(true, 0, b.Metageneration); err != nil {
		return err
	}
	p, err := s.place(ctx, name)
	if err != nil {
		return err
	}
	full, err := p.holdsAny(ctx)
	if err == nil && !full && p.prefix == "" {
		err = p.Drop(ctx)
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if full {
		return fault.Errorf(fault.Conflict, "The bucket you tried to delete is not empty: %s", name)
	}
	return Forget(ctx, s.Spool, name)
}

// uploadPrefix is what the names of uploads in the spool begin with.
const uploadPrefix = "upload/"

// create makes a bucket in a spool, which drops what became of uploads after a
// week, as it does their sessions.
func create(ctx context.Context, spool bucket.Store, b bucket.Bucket) (bucket.Bucket, error) {
	week := int64(7)
	b.Lifecycle = []bucket.Rule{{Age: &week, Prefixes: []string{uploadPrefix}}}
	b, err := spool.CreateBucket(ctx, b)
	return own(b), err
}

// own is a bucket of a spool without the spool's rule.
func own(b bucket.Bucket) bucket.Bucket { b.Lifecycle = nil; return b }

// Know makes sure that a spool has a bucket.
func Know(ctx context.Context, spool bucket.Store, b bucket.Bucket) (bucket.Bucket, error) {
	known, err := spool.Bucket(ctx, b.Name)
	if fault.Is(err, fault.NotFound) {
		if known, err = create(ctx, spool, b); fault.Is(err, fault.Conflict) { // somebody else just did
			known, err = spool.Bucket(ctx, b.Name)
		}
	}
	return own(known), err
}

// Forget removes what a spool has of a bucket: what became of uploads, and its
// facts.
func Forget(ctx context.Context, spool bucket.Store, name string) error {
	for {
		page, err := spool.List(ctx, name, bucket.Query{})
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if err := spool.Delete(ctx, name, o.Name, 0, bucket.Conditions{}); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		if len(page.Objects) == 0 {
			return spool.DeleteBucket(ctx, name, bucket.Conditions{})
		}
	}
}

// Expire implements bucket.Store: nothing here has rules.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) { return 0, nil }
