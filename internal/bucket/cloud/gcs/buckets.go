package gcs

import (
	"context"
	"maps"
	"reflect"
	"time"

	"google.golang.org/api/storage/v1"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/fault"
)

// bucketOf is a bucket that the service told of, under the name that it has here.
func (p place) bucketOf(r *storage.Bucket) (b bucket.Bucket, foreign bool, err error) {
	b = bucket.Bucket{Name: p.bucket, Location: r.Location, StorageClass: r.StorageClass, Metageneration: r.Metageneration, Labels: r.Labels, Versioning: r.Versioning != nil && r.Versioning.Enabled}
	b.Lifecycle, foreign = rules(r.Lifecycle)
	return b, foreign, p.times(stamp{r.TimeCreated, &b.Created}, stamp{r.Updated, &b.Updated})
}

func (p place) get(ctx context.Context) (b bucket.Bucket, foreign bool, err error) {
	r, err := p.Service.Buckets.Get(p.container).Context(ctx).Do()
	if err != nil {
		return b, false, p.fault(err)
	}
	return p.bucketOf(r)
}

// Bucket implements bucket.Store.
func (s *Store) Bucket(ctx context.Context, name string) (bucket.Bucket, error) {
	p, err := s.place(ctx, name)
	if err == nil {
		err = s.known(ctx, p)
	}
	if err != nil {
		return bucket.Bucket{}, err
	}
	b, _, err := p.get(ctx)
	return b, err
}

// Buckets implements bucket.Store: those that are known here.
func (s *Store) Buckets(ctx context.Context, project, prefix string) ([]bucket.Bucket, error) {
	return cloud.Known(ctx, s.Spool, project, prefix)
}

// CreateBucket implements bucket.Store.
func (s *Store) CreateBucket(ctx context.Context, b bucket.Bucket) (bucket.Bucket, error) {
	if err := bucket.CheckBucketName(b.Name); err != nil {
		return b, err
	}
	p, err := s.place(ctx, b.Name)
	if err != nil {
		return b, err
	}
	if p.prefix != "" {
		if b.Versioning || len(b.Lifecycle) > 0 {
			return b, p.shared()
		}
		if err := s.known(ctx, p); !fault.Is(err, fault.NotFound) {
			if err == nil {
				err = fault.Errorf(fault.Conflict, "The bucket you tried to create already exists: %s", b.Name)
			}
			return b, err
		}
	}
	r := &storage.Bucket{Name: p.container, Labels: b.Labels, Location: b.Location, StorageClass: b.StorageClass}
	if b.Versioning {
		r.Versioning = &storage.BucketVersioning{Enabled: true}
	}
	if len(b.Lifecycle) > 0 {
		r.Lifecycle = sendRules(b.Lifecycle)
	}
	made, err := p.Service.Buckets.Insert(b.Project, r).Context(ctx).Do()
	switch {
	case err == nil:
	case p.prefix != "" && fault.Is(p.fault(err), fault.Conflict):
		if made, err = p.Service.Buckets.Get(p.container).Context(ctx).Do(); err != nil {
			return b, p.fault(err)
		}
	default:
		return b, p.fault(err)
	}
	if _, err := cloud.Know(ctx, s.Spool, bucket.Bucket{Name: b.Name, Project: b.Project}); err != nil {
		return b, err
	}
	project := b.Project
	b, _, err = p.bucketOf(made)
	b.Project = project
	return b, err
}

// UpdateBucket implements bucket.Store. Only what changes is sent.
func (s *Store) UpdateBucket(ctx context.Context, name string, change func(*bucket.Bucket) error) (bucket.Bucket, error) {
	p, err := s.place(ctx, name)
	if err == nil {
		err = s.known(ctx, p)
	}
	if err != nil {
		return bucket.Bucket{}, err
	}
	was, foreign, err := p.get(ctx)
	if err != nil {
		return was, err
	}
	now := was
	now.Labels = maps.Clone(was.Labels)
	if err := change(&now); err != nil {
		return was, err
	}
	patch := &storage.Bucket{}
	if !maps.Equal(was.Labels, now.Labels) {
		patch.Labels = now.Labels
		for k := range was.Labels {
			if _, kept := now.Labels[k]; !kept {
				patch.NullFields = append(patch.NullFields, "Labels."+k)
			}
		}
	}
	if was.StorageClass != now.StorageClass {
		patch.StorageClass = now.StorageClass
	}
	if p.prefix != "" && (was.Versioning != now.Versioning || !reflect.DeepEqual(was.Lifecycle, now.Lifecycle)) {
		return was, p.shared()
	}
	if was.Versioning != now.Versioning {
		patch.Versioning = &storage.BucketVersioning{Enabled: now.Versioning, ForceSendFields: []string{"Enabled"}}
	}
	if !reflect.DeepEqual(was.Lifecycle, now.Lifecycle) {
		if foreign {
			return was, fault.Errorf(fault.Invalid, "bucket gs://%s has lifecycle rules that this server does not know", p.container).WithHint("change them with gcloud, at Cloud Storage itself")
		}
		patch.Lifecycle = sendRules(now.Lifecycle)
	}
	r, err := p.Service.Buckets.Patch(p.container, patch).IfMetagenerationMatch(was.Metageneration).Context(ctx).Do()
	if err != nil {
		return was, p.fault(err)
	}
	b, _, err := p.bucketOf(r)
	return b, err
}

// shared refuses what would be for others' objects, too.
func (p place) shared() error {
	return fault.Errorf(fault.Invalid, "bucket %s is kept below a prefix of gs://%s; versions and lifecycle rules are for whole buckets", p.bucket, p.container)
}

// DeleteBucket implements bucket.Store. Below a prefix only what is known here
// goes.
func (s *Store) DeleteBucket(ctx context.Context, name string, c bucket.Conditions) error {
	p, err := s.place(ctx, name)
	if err == nil {
		err = s.known(ctx, p)
	}
	if err != nil {
		return err
	}
	c.GenerationMatch, c.GenerationNotMatch = nil, nil
	if p.prefix == "" {
		if err := p.fault(p.Service.Buckets.Delete(p.container).Context(ctx).Do(conditions(c, "if")...)); err != nil {
			return err
		}
	} else {
		any, err := p.holdsAny(ctx)
		if err != nil {
			return err
		}
		if any {
			return fault.Errorf(fault.Conflict, "The bucket you tried to delete is not empty: %s", name)
		}
	}
	if err := cloud.Forget(ctx, s.Spool, name); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return nil
}

// Expire implements bucket.Store: the service acts on lifecycle rules itself.
func (s *Store) Expire(context.Context, time.Time) (int, error) { return 0, nil }
