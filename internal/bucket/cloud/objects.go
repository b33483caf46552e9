package cloud

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// tries is how often a write begins again because another program changed the
// object, but not in a way that the conditions are about.
const tries = 5

// open finds a bucket and checks a name in it.
func (s *Store) open(ctx context.Context, bucketName, name string) (place, error) {
	p, err := s.place(ctx, bucketName)
	if err != nil {
		return p, err
	}
	if _, err := s.Bucket(ctx, bucketName); err != nil {
		return p, err
	}
	return p, p.check(name)
}

func (p place) check(name string) error {
	if err := bucket.CheckObjectName(name); err != nil {
		return err
	}
	return p.CheckKey(p.prefix + name)
}

// head reads the live object's facts; one that is not there is no error.
func (p place) head(ctx context.Context, name string) (e Entry, o bucket.Object, exists bool, err error) {
	e, err = p.Head(ctx, p.prefix+name)
	if fault.Is(err, fault.NotFound) {
		return e, o, false, nil
	}
	if err != nil {
		return e, o, false, err
	}
	return e, p.object(e), true, nil
}

// at is the live object with conditions checked; a generation must be its own.
func (p place) at(ctx context.Context, name string, generation int64, c bucket.Conditions) (Entry, bucket.Object, error) {
	e, o, exists, err := p.head(ctx, name)
	if err != nil {
		return e, o, err
	}
	return e, o, p.holds(name, o, exists, generation, c)
}

func (p place) holds(name string, o bucket.Object, exists bool, generation int64, c bucket.Conditions) error {
	if !exists || generation != 0 && generation != o.Generation {
		return bucket.NoObject(p.bucket, name)
	}
	return c.Check(true, o.Generation, o.Metageneration)
}

// Early implements Sink.
func (s *Store) Early(ctx context.Context, o bucket.PutOptions) error {
	p, err := s.open(ctx, o.Bucket, o.Name)
	if err != nil || o.Conditions == (bucket.Conditions{}) {
		return err
	}
	_, was, exists, err := p.head(ctx, o.Name)
	if err != nil {
		return err
	}
	return o.Conditions.Check(exists, was.Generation, was.Metageneration)
}

// Put implements bucket.Store.
func (s *Store) Put(ctx context.Context, o bucket.PutOptions, body io.Reader) (bucket.Object, error) {
	if err := s.Early(ctx, o); err != nil {
		return bucket.Object{}, err
	}
	c, err := Spool(s.Dir, &o, body)
	if err != nil {
		return bucket.Object{}, err
	}
	defer c.Close()
	return s.Commit(ctx, o, c)
}

// Commit implements Sink.
func (s *Store) Commit(ctx context.Context, o bucket.PutOptions, c *Content) (bucket.Object, error) {
	p, err := s.open(ctx, o.Bucket, o.Name)
	if err != nil {
		return bucket.Object{}, err
	}
	o.Size, o.MD5, o.CRC32C, o.Unsummed, o.Components = c.Size, c.MD5, c.CRC32C, false, c.Components
	return s.write(ctx, p, o.Object, o.Conditions, func(e Entry, g Guard) error { return p.Put(ctx, e, c, g) })
}

// write makes a new generation under conditions.
func (s *Store) write(ctx context.Context, p place, o bucket.Object, c bucket.Conditions, put func(Entry, Guard) error) (bucket.Object, error) {
	release, err := s.names.hold(ctx, p.bucket+"/"+o.Name)
	if err != nil {
		return o, err
	}
	defer release()
	defer s.facts.forget(p.bucket, p.prefix+o.Name)
	for try := 1; ; try++ {
		var g Guard
		var was bucket.Object
		if c != (bucket.Conditions{}) {
			e, now, exists, err := p.head(ctx, o.Name)
			if err != nil {
				return o, err
			}
			if err := c.Check(exists, now.Generation, now.Metageneration); err != nil {
				return o, err
			}
			was, g = now, Guard{Absent: !exists, Tag: e.Tag}
		}
		o.Generation, o.Metageneration = s.next(was.Generation), 1
		o.Created = time.Now().UTC().Truncate(time.Millisecond)
		o.Updated, o.Deleted = o.Created, time.Time{}
		e, err := p.entry(o)
		if err != nil {
			return o, err
		}
		if err = put(e, g); err == nil {
			if o.StorageClass == "" {
				o.StorageClass = "STANDARD"
			}
			return o, nil
		}
		if !errors.Is(err, ErrChanged) {
			return o, err
		}
		if try == tries {
			return o, fault.Errorf(fault.Precondition, "gs://%s/%s is being changed by another program", p.bucket, o.Name)
		}
	}
}

// Stat implements bucket.Store.
func (s *Store) Stat(ctx context.Context, bucketName, name string, generation int64, c bucket.Conditions) (bucket.Object, error) {
	p, err := s.open(ctx, bucketName, name)
	if err != nil {
		return bucket.Object{}, err
	}
	_, o, err := p.at(ctx, name, generation, c)
	return o, err
}

// Open implements bucket.Store: one request, whose answer says what it is of.
func (s *Store) Open(ctx context.Context, bucketName, name string, generation, offset, length int64, c bucket.Conditions) (bucket.Object, io.ReadCloser, error) {
	p, err := s.open(ctx, bucketName, name)
	if err != nil {
		return bucket.Object{}, nil, err
	}
	e, body, err := p.Get(ctx, p.prefix+name, offset, length)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			err = bucket.NoObject(bucketName, name)
		}
		return bucket.Object{}, nil, err
	}
	o := p.object(e)
	if err := p.holds(name, o, true, generation, c); err != nil {
		body.Close()
		return o, nil, err
	}
	return o, body, nil
}

// Update implements bucket.Store.
func (s *Store) Update(ctx context.Context, bucketName, name string, generation int64, a bucket.Attrs, c bucket.Conditions) (bucket.Object, error) {
	p, err := s.open(ctx, bucketName, name)
	if err != nil {
		return bucket.Object{}, err
	}
	release, err := s.names.hold(ctx, bucketName+"/"+name)
	if err != nil {
		return bucket.Object{}, err
	}
	defer release()
	defer s.facts.forget(bucketName, p.prefix+name)
	e, o, err := p.at(ctx, name, generation, c)
	if err != nil {
		return o, err
	}
	a.Apply(&o)
	o.Metageneration++
	o.Updated = time.Now().UTC().Truncate(time.Millisecond)
	to, err := p.entry(o)
	if err != nil {
		return o, err
	}
	err = p.Copy(ctx, e, to)
	if errors.Is(err, ErrTooLarge) {
		err = s.through(ctx, p, o, func(c *Content) error { return p.Put(ctx, to, c, Guard{Tag: e.Tag}) })
	}
	return o, changed(o, err)
}

func changed(o bucket.Object, err error) error {
	if errors.Is(err, ErrChanged) {
		return fault.Errorf(fault.Precondition, "gs://%s/%s was changed by another program meanwhile", o.Bucket, o.Name)
	}
	return err
}

// through brings an object's content to this machine and hands it on.
func (s *Store) through(ctx context.Context, p place, o bucket.Object, use func(*Content) error) error {
	want := bucket.PutOptions{Object: bucket.Object{Name: o.Name, Size: o.Size}, WantMD5: o.MD5}
	if !o.Unsummed {
		want.WantCRC32C = &o.CRC32C
	}
	_, body, err := p.Get(ctx, p.prefix+o.Name, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	c, err := Spool(s.Dir, &want, body)
	if err != nil {
		return err
	}
	defer c.Close()
	return use(c)
}

// Delete implements bucket.Store. Between the look at the object and its end
// another program could put one; no service has a guard for that which all of
// its likes honour.
func (s *Store) Delete(ctx context.Context, bucketName, name string, generation int64, c bucket.Conditions) error {
	p, err := s.open(ctx, bucketName, name)
	if err != nil {
		return err
	}
	release, err := s.names.hold(ctx, bucketName+"/"+name)
	if err != nil {
		return err
	}
	defer release()
	defer s.facts.forget(bucketName, p.prefix+name)
	if _, _, err := p.at(ctx, name, generation, c); err != nil {
		return err
	}
	return p.Delete(ctx, p.prefix+name)
}

// Copy implements bucket.Store. Within a bucket and without conditions on the
// destination the service copies; otherwise the content comes through here,
// because not every service guards a copy.
func (s *Store) Copy(ctx context.Context, from bucket.Source, o bucket.PutOptions, replace bool) (bucket.Object, error) {
	if err := s.Early(ctx, o); err != nil {
		return bucket.Object{}, err
	}
	p, err := s.open(ctx, from.Bucket, from.Name)
	if err != nil {
		return bucket.Object{}, err
	}
	e, src, err := p.at(ctx, from.Name, from.Generation, from.Conditions)
	if err != nil {
		return src, err
	}
	object := o.Object
	object.Inherit(src, replace)
	if o.Bucket == from.Bucket && o.Conditions == (bucket.Conditions{}) {
		got, err := s.write(ctx, p, object, o.Conditions, func(to Entry, _ Guard) error { return changed(src, p.Copy(ctx, e, to)) })
		if !errors.Is(err, ErrTooLarge) {
			return got, err
		}
	}
	_, body, err := s.Open(ctx, from.Bucket, from.Name, src.Generation, 0, -1, bucket.Conditions{})
	if err != nil {
		return src, err
	}
	defer body.Close()
	o.Object, o.WantMD5 = object, src.MD5
	if !src.Unsummed {
		o.WantCRC32C = &src.CRC32C
	}
	c, err := Spool(s.Dir, &o, body)
	if err != nil {
		return src, err
	}
	defer c.Close()
	c.Components = src.Components
	return s.Commit(ctx, o, c)
}

// Move implements bucket.Store as a copy and a delete: for a moment both names
// are there.
func (s *Store) Move(ctx context.Context, from bucket.Source, name string, c bucket.Conditions) (bucket.Object, error) {
	if name == from.Name {
		return bucket.Object{}, fault.Errorf(fault.Invalid, "source and destination are the same object: %s", name)
	}
	src, err := s.Stat(ctx, from.Bucket, from.Name, from.Generation, from.Conditions)
	if err != nil {
		return src, err
	}
	from.Generation = src.Generation
	to := bucket.PutOptions{Object: bucket.Object{Bucket: from.Bucket, Name: name}, Conditions: c}
	o, err := s.Copy(ctx, from, to, false)
	if err != nil {
		return o, err
	}
	return o, s.Delete(ctx, from.Bucket, from.Name, src.Generation, bucket.Conditions{})
}

// Compose implements bucket.Store. The sources come through here one after
// another, and are deleted after the whole is there.
func (s *Store) Compose(ctx context.Context, o bucket.PutOptions, sources []bucket.Source, deleteSources bool) (bucket.Object, error) {
	if len(sources) == 0 || len(sources) > 32 {
		return bucket.Object{}, fault.Errorf(fault.Invalid, "compose takes 1 to 32 source objects; %d were given", len(sources))
	}
	o.Size, o.WantMD5 = -1, nil // clients name the first source's MD5; a composite has none
	if err := s.Early(ctx, o); err != nil {
		return bucket.Object{}, err
	}
	generations, components := make([]int64, len(sources)), 0
	c, err := spool(s.Dir, func(w io.Writer) error {
		for i, src := range sources {
			part, body, err := s.Open(ctx, src.Bucket, src.Name, src.Generation, 0, -1, src.Conditions)
			if err != nil {
				return err
			}
			err = copyBody(w, body)
			body.Close()
			if err != nil {
				return err
			}
			generations[i] = part.Generation
			components += max(1, part.Components)
			if o.ContentType == "" && i == 0 {
				o.ContentType = part.ContentType
			}
		}
		return nil
	})
	if err != nil {
		return bucket.Object{}, err
	}
	defer c.Close()
	if err := o.CheckBody(c.Size, c.MD5, c.CRC32C); err != nil {
		return bucket.Object{}, err
	}
	c.Components = components
	whole, err := s.Commit(ctx, o, c)
	if err != nil {
		return whole, err
	}
	for i, src := range sources {
		if !deleteSources || src.Name == o.Name {
			continue
		}
		// One that was replaced or deleted since it was read is not ours to take.
		if err := s.Delete(ctx, src.Bucket, src.Name, generations[i], bucket.Conditions{}); err != nil && !fault.Is(err, fault.NotFound) {
			return whole, err
		}
	}
	return whole, nil
}
