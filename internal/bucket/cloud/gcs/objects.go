package gcs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/fault"
)

// chunk is how much of an upload the client library holds to send it again.
const chunk = 8 << 20

// Early implements cloud.Sink.
func (s *Store) Early(ctx context.Context, o bucket.PutOptions) error {
	p, err := s.object(ctx, o.Bucket, o.Name)
	if err != nil {
		return err
	}
	if o.Conditions == (bucket.Conditions{}) {
		_, _, err := p.get(ctx)
		return err
	}
	was, err := p.stat(ctx, o.Name, 0)
	if fault.Is(err, fault.NotFound) {
		if _, _, err := p.get(ctx); err != nil {
			return err
		}
		return o.Conditions.Check(false, 0, 0)
	}
	if err != nil {
		return err
	}
	return o.Conditions.Check(true, was.Generation, was.Metageneration)
}

// Put implements bucket.Store.
func (s *Store) Put(ctx context.Context, o bucket.PutOptions, body io.Reader) (bucket.Object, error) {
	if err := s.Early(ctx, o); err != nil {
		return bucket.Object{}, err
	}
	c, err := cloud.Spool(s.Dir, &o, body)
	if err != nil {
		return bucket.Object{}, err
	}
	defer c.Close()
	return s.Commit(ctx, o, c)
}

// Commit implements cloud.Sink.
func (s *Store) Commit(ctx context.Context, o bucket.PutOptions, c *cloud.Content) (bucket.Object, error) {
	p, err := s.object(ctx, o.Bucket, o.Name)
	if err != nil {
		return bucket.Object{}, err
	}
	r := p.resource(o.Object)
	r.Name, r.Md5Hash, r.Crc32c = p.prefix+o.Name, encode(c.MD5), crcText(c.CRC32C) // which the service checks
	got, err := p.Objects.Insert(p.container, r).Context(ctx).
		Media(c.Reader(), googleapi.ContentType(o.ContentType), googleapi.ChunkSize(chunk)).
		Do(conditions(o.Conditions, "if")...)
	return p.made(got, err)
}

// made turns an answer into the store's form.
func (p place) made(r *storage.Object, err error) (bucket.Object, error) {
	if err != nil {
		return bucket.Object{}, p.fault(err)
	}
	return p.render(r)
}

func (p place) stat(ctx context.Context, name string, g int64, opts ...googleapi.CallOption) (bucket.Object, error) {
	r, err := p.Objects.Get(p.container, p.prefix+name).Context(ctx).Do(generation(opts, "generation", g)...)
	return p.made(r, err)
}

// Stat implements bucket.Store.
func (s *Store) Stat(ctx context.Context, bucketName, name string, g int64, c bucket.Conditions) (bucket.Object, error) {
	p, err := s.object(ctx, bucketName, name)
	if err != nil {
		return bucket.Object{}, err
	}
	return p.stat(ctx, name, g, conditions(c, "if")...)
}

// Open implements bucket.Store.
func (s *Store) Open(ctx context.Context, bucketName, name string, g, offset, length int64, c bucket.Conditions) (bucket.Object, io.ReadCloser, error) {
	p, err := s.object(ctx, bucketName, name)
	if err != nil {
		return bucket.Object{}, nil, err
	}
	for {
		o, err := p.stat(ctx, name, g, conditions(c, "if")...)
		if err != nil {
			return o, nil, err
		}
		first := min(offset, o.Size)
		end := o.Size
		if length >= 0 {
			end = min(end, first+length)
		}
		if first == end {
			return o, http.NoBody, nil
		}
		call := p.Objects.Get(p.container, p.prefix+name).Generation(o.Generation).Context(ctx)
		if first > 0 || end < o.Size {
			call.Header().Set("Range", fmt.Sprintf("bytes=%d-%d", first, end-1))
		}
		resp, err := call.Download()
		if err != nil {
			if err = p.fault(err); fault.Is(err, fault.NotFound) && g == 0 {
				continue // replaced since it was looked at
			}
			return o, nil, err
		}
		return o, &reader{resp.Body, p}, nil
	}
}

// reader gives errors in the middle of a body their kind.
type reader struct {
	io.ReadCloser
	p place
}

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil && err != io.EOF {
		err = r.p.fault(err)
	}
	return n, err
}

// List implements bucket.Store.
func (s *Store) List(ctx context.Context, bucketName string, q bucket.Query) (page bucket.Page, err error) {
	p, err := s.place(ctx, bucketName)
	if err == nil {
		err = s.known(ctx, p)
	}
	if err != nil {
		return page, err
	}
	call := p.Objects.List(p.container).Context(ctx).Versions(q.Versions).IncludeTrailingDelimiter(q.IncludeTrailingDelimiter)
	if prefix := p.prefix + q.Prefix; prefix != "" {
		call.Prefix(prefix)
	}
	if q.StartOffset != "" {
		call.StartOffset(p.prefix + q.StartOffset)
	}
	if q.EndOffset != "" {
		call.EndOffset(p.prefix + q.EndOffset)
	}
	if q.MatchGlob != "" {
		if strings.ContainsAny(p.prefix, `*?[]{}\`) {
			return page, fault.Errorf(fault.Invalid, "gs://%s is kept below %q, where globs cannot be matched", bucketName, p.prefix)
		}
		call.MatchGlob(p.prefix + q.MatchGlob)
	}
	if q.Delimiter != "" {
		call.Delimiter(q.Delimiter)
	}
	if q.Token != "" {
		call.PageToken(q.Token)
	}
	if q.Max > 0 {
		call.MaxResults(int64(q.Max))
	}
	list, err := call.Do()
	if err != nil {
		return page, p.fault(err)
	}
	for _, r := range list.Items {
		o, err := p.render(r)
		if err != nil {
			return page, err
		}
		page.Objects = append(page.Objects, o)
	}
	for _, prefix := range list.Prefixes {
		page.Prefixes = append(page.Prefixes, strings.TrimPrefix(prefix, p.prefix))
	}
	page.Next = list.NextPageToken
	return page, nil
}

// Update implements bucket.Store: the whole facts are written, if they are
// still those that were read.
func (s *Store) Update(ctx context.Context, bucketName, name string, g int64, a bucket.Attrs, c bucket.Conditions) (bucket.Object, error) {
	p, err := s.object(ctx, bucketName, name)
	if err != nil {
		return bucket.Object{}, err
	}
	for {
		o, err := p.stat(ctx, name, g, conditions(c, "if")...)
		if err != nil {
			return o, err
		}
		a.Apply(&o)
		r := p.resource(o)
		r.StorageClass = ""
		got, err := p.Objects.Update(p.container, p.prefix+name, r).Generation(o.Generation).IfMetagenerationMatch(o.Metageneration).Context(ctx).Do()
		if err = p.fault(err); fault.Is(err, fault.Precondition) || g == 0 && fault.Is(err, fault.NotFound) {
			continue // changed since; the conditions are looked at again
		}
		return p.made(got, err)
	}
}

// Delete implements bucket.Store.
func (s *Store) Delete(ctx context.Context, bucketName, name string, g int64, c bucket.Conditions) error {
	p, err := s.object(ctx, bucketName, name)
	if err != nil {
		return err
	}
	return p.fault(p.Objects.Delete(p.container, p.prefix+name).Context(ctx).Do(generation(conditions(c, "if"), "generation", g)...))
}

// Copy implements bucket.Store: the service copies, in as many steps as it
// wants.
func (s *Store) Copy(ctx context.Context, from bucket.Source, o bucket.PutOptions, replace bool) (bucket.Object, error) {
	src, err := s.object(ctx, from.Bucket, from.Name)
	if err != nil {
		return bucket.Object{}, err
	}
	dst, err := s.object(ctx, o.Bucket, o.Name)
	if err != nil {
		return bucket.Object{}, err
	}
	r := &storage.Object{}
	if replace {
		r = dst.resource(o.Object)
		r.ForceSendFields = []string{"ContentType"} // else an empty resource asks for the source's facts
	}
	opts := append(conditions(o.Conditions, "if"), conditions(from.Conditions, "ifSource")...)
	opts = generation(opts, "sourceGeneration", from.Generation)
	call := dst.Objects.Rewrite(src.container, src.prefix+from.Name, dst.container, dst.prefix+o.Name, r).Context(ctx)
	for {
		got, err := call.Do(opts...)
		if err != nil {
			return bucket.Object{}, dst.fault(err)
		}
		if got.Done {
			return dst.render(got.Resource)
		}
		call.RewriteToken(got.RewriteToken)
	}
}

// Move implements bucket.Store.
func (s *Store) Move(ctx context.Context, from bucket.Source, name string, c bucket.Conditions) (bucket.Object, error) {
	p, err := s.object(ctx, from.Bucket, from.Name)
	if err == nil {
		_, err = s.object(ctx, from.Bucket, name)
	}
	if err != nil {
		return bucket.Object{}, err
	}
	opts := append(conditions(c, "if"), conditions(from.Conditions, "ifSource")...)
	opts = generation(opts, "sourceGeneration", from.Generation)
	got, err := p.Objects.Move(p.container, p.prefix+from.Name, p.prefix+name).Context(ctx).Do(opts...)
	return p.made(got, err)
}

// Compose implements bucket.Store.
func (s *Store) Compose(ctx context.Context, o bucket.PutOptions, sources []bucket.Source, deleteSources bool) (bucket.Object, error) {
	p, err := s.object(ctx, o.Bucket, o.Name)
	if err != nil {
		return bucket.Object{}, err
	}
	req := &storage.ComposeRequest{Destination: p.resource(o.Object), DeleteSourceObjects: deleteSources}
	if o.WantCRC32C != nil {
		req.Destination.Crc32c = crcText(*o.WantCRC32C)
	}
	for _, src := range sources {
		if src.Bucket != o.Bucket {
			return bucket.Object{}, fault.Errorf(fault.Invalid, "the sources of a compose must be in its bucket, %s; %s is not", o.Bucket, src.Bucket)
		}
		if err := bucket.CheckObjectName(src.Name); err != nil {
			return bucket.Object{}, err
		}
		from := &storage.ComposeRequestSourceObjects{Name: p.prefix + src.Name, Generation: src.Generation}
		if g := src.Conditions.GenerationMatch; g != nil {
			from.ObjectPreconditions = &storage.ComposeRequestSourceObjectsObjectPreconditions{IfGenerationMatch: *g, ForceSendFields: []string{"IfGenerationMatch"}}
		}
		req.SourceObjects = append(req.SourceObjects, from)
	}
	got, err := p.Objects.Compose(p.container, p.prefix+o.Name, req).Context(ctx).Do(conditions(o.Conditions, "if")...)
	return p.made(got, err)
}
