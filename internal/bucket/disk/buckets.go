package disk

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types always marshal
	}
	return string(b)
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func findBucket(ctx context.Context, q querier, name string) (b bucket.Bucket, err error) {
	var facts string
	err = q.QueryRowContext(ctx, "SELECT facts FROM buckets WHERE name = ?", name).Scan(&facts)
	if errors.Is(err, sql.ErrNoRows) {
		return b, bucket.NoBucket(name)
	}
	if err != nil {
		return b, translate(err)
	}
	return b, json.Unmarshal([]byte(facts), &b)
}

// CreateBucket implements bucket.Store.
func (s *Store) CreateBucket(ctx context.Context, b bucket.Bucket) (bucket.Bucket, error) {
	if err := bucket.CheckBucketName(b.Name); err != nil {
		return b, err
	}
	b.Created, b.Metageneration = time.Now().UTC().Truncate(time.Millisecond), 1
	b.Updated = b.Created
	if b.Location == "" {
		b.Location = "US"
	}
	if b.StorageClass == "" {
		b.StorageClass = "STANDARD"
	}
	err := s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := findBucket(ctx, tx, b.Name); err == nil {
			return fault.Errorf(fault.Conflict, "The bucket you tried to create already exists: %s", b.Name)
		} else if !fault.Is(err, fault.NotFound) {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO buckets (name, project, facts) VALUES (?, ?, ?)", b.Name, b.Project, toJSON(b))
		return err
	})
	return b, err
}

// Bucket implements bucket.Store.
func (s *Store) Bucket(ctx context.Context, name string) (bucket.Bucket, error) {
	return findBucket(ctx, s.read, name)
}

// Buckets implements bucket.Store.
func (s *Store) Buckets(ctx context.Context, project, prefix string) ([]bucket.Bucket, error) {
	return s.bucketRows(ctx, "WHERE project = ? AND substr(name, 1, length(?)) = ?", project, prefix, prefix)
}

func (s *Store) allBuckets(ctx context.Context) ([]bucket.Bucket, error) {
	return s.bucketRows(ctx, "")
}

func (s *Store) bucketRows(ctx context.Context, where string, args ...any) ([]bucket.Bucket, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT facts FROM buckets "+where+" ORDER BY name", args...)
	if err != nil {
		return nil, translate(err)
	}
	defer rows.Close()
	var list []bucket.Bucket
	for rows.Next() {
		var facts string
		var b bucket.Bucket
		if err := rows.Scan(&facts); err != nil {
			return nil, translate(err)
		}
		if err := json.Unmarshal([]byte(facts), &b); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, translate(rows.Err())
}

// UpdateBucket implements bucket.Store.
func (s *Store) UpdateBucket(ctx context.Context, name string, change func(*bucket.Bucket) error) (b bucket.Bucket, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if b, err = findBucket(ctx, tx, name); err != nil {
			return err
		}
		if err := change(&b); err != nil {
			return err
		}
		b.Metageneration++
		b.Updated = time.Now().UTC().Truncate(time.Millisecond)
		_, err := tx.ExecContext(ctx, "UPDATE buckets SET facts = ? WHERE name = ?", toJSON(b), name)
		return err
	})
	return b, err
}

// DeleteBucket implements bucket.Store.
func (s *Store) DeleteBucket(ctx context.Context, name string, c bucket.Conditions) error {
	return s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		b, err := findBucket(ctx, tx, name)
		if err != nil {
			return err
		}
		c.GenerationMatch, c.GenerationNotMatch = nil, nil
		if err := c.Check(true, 0, b.Metageneration); err != nil {
			return err
		}
		var full bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = ?1) OR EXISTS (SELECT 1 FROM noncurrent WHERE bucket = ?1)", name).Scan(&full); err != nil {
			return err
		}
		if full {
			return fault.Errorf(fault.Conflict, "The bucket you tried to delete is not empty: %s", name)
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM buckets WHERE name = ?", name)
		return err
	})
}
