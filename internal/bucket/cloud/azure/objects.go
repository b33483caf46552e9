package azure

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/sync/errgroup"

	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/fault"
)

const (
	// onePut is up to where an object is put in one request; blockSize is that of
	// the blocks of a larger one, unless they would be too many.
	onePut    = 32 << 20
	blockSize = 16 << 20
	blocks    = 45_000
	inFlight  = 4
)

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// metadata tells facts and what other programs said apart.
func metadata(e *cloud.Entry, all map[string]*string) {
	for k, v := range all {
		k = strings.ToLower(k)
		if k == cloud.FactsKey {
			e.Facts = value(v)
			continue
		}
		if e.Metadata == nil {
			e.Metadata = map[string]string{}
		}
		e.Metadata[k] = value(v)
	}
}

// Head implements cloud.Service.
func (s *Service) Head(ctx context.Context, key string) (cloud.Entry, error) {
	p, err := s.c.NewBlobClient(key).GetProperties(ctx, nil)
	if err != nil {
		return cloud.Entry{}, s.fault(err)
	}
	e := cloud.Entry{
		Key: key, Size: value(p.ContentLength), Tag: string(value(p.ETag)), Modified: value(p.LastModified), MD5: p.ContentMD5,
		ContentType: value(p.ContentType), ContentEncoding: value(p.ContentEncoding), ContentDisposition: value(p.ContentDisposition),
		ContentLanguage: value(p.ContentLanguage), CacheControl: value(p.CacheControl),
	}
	metadata(&e, p.Metadata)
	return e, nil
}

// Get implements cloud.Service.
func (s *Service) Get(ctx context.Context, key string, offset, length int64) (cloud.Entry, io.ReadCloser, error) {
	nothing := func() (cloud.Entry, io.ReadCloser, error) {
		e, err := s.Head(ctx, key)
		return e, http.NoBody, err
	}
	if length == 0 {
		return nothing()
	}
	r := blob.HTTPRange{Offset: offset}
	if length > 0 {
		r.Count = length
	}
	d, err := s.c.NewBlobClient(key).DownloadStream(ctx, &blob.DownloadStreamOptions{Range: r})
	if e, ok := err.(*azcore.ResponseError); ok && e.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return nothing()
	}
	if err != nil {
		return cloud.Entry{}, nil, s.fault(err)
	}
	e := cloud.Entry{
		Key: key, Size: value(d.ContentLength), Tag: string(value(d.ETag)), Modified: value(d.LastModified), MD5: d.ContentMD5,
		ContentType: value(d.ContentType), ContentEncoding: value(d.ContentEncoding), ContentDisposition: value(d.ContentDisposition),
		ContentLanguage: value(d.ContentLanguage), CacheControl: value(d.CacheControl),
	}
	if d.BlobContentMD5 != nil { // the other one is the range's
		e.MD5 = d.BlobContentMD5
	}
	if d.ContentRange != nil {
		if e.Size, err = total(*d.ContentRange); err != nil {
			d.Body.Close()
			return e, nil, fault.Errorf(fault.Unavailable, "%s answered with Content-Range %q", s.what, *d.ContentRange)
		}
	}
	metadata(&e, d.Metadata)
	return e, &reader{d.NewRetryReader(ctx, &blob.RetryReaderOptions{MaxRetries: 2}), s}, nil
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

// optional leaves out a header without a value.
func optional(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

func headers(e cloud.Entry) blob.HTTPHeaders {
	return blob.HTTPHeaders{
		BlobContentType: optional(e.ContentType), BlobContentEncoding: optional(e.ContentEncoding), BlobContentDisposition: optional(e.ContentDisposition),
		BlobContentLanguage: optional(e.ContentLanguage), BlobCacheControl: optional(e.CacheControl), BlobContentMD5: e.MD5,
	}
}

func facts(e cloud.Entry) map[string]*string { return map[string]*string{cloud.FactsKey: &e.Facts} }

func conditions(g cloud.Guard) *blob.AccessConditions {
	m := &blob.ModifiedAccessConditions{}
	switch any := azcore.ETagAny; {
	case g.Absent:
		m.IfNoneMatch = &any
	case g.Tag != "":
		tag := azcore.ETag(g.Tag)
		m.IfMatch = &tag
	}
	return &blob.AccessConditions{ModifiedAccessConditions: m}
}

// Put implements cloud.Service.
func (s *Service) Put(ctx context.Context, e cloud.Entry, c *cloud.Content, g cloud.Guard) error {
	if e.Class != "" && e.Class != "STANDARD" {
		return fault.Errorf(fault.Invalid, "%s has access tiers instead of the storage class %s", s.what, e.Class).WithHint("leave the class out, and set a tier with Azure's own tools")
	}
	h := headers(e)
	h.BlobContentMD5 = c.MD5
	to := s.c.NewBlockBlobClient(e.Key)
	if c.Size <= onePut {
		_, err := to.Upload(ctx, streaming.NopCloser(c.Reader()), &blockblob.UploadOptions{
			HTTPHeaders: &h, Metadata: facts(e), AccessConditions: conditions(g), TransactionalValidation: blob.TransferValidationTypeMD5(c.MD5),
		})
		return s.fault(err)
	}
	size := max(blockSize, (c.Size+blocks-1)/blocks)
	ids := make([]string, (c.Size+size-1)/size)
	// Blocks that are not committed go by themselves. Their names are this
	// upload's own, so that another one of the same object does not mix with it.
	upload := uint64(time.Now().UnixNano())
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i := range ids {
		ids[i] = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, upload), uint32(i)))
		offset := int64(i) * size
		group.Go(func() error {
			n := min(size, c.Size-offset)
			sum := md5.New() // for Azure to check; of a file that was just written
			if _, err := io.Copy(sum, io.NewSectionReader(c.File, offset, n)); err != nil {
				return err
			}
			_, err := to.StageBlock(gctx, ids[i], streaming.NopCloser(io.NewSectionReader(c.File, offset, n)), &blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeMD5(sum.Sum(nil))})
			return s.fault(err)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	_, err := to.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{HTTPHeaders: &h, Metadata: facts(e), AccessConditions: conditions(g)})
	return s.fault(err)
}

// Copy implements cloud.Service. Headers are set in a request of their own:
// for that moment other programs see the old ones, gs:// already the new.
func (s *Service) Copy(ctx context.Context, from, to cloud.Entry) error {
	if to.Class != "" && to.Class != "STANDARD" {
		return cloud.ErrTooLarge // through Put, which refuses it
	}
	b := s.c.NewBlobClient(to.Key)
	guard := cloud.Guard{Tag: from.Tag}
	if from.Key == to.Key {
		m, err := b.SetMetadata(ctx, facts(to), &blob.SetMetadataOptions{AccessConditions: conditions(guard)})
		if err != nil {
			return s.fault(err)
		}
		guard.Tag = string(value(m.ETag))
	} else {
		src := &blob.SourceModifiedAccessConditions{SourceIfMatch: conditions(guard).ModifiedAccessConditions.IfMatch}
		r, err := b.StartCopyFromURL(ctx, s.c.NewBlobClient(from.Key).URL(), &blob.StartCopyFromURLOptions{Metadata: facts(to), SourceModifiedAccessConditions: src})
		if err != nil {
			return s.fault(err)
		}
		guard.Tag = string(value(r.ETag))
		if value(r.CopyStatus) != blob.CopyStatusTypeSuccess {
			if guard.Tag, err = s.copied(ctx, b); err != nil {
				return err
			}
		}
	}
	h := headers(to)
	if h.BlobContentMD5 == nil {
		h.BlobContentMD5 = from.MD5
	}
	_, err := b.SetHTTPHeaders(ctx, h, &blob.SetHTTPHeadersOptions{AccessConditions: conditions(guard)})
	return s.fault(err)
}

// copied waits for a copy that Azure makes by and by.
func (s *Service) copied(ctx context.Context, b *blob.Client) (tag string, err error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		p, err := b.GetProperties(ctx, nil)
		if err != nil {
			return "", s.fault(err)
		}
		switch value(p.CopyStatus) {
		case blob.CopyStatusTypePending:
		case blob.CopyStatusTypeSuccess:
			return string(value(p.ETag)), nil
		default:
			return "", fault.Errorf(fault.Unavailable, "%s could not copy: %s %s", s.what, value(p.CopyStatus), value(p.CopyStatusDescription))
		}
	}
}

// Delete implements cloud.Service.
func (s *Service) Delete(ctx context.Context, key string) error {
	_, err := s.c.NewBlobClient(key).Delete(ctx, nil)
	return s.fault(err)
}

// Scan implements cloud.Service. Azure goes on only where a page of its own
// began; what comes before from is read past.
func (s *Service) Scan(ctx context.Context, prefix, from, mark string) iter.Seq2[cloud.Entry, error] {
	return func(yield func(cloud.Entry, error) bool) {
		pages := s.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: optional(prefix), Marker: optional(mark), Include: container.ListBlobsInclude{Metadata: true}})
		for pages.More() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(cloud.Entry{}, s.fault(err))
				return
			}
			for _, i := range page.Segment.BlobItems {
				if value(i.Name) < from || i.Properties == nil {
					continue
				}
				p := i.Properties
				e := cloud.Entry{
					Key: value(i.Name), Size: value(p.ContentLength), Tag: string(value(p.ETag)), Modified: value(p.LastModified), MD5: p.ContentMD5, Mark: mark,
					ContentType: value(p.ContentType), ContentEncoding: value(p.ContentEncoding), ContentDisposition: value(p.ContentDisposition),
					ContentLanguage: value(p.ContentLanguage), CacheControl: value(p.CacheControl),
				}
				metadata(&e, i.Metadata)
				if !yield(e, nil) {
					return
				}
			}
			mark = value(page.NextMarker)
		}
	}
}

// total is the size of an object as a Content-Range tells it.
func total(contentRange string) (int64, error) {
	_, size, _ := strings.Cut(contentRange, "/")
	return strconv.ParseInt(size, 10, 64)
}
