// Package s3 keeps objects in Amazon S3 and in what speaks its protocol, such
// as MinIO, Ceph and Cloudflare R2. It knows one container; cloud adds the rest
// of what gs:// has.
//
// Credentials come from where programs for AWS look: the environment, the
// shared credentials file, and the roles of containers, web identities and
// machines.
package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"golang.org/x/sync/errgroup"

	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/fault"
)

// Options say where a container is.
type Options struct {
	For       string // the bucket that people know it as, for messages
	Container string
	Endpoint  string // empty: Amazon's
	Region    string // empty: found out
}

const (
	// limit is what S3 keeps of metadata of a user's, in bytes.
	limit = 2000
	// onePut is up to where an object is put in one request; partSize is that of
	// the parts of a larger one, unless they would be too many.
	onePut   = 64 << 20
	partSize = 32 << 20
	parts    = 9_000
	inFlight = 4
	// oneCopy is what S3 copies in one request.
	oneCopy = 5 << 30
)

// Service is a container.
type Service struct {
	c    minio.Core
	name string
	what string // which bucket this is and where, for people
	url  string // of the endpoint
}

var _ cloud.Service = (*Service)(nil)

// New makes a service. It asks nobody yet.
func New(o Options) (*Service, error) {
	if err := s3utils.CheckValidBucketNameStrict(o.Container); err != nil {
		return nil, fault.Errorf(fault.Invalid, "%q cannot be the name of a bucket in S3: %w", o.Container, err)
	}
	endpoint, secure := "s3.amazonaws.com", true
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
			return nil, fault.Errorf(fault.Invalid, "endpoint %q is not an address such as http://127.0.0.1:9000", o.Endpoint)
		}
		endpoint, secure = u.Host, u.Scheme == "https"
	}
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	creds := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Transport: transport, Timeout: 5 * time.Second}},
	})
	c, err := minio.NewCore(endpoint, &minio.Options{Creds: creds, Secure: secure, Region: o.Region, Transport: transport, MaxRetries: 3})
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "s3://%s: %w", o.Container, err)
	}
	url := c.EndpointURL().String()
	return &Service{c: *c, name: o.Container, url: url, what: fmt.Sprintf("gs://%s (kept in s3://%s at %s)", o.For, o.Container, url)}, nil
}

func (s *Service) String() string { return "s3://" + s.name }

// Limit implements cloud.Service.
func (s *Service) Limit() int { return limit }

// CheckKey implements cloud.Service: what servers and programs take for a path.
func (s *Service) CheckKey(key string) error {
	switch {
	case len(key) > 1024:
		return fault.Errorf(fault.Invalid, "the name %q is %d bytes long with its place in %s; S3 allows 1024", key, len(key), s)
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fault.Errorf(fault.Invalid, "the name %q holds a control character, which S3's listings cannot carry", key)
	case strings.TrimSpace(key) == "":
		return fault.Errorf(fault.Invalid, "the name %q is blank, which S3 cannot have", key)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "." || part == ".." {
			return fault.Errorf(fault.Invalid, "the name %q has a part %q, which S3 takes for a path", key, part)
		}
	}
	return nil
}

// Check implements cloud.Service.
func (s *Service) Check(ctx context.Context) error {
	ok, err := s.c.BucketExists(ctx, s.name)
	if err == nil && !ok {
		return fault.Errorf(fault.NotFound, "%s is not there", s.what)
	}
	return s.fault(err)
}

// Make implements cloud.Service.
func (s *Service) Make(ctx context.Context) error {
	return s.fault(s.c.MakeBucket(ctx, s.name, minio.MakeBucketOptions{}))
}

// Drop implements cloud.Service.
func (s *Service) Drop(ctx context.Context) error {
	return s.fault(s.c.RemoveBucket(ctx, s.name))
}

func (s *Service) entry(key string, i minio.ObjectInfo) cloud.Entry {
	e := cloud.Entry{
		Key: key, Size: i.Size, Tag: i.ETag, Modified: i.LastModified, Class: i.Metadata.Get("X-Amz-Storage-Class"),
		ContentType: i.ContentType, ContentEncoding: i.Metadata.Get("Content-Encoding"), ContentDisposition: i.Metadata.Get("Content-Disposition"),
		ContentLanguage: i.Metadata.Get("Content-Language"), CacheControl: i.Metadata.Get("Cache-Control"),
	}
	for k, v := range i.UserMetadata {
		if strings.EqualFold(k, cloud.FactsKey) {
			e.Facts = v
			continue
		}
		if e.Metadata == nil {
			e.Metadata = map[string]string{}
		}
		e.Metadata[strings.ToLower(k)] = v
	}
	return e
}

// Head implements cloud.Service.
func (s *Service) Head(ctx context.Context, key string) (cloud.Entry, error) {
	i, err := s.c.StatObject(ctx, s.name, key, minio.StatObjectOptions{})
	if err != nil {
		return cloud.Entry{}, s.fault(err)
	}
	return s.entry(key, i), nil
}

// Get implements cloud.Service.
func (s *Service) Get(ctx context.Context, key string, offset, length int64) (cloud.Entry, io.ReadCloser, error) {
	var o minio.GetObjectOptions
	switch {
	case length == 0:
		e, err := s.Head(ctx, key)
		return e, http.NoBody, err
	case length > 0:
		o.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case offset > 0:
		o.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	body, i, h, err := s.c.GetObject(ctx, s.name, key, o)
	if minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
		e, err := s.Head(ctx, key)
		return e, http.NoBody, err
	}
	if err != nil {
		return cloud.Entry{}, nil, s.fault(err)
	}
	e := s.entry(key, i)
	if _, total, ok := strings.Cut(h.Get("Content-Range"), "/"); ok {
		if _, err := fmt.Sscan(total, &e.Size); err != nil {
			body.Close()
			return e, nil, fault.Errorf(fault.Unavailable, "%s answered with Content-Range %q", s, h.Get("Content-Range"))
		}
	}
	return e, &reader{body, s}, nil
}

// reader gives errors in the middle of a body their kind.
type reader struct {
	io.ReadCloser
	s *Service
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = r.s.fault(err)
	}
	return n, err
}

func (s *Service) options(e cloud.Entry) minio.PutObjectOptions {
	o := minio.PutObjectOptions{
		ContentType: e.ContentType, ContentEncoding: e.ContentEncoding, ContentDisposition: e.ContentDisposition, ContentLanguage: e.ContentLanguage, CacheControl: e.CacheControl,
		UserMetadata: map[string]string{cloud.FactsKey: e.Facts},
	}
	if e.Class != "STANDARD" {
		o.StorageClass = e.Class
	}
	return o
}

// guard adds the headers that S3 checks together with the effect.
func guard(o *minio.PutObjectOptions, g cloud.Guard) {
	switch {
	case g.Absent:
		o.SetMatchETagExcept("*")
	case g.Tag != "":
		o.SetMatchETag(g.Tag)
	}
}

// Put implements cloud.Service.
func (s *Service) Put(ctx context.Context, e cloud.Entry, c *cloud.Content, g cloud.Guard) error {
	o := s.options(e)
	if c.Size > onePut {
		return s.putParts(ctx, e, c, o, g)
	}
	guard(&o, g)
	o.DisableContentSha256 = true // S3 checks the MD5
	_, err := s.c.PutObject(ctx, s.name, e.Key, c.Reader(), c.Size, base64.StdEncoding.EncodeToString(c.MD5), "", o)
	return s.fault(err)
}

// putParts puts a large object in parts, several at a time.
func (s *Service) putParts(ctx context.Context, e cloud.Entry, c *cloud.Content, o minio.PutObjectOptions, g cloud.Guard) error {
	id, err := s.c.NewMultipartUpload(ctx, s.name, e.Key, o)
	if err != nil {
		return s.fault(err)
	}
	size := max(partSize, (c.Size+parts-1)/parts)
	var mu sync.Mutex
	var done []minio.CompletePart
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for number, offset := 1, int64(0); offset < c.Size; number, offset = number+1, offset+size {
		group.Go(func() error {
			n := min(size, c.Size-offset)
			sum := md5.New() // for S3 to check; of a file that was just written
			if _, err := io.Copy(sum, io.NewSectionReader(c.File, offset, n)); err != nil {
				return err
			}
			p, err := s.c.PutObjectPart(gctx, s.name, e.Key, id, number, io.NewSectionReader(c.File, offset, n), n,
				minio.PutObjectPartOptions{Md5Base64: base64.StdEncoding.EncodeToString(sum.Sum(nil)), DisableContentSha256: true})
			mu.Lock()
			defer mu.Unlock()
			done = append(done, minio.CompletePart{PartNumber: number, ETag: p.ETag})
			return err
		})
	}
	err = group.Wait()
	if err == nil {
		slices.SortFunc(done, func(a, b minio.CompletePart) int { return a.PartNumber - b.PartNumber })
		var last minio.PutObjectOptions
		guard(&last, g)
		_, err = s.c.CompleteMultipartUpload(ctx, s.name, e.Key, id, done, last)
	}
	if err != nil {
		return errors.Join(s.fault(err), s.fault(s.c.AbortMultipartUpload(context.WithoutCancel(ctx), s.name, e.Key, id)))
	}
	return nil
}

// Copy implements cloud.Service.
func (s *Service) Copy(ctx context.Context, from, to cloud.Entry) error {
	if from.Size > oneCopy {
		return cloud.ErrTooLarge
	}
	meta := map[string]string{cloud.FactsKey: to.Facts}
	if to.Class != "" && to.Class != "STANDARD" {
		meta["X-Amz-Storage-Class"] = to.Class
	}
	_, err := s.c.Client.CopyObject(ctx, minio.CopyDestOptions{
		Bucket: s.name, Object: to.Key, ReplaceMetadata: true, UserMetadata: meta,
		ContentType: to.ContentType, ContentEncoding: to.ContentEncoding, ContentDisposition: to.ContentDisposition, ContentLanguage: to.ContentLanguage, CacheControl: to.CacheControl,
	}, minio.CopySrcOptions{Bucket: s.name, Object: from.Key, MatchETag: from.Tag})
	return s.fault(err)
}

// Delete implements cloud.Service.
func (s *Service) Delete(ctx context.Context, key string) error {
	return s.fault(s.c.RemoveObject(ctx, s.name, key, minio.RemoveObjectOptions{}))
}

// Scan implements cloud.Service. S3 begins after a key, so it is asked to begin
// after one just before.
func (s *Service) Scan(ctx context.Context, prefix, from, _ string) iter.Seq2[cloud.Entry, error] {
	return func(yield func(cloud.Entry, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		owner := false
		o := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, FetchOwner: &owner}
		if from > prefix {
			o.StartAfter = before(from)
		}
		for i := range s.c.ListObjectsIter(ctx, s.name, o) {
			if i.Err != nil {
				yield(cloud.Entry{}, s.fault(i.Err))
				return
			}
			if i.Key < from {
				continue
			}
			if !yield(cloud.Entry{Key: i.Key, Size: i.Size, Tag: strings.Trim(i.ETag, `"`), Modified: i.LastModified, Class: i.StorageClass, Bare: true}, nil) {
				return
			}
		}
	}
}

// before is a key before another, such that next to nothing is between them.
func before(key string) string {
	r, n := utf8.DecodeLastRuneInString(key)
	head := key[:len(key)-n]
	switch {
	case r == 0 || len(head)+2*utf8.UTFMax > 1024:
		return head
	case r == 0xe000:
		r = 0xd800 // the surrogates between are no characters
	}
	return head + string(r-1) + string(utf8.MaxRune)
}

// fault gives an error of S3 its kind.
func (s *Service) fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	r, said := errors.AsType[minio.ErrorResponse](err)
	switch {
	case !said:
	case r.Code == minio.NoSuchBucket:
		return fault.Errorf(fault.NotFound, "%s is not there: %w", s.what, err).WithHint("make s3://%s there, or with: trainyard storage buckets create", s.name)
	case r.StatusCode == http.StatusNotFound:
		return fault.Errorf(fault.NotFound, "%s has no object %s: %w", s.what, r.Key, err)
	case r.StatusCode == http.StatusPreconditionFailed || r.Code == "ConditionalRequestConflict":
		return fmt.Errorf("%w: %w", cloud.ErrChanged, err)
	case r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized:
		return fault.Errorf(fault.Denied, "%s refused the server's credentials: %w", s.what, err).
			WithHint("check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of the machine that the server runs on, and what they may do")
	case r.StatusCode == http.StatusTooManyRequests:
		return fault.Errorf(fault.Exhausted, "%s wants fewer requests: %w", s.what, err)
	case r.StatusCode == http.StatusConflict:
		return fault.Errorf(fault.Conflict, "%s: %w", s.what, err)
	case r.StatusCode >= 400 && r.StatusCode < 500:
		return fault.Errorf(fault.Invalid, "%s refused the request: %w", s.what, err)
	}
	return fault.Errorf(fault.Unavailable, "%s cannot be used now: %w", s.what, err).
		WithHint("check that %s is reachable from the server, and that the server has credentials for it", s.url)
}
