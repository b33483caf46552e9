package disk

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// hourly does what is due by and by, until the store is closed.
func (s *Store) hourly(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		n, err := s.Expire(ctx, time.Now())
		if err == nil {
			err = errors.Join(s.sweepUploads(ctx), s.sweepParts(ctx, time.Now()))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("the hourly sweep of the object store ended early", "err", err)
		}
		if n > 0 {
			s.log.Info("lifecycle rules took objects away", "objects", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Expire implements bucket.Store.
func (s *Store) Expire(ctx context.Context, now time.Time) (removed int, err error) {
	all, err := s.allBuckets(ctx)
	if err != nil {
		return 0, err
	}
	for _, b := range all {
		if len(b.Lifecycle) == 0 {
			continue
		}
		n, err := s.expire(ctx, b, now)
		removed += n
		if err != nil && !fault.Is(err, fault.NotFound) { // the bucket may go meanwhile
			return removed, err
		}
	}
	return removed, nil
}

func (s *Store) expire(ctx context.Context, b bucket.Bucket, now time.Time) (removed int, err error) {
	var same []bucket.Object // generations of one name, the oldest first
	flush := func() error {
		for i, o := range same {
			newer := int64(len(same) - 1 - i)
			if !slices.ContainsFunc(b.Lifecycle, func(r bucket.Rule) bool { return r.Fits(o, newer, now) }) {
				continue
			}
			// A live object is taken away as its owner would, and only as long as it
			// is the one that was looked at.
			generation, c := o.Generation, bucket.Conditions{}
			if o.Deleted.IsZero() {
				generation, c.GenerationMatch = 0, &o.Generation
			}
			err := s.Delete(ctx, b.Name, o.Name, generation, c)
			if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Precondition) {
				continue
			}
			if err != nil {
				return err
			}
			removed++
		}
		same = same[:0]
		return nil
	}
	for q := (bucket.Query{Versions: true}); ; {
		page, err := s.List(ctx, b.Name, q)
		if err != nil {
			return removed, err
		}
		for _, o := range page.Objects {
			if len(same) > 0 && same[0].Name != o.Name {
				if err := flush(); err != nil {
					return removed, err
				}
			}
			same = append(same, o)
		}
		if q.Token = page.Next; q.Token == "" {
			return removed, flush()
		}
	}
}
