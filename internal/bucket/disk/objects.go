package disk

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// found is a row of an object.
type found struct {
	bucket.Object
	file   string
	exists bool
	table  string // objects or noncurrent
}

// find reads a live object's row; one that is not there is no error. A missing
// bucket is.
func find(ctx context.Context, q querier, bucketName, name string) (f found, err error) {
	var facts string
	err = q.QueryRowContext(ctx, "SELECT file, facts FROM objects WHERE bucket = ? AND name = ?", bucketName, []byte(name)).Scan(&f.file, &facts)
	if errors.Is(err, sql.ErrNoRows) {
		_, err := findBucket(ctx, q, bucketName)
		return f, err
	}
	if err != nil {
		return f, translate(err)
	}
	f.exists, f.table = true, "objects"
	return f, json.Unmarshal([]byte(facts), &f.Object)
}

// at is the object of a generation, 0 for the live one, with conditions
// checked.
func at(ctx context.Context, q querier, bucketName, name string, generation int64, c bucket.Conditions) (found, error) {
	f, err := find(ctx, q, bucketName, name)
	if err != nil {
		return f, err
	}
	if generation != 0 && (!f.exists || generation != f.Generation) {
		if f, err = findNoncurrent(ctx, q, bucketName, name, generation); err != nil {
			return f, err
		}
	}
	if !f.exists {
		return f, bucket.NoObject(bucketName, name)
	}
	return f, c.Check(true, f.Generation, f.Metageneration)
}

// place puts a content file at an object's name, in a transaction of the
// caller's. It returns the file that no row names any more.
func (s *Store) place(ctx context.Context, tx *sql.Tx, o *bucket.Object, file string, c bucket.Conditions) (unused string, err error) {
	was, err := find(ctx, tx, o.Bucket, o.Name)
	if err != nil {
		return "", err
	}
	if err := c.Check(was.exists, was.Generation, was.Metageneration); err != nil {
		return "", err
	}
	if unused, err = keep(ctx, tx, was); err != nil {
		return "", err
	}
	o.Generation, o.Metageneration = s.nextGeneration(), 1
	o.Created = time.Now().UTC().Truncate(time.Millisecond)
	o.Updated, o.Deleted = o.Created, time.Time{}
	if o.StorageClass == "" {
		b, err := findBucket(ctx, tx, o.Bucket)
		if err != nil {
			return "", err
		}
		o.StorageClass = b.StorageClass
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO objects (bucket, name, generation, metageneration, size, file, facts) VALUES (?, ?, ?, ?, ?, ?, ?)",
		o.Bucket, []byte(o.Name), o.Generation, o.Metageneration, o.Size, file, toJSON(o))
	return unused, err
}

// early refuses what would be refused at the end, before a body is read.
func (s *Store) early(ctx context.Context, o *bucket.PutOptions) error {
	if err := bucket.CheckObjectName(o.Name); err != nil {
		return err
	}
	was, err := find(ctx, s.read, o.Bucket, o.Name)
	if err != nil {
		return err
	}
	if err := o.Conditions.Check(was.exists, was.Generation, was.Metageneration); err != nil {
		return err
	}
	if o.Size > 0 {
		return s.Room(o.Size)
	}
	return nil
}

// Put implements bucket.Store.
func (s *Store) Put(ctx context.Context, o bucket.PutOptions, body io.Reader) (bucket.Object, error) {
	if err := s.early(ctx, &o); err != nil {
		return bucket.Object{}, err
	}
	sum := newSums()
	return s.put(ctx, &o, func(f *os.File) (int64, error) {
		n, err := intake(f, body, sum)
		if err != nil {
			return n, cut(err)
		}
		o.MD5, o.CRC32C = sum.md5.Sum(nil), sum.crc
		return n, o.CheckBody(n, o.MD5, o.CRC32C)
	}, alongside{})
}

// cut tells a body that broke off from a disk that did.
func cut(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return translate(err)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Errorf(fault.Invalid, "the body broke off: %w", err)
}

// alongside is what happens in the transaction that places an object, before
// and after that; either may be nil.
type alongside struct {
	before func(context.Context, *sql.Tx) error
	after  func(context.Context, *sql.Tx, bucket.Object) (unused []string, err error) // unused are files that no row names any more
}

// put makes a content file with fill and places it.
func (s *Store) put(ctx context.Context, o *bucket.PutOptions, fill func(*os.File) (int64, error), also alongside) (bucket.Object, error) {
	done, err := s.takeIn()
	if err != nil {
		return bucket.Object{}, err
	}
	defer done()
	f, name, err := s.newFile()
	if err != nil {
		return bucket.Object{}, translate(err)
	}
	defer f.Close()
	placed := false
	defer func() {
		if !placed {
			s.drop(name)
		}
	}()
	n, err := fill(f)
	if err == nil {
		err = s.settle(f, name)
	}
	if err != nil {
		return bucket.Object{}, translate(err)
	}
	object := o.Object
	object.Size = n
	var unused []string
	// The caller's connection may go while the commit is under way; whether it
	// happened must not depend on that.
	err = s.tx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
		if also.before != nil {
			if err := also.before(ctx, tx); err != nil {
				return err
			}
		}
		replaced, err := s.place(ctx, tx, &object, name, o.Conditions)
		if err == nil && also.after != nil {
			unused, err = also.after(ctx, tx, object)
		}
		unused = append(unused, replaced)
		return err
	})
	if err != nil {
		return bucket.Object{}, err
	}
	placed = true
	for _, file := range unused {
		s.drop(file)
	}
	return object, nil
}

// Stat implements bucket.Store.
func (s *Store) Stat(ctx context.Context, bucketName, name string, generation int64, c bucket.Conditions) (bucket.Object, error) {
	f, err := at(ctx, s.read, bucketName, name, generation, c)
	return f.Object, err
}

// Open implements bucket.Store.
func (s *Store) Open(ctx context.Context, bucketName, name string, generation, offset, length int64, c bucket.Conditions) (bucket.Object, io.ReadCloser, error) {
	for {
		f, err := at(ctx, s.read, bucketName, name, generation, c)
		if err != nil {
			return f.Object, nil, err
		}
		body, err := s.reader(f.Object, f.file, offset, length)
		if errors.Is(err, fs.ErrNotExist) {
			// It was replaced since the row was read, unless the row stands.
			again, err := at(ctx, s.read, bucketName, name, generation, c)
			if err == nil && again.file == f.file {
				return f.Object, nil, damaged(f.Object, "it is gone from the disk")
			}
			continue
		}
		return f.Object, body, err
	}
}

// Update implements bucket.Store.
func (s *Store) Update(ctx context.Context, bucketName, name string, generation int64, a bucket.Attrs, c bucket.Conditions) (o bucket.Object, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		f, err := at(ctx, tx, bucketName, name, generation, c)
		if err != nil {
			return err
		}
		o = f.Object
		a.Apply(&o)
		o.Metageneration++
		o.Updated = time.Now().UTC().Truncate(time.Millisecond)
		_, err = tx.ExecContext(ctx, "UPDATE "+f.table+" SET metageneration = ?, facts = ? WHERE bucket = ? AND name = ? AND generation = ?",
			o.Metageneration, toJSON(o), bucketName, []byte(name), o.Generation)
		return err
	})
	return o, err
}

// Delete implements bucket.Store.
func (s *Store) Delete(ctx context.Context, bucketName, name string, generation int64, c bucket.Conditions) error {
	var unused string
	err := s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		f, err := at(ctx, tx, bucketName, name, generation, c)
		if err != nil {
			return err
		}
		unused, err = remove(ctx, tx, f, generation != 0)
		return err
	})
	if err == nil {
		s.drop(unused)
	}
	return err
}

// link gives content a second name, which a row may then name. Its age is set
// first: a sweep must not take the new name for one that a crash left.
func (s *Store) link(content string) (name string, err error) {
	f, name, err := s.newFile()
	if err != nil {
		return "", err
	}
	// A link needs a name that is free; the empty file only reserved it.
	now := time.Now()
	err = errors.Join(f.Close(), os.Remove(s.content(name)), os.Chtimes(content, now, now))
	if err == nil {
		err = os.Link(content, s.content(name))
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.content(name)))
	}
	if err != nil {
		s.drop(name)
		return "", err
	}
	return name, nil
}

// Copy implements bucket.Store: the copy is a hard link to the same content.
func (s *Store) Copy(ctx context.Context, from bucket.Source, o bucket.PutOptions, replace bool) (bucket.Object, error) {
	if err := bucket.CheckObjectName(o.Name); err != nil {
		return bucket.Object{}, err
	}
	src, reader, err := s.Open(ctx, from.Bucket, from.Name, from.Generation, 0, -1, from.Conditions)
	if err != nil {
		return bucket.Object{}, err
	}
	defer reader.Close()
	name := ""
	row, err := at(ctx, s.read, from.Bucket, from.Name, src.Generation, bucket.Conditions{})
	if err == nil {
		name, err = s.link(s.content(row.file))
	}
	if err != nil {
		// The source is being replaced, or the disk knows no links: its content is
		// still open here.
		if name, err = s.duplicate(reader); err != nil {
			return bucket.Object{}, translate(err)
		}
	}
	object := o.Object
	object.Inherit(src, replace)
	var unused string
	err = s.tx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
		if err := stillHolds(ctx, tx, from); err != nil {
			return err
		}
		unused, err = s.place(ctx, tx, &object, name, o.Conditions)
		return err
	})
	if err != nil {
		s.drop(name)
		return bucket.Object{}, err
	}
	s.drop(unused)
	return object, nil
}

// stillHolds checks the conditions on a source again, in the transaction that
// uses it.
func stillHolds(ctx context.Context, tx *sql.Tx, from bucket.Source) error {
	if from.Conditions == (bucket.Conditions{}) {
		return nil
	}
	_, err := at(ctx, tx, from.Bucket, from.Name, from.Generation, from.Conditions)
	return err
}

// duplicate copies content byte by byte, where it cannot be linked.
func (s *Store) duplicate(body io.Reader) (name string, err error) {
	f, name, err := s.newFile()
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err = io.Copy(f, body); err == nil {
		err = s.settle(f, name)
	}
	if err != nil {
		s.drop(name)
		return "", err
	}
	return name, nil
}

// Move implements bucket.Store: only the row changes. Where the bucket keeps
// the old name as a noncurrent object, both rows need a file, so the content
// gets a second name first.
func (s *Store) Move(ctx context.Context, from bucket.Source, name string, c bucket.Conditions) (o bucket.Object, err error) {
	if err := bucket.CheckObjectName(name); err != nil {
		return o, err
	}
	if name == from.Name {
		return o, fault.Errorf(fault.Invalid, "source and destination are the same object: %s", name)
	}
	second, of := "", "" // a second name, and of which content
	for {
		needs, unused := "", ""
		err = s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			src, err := at(ctx, tx, from.Bucket, from.Name, from.Generation, from.Conditions)
			if err != nil {
				return err
			}
			b, err := findBucket(ctx, tx, from.Bucket)
			if err != nil {
				return err
			}
			file, keeps := src.file, b.Versioning && src.table == "objects"
			if keeps {
				if of != file {
					needs = file
					return nil
				}
				file = second
			}
			if _, err := remove(ctx, tx, src, !keeps); err != nil {
				return err
			}
			o = src.Object
			o.Name = name
			unused, err = s.place(ctx, tx, &o, file, c)
			return err
		})
		if err == nil && needs == "" {
			s.drop(unused)
			return o, nil
		}
		s.drop(second)
		second, of = "", ""
		if err != nil {
			return o, err
		}
		// The content may go before it is linked; then the next round says so.
		if second, err = s.link(s.content(needs)); err == nil {
			of = needs
		} else if !errors.Is(err, fs.ErrNotExist) {
			return o, translate(err)
		}
	}
}

// Compose implements bucket.Store.
func (s *Store) Compose(ctx context.Context, o bucket.PutOptions, sources []bucket.Source, deleteSources bool) (bucket.Object, error) {
	if len(sources) == 0 || len(sources) > 32 {
		return bucket.Object{}, fault.Errorf(fault.Invalid, "compose takes 1 to 32 source objects; %d were given", len(sources))
	}
	o.Size = -1
	if err := s.early(ctx, &o); err != nil {
		return bucket.Object{}, err
	}
	generations := make([]int64, len(sources))
	fill := func(f *os.File) (total int64, err error) {
		var sum sums
		for i, src := range sources {
			part, body, err := s.Open(ctx, src.Bucket, src.Name, src.Generation, 0, -1, src.Conditions)
			if err != nil {
				return 0, err
			}
			n, err := intake(f, body, &sum)
			body.Close()
			if err != nil {
				return 0, err
			}
			total += n
			generations[i] = part.Generation
			o.Components += max(1, part.Components)
			if o.ContentType == "" && i == 0 {
				o.ContentType = part.ContentType
			}
		}
		o.MD5, o.CRC32C = nil, sum.crc
		if o.WantCRC32C != nil && *o.WantCRC32C != o.CRC32C {
			return 0, fault.Errorf(fault.Invalid, "Provided CRC32C does not match calculated CRC32C of %s.", o.Name)
		}
		return total, nil
	}
	// The sources go in the transaction that brings the whole.
	return s.put(ctx, &o, fill, alongside{before: func(ctx context.Context, tx *sql.Tx) error {
		for _, src := range sources {
			if err := stillHolds(ctx, tx, src); err != nil {
				return err
			}
		}
		return nil
	}, after: func(ctx context.Context, tx *sql.Tx, _ bucket.Object) (unused []string, err error) {
		for i, src := range sources {
			if !deleteSources || src.Name == o.Name {
				continue
			}
			f, err := at(ctx, tx, src.Bucket, src.Name, generations[i], bucket.Conditions{})
			if fault.Is(err, fault.NotFound) || err == nil && f.table != "objects" && src.Generation == 0 {
				continue // replaced or deleted since it was read, or named twice
			}
			if err != nil {
				return nil, err
			}
			file, err := remove(ctx, tx, f, f.table != "objects")
			if err != nil {
				return nil, err
			}
			unused = append(unused, file)
		}
		return unused, nil
	}})
}
