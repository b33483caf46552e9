package storageapi_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcerrors"
	"gocloud.dev/gcp"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
)

// goClient is Google's Go client of a server; in the way of each request is
// trip, which may be nil.
func goClient(t *testing.T, url string, trip http.RoundTripper, opts ...option.ClientOption) *storage.Client {
	t.Helper()
	opts = append([]option.ClientOption{option.WithEndpoint(url + "/storage/v1/"), option.WithHTTPClient(&http.Client{Transport: trip})}, opts...)
	c, err := storage.NewClient(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func put(t *testing.T, o *storage.ObjectHandle, body string) *storage.ObjectAttrs {
	t.Helper()
	w := o.NewWriter(t.Context())
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Attrs()
}

func get(t *testing.T, o *storage.ObjectHandle) string {
	t.Helper()
	r, err := o.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestGooglesGoClientInFull goes through what the client has, with reads over
// the XML API, which is its default, and over the JSON API.
func TestGooglesGoClientInFull(t *testing.T) {
	for name, opts := range map[string][]option.ClientOption{"xml": nil, "json": {storage.WithJSONReads()}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			// Where reads go over XML, the client finds its host by this variable only.
			t.Setenv("STORAGE_EMULATOR_HOST", s.URL)
			c := goClient(t, s.URL, nil, opts...)
			ctx := t.Context()
			b := c.Bucket("made")
			if err := b.Create(ctx, "demo", &storage.BucketAttrs{Location: "us-east1", Labels: map[string]string{"a": "b"}, VersioningEnabled: true, Lifecycle: storage.Lifecycle{Rules: []storage.LifecycleRule{{Action: storage.LifecycleAction{Type: "Delete"}, Condition: storage.LifecycleCondition{AgeInDays: 30}}}}}); err != nil {
				t.Fatal(err)
			}
			if attrs, err := b.Attrs(ctx); err != nil || attrs.Location != "US-EAST1" || attrs.Labels["a"] != "b" || !attrs.VersioningEnabled || len(attrs.Lifecycle.Rules) != 1 {
				t.Errorf("%+v, %v", attrs, err)
			}
			if attrs, err := b.Update(ctx, storage.BucketAttrsToUpdate{VersioningEnabled: false, Lifecycle: &storage.Lifecycle{}}); err != nil || attrs.VersioningEnabled || len(attrs.Lifecycle.Rules) != 0 {
				t.Errorf("%+v, %v", attrs, err)
			}
			if names, err := b.IAM().TestPermissions(ctx, []string{"storage.objects.get"}); err != nil || len(names) != 1 {
				t.Errorf("%v, %v", names, err)
			}
			if p, err := b.IAM().Policy(ctx); err != nil || len(p.Roles()) != 0 {
				t.Errorf("%v, %v", p, err)
			}

			// Checksums of the sender's: right ones are taken, wrong ones commit nothing.
			for sum, want := range map[uint32]bool{crc32.Checksum([]byte("hello"), crc32.MakeTable(crc32.Castagnoli)): true, 1: false} {
				for _, chunk := range []int{0, 256 << 10} {
					o := b.Object("sum")
					w := o.NewWriter(ctx)
					w.CRC32C, w.SendCRC32C, w.ChunkSize = sum, true, chunk
					_, _ = io.WriteString(w, "hello")
					if err := w.Close(); (err == nil) != want {
						t.Errorf("crc32c %d: %v", sum, err)
					}
					if err := o.Delete(ctx); (err == nil) != want {
						t.Errorf("after crc32c %d: %v", sum, err)
					}
				}
			}
			small := b.Object("dir/a b+é%2F")
			w := small.NewWriter(ctx)
			hash := md5.Sum([]byte("hello"))
			w.MD5, w.ContentType, w.CacheControl, w.Metadata = hash[:], "text/x", "no-store", map[string]string{"k": "v"}
			_, _ = io.WriteString(w, "hello")
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got := get(t, small); got != "hello" {
				t.Errorf("%q", got)
			}
			r, err := small.NewRangeReader(ctx, -3, -1)
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(r); string(b) != "llo" || r.Attrs.Size != 5 || r.Attrs.ContentType != "text/x" {
				t.Errorf("the last bytes: %q, %+v", b, r.Attrs)
			}
			r.Close()
			if _, err := small.NewRangeReader(ctx, 9, 1); err == nil {
				t.Error("a range beyond the end is read")
			}

			// Conditions and generations.
			first := put(t, b.Object("x"), "1")
			if err := b.Object("x").If(storage.Conditions{GenerationMatch: first.Generation + 1}).Delete(ctx); code412(err) != 412 {
				t.Errorf("delete: %v", err)
			}
			if _, err := b.Object("x").If(storage.Conditions{MetagenerationMatch: 9}).NewReader(ctx); code412(err) != 412 {
				t.Errorf("read: %v", err)
			}
			if attrs, err := b.Object("x").If(storage.Conditions{MetagenerationMatch: 1}).Update(ctx, storage.ObjectAttrsToUpdate{ContentLanguage: "pt"}); err != nil || attrs.Metageneration != 2 || attrs.ContentLanguage != "pt" {
				t.Errorf("update: %+v, %v", attrs, err)
			}
			if got := get(t, b.Object("x").Generation(first.Generation)); got != "1" {
				t.Errorf("by generation: %q", got)
			}

			// Copies, composites, moves.
			copier := b.Object("copy").CopierFrom(small)
			copier.ContentType = "other/type"
			if attrs, err := copier.Run(ctx); err != nil || attrs.ContentType != "other/type" || attrs.Size != 5 {
				t.Errorf("copy: %+v, %v", attrs, err)
			}
			for sum, want := range map[uint32]bool{crc32.Checksum([]byte("hellohello"), crc32.MakeTable(crc32.Castagnoli)): true, 1: false} {
				composer := b.Object("whole").ComposerFrom(small, b.Object("copy"))
				composer.CRC32C, composer.SendCRC32C = sum, true
				if attrs, err := composer.Run(ctx); (err == nil) != want || want && (attrs.ComponentCount != 2 || len(attrs.MD5) > 0) {
					t.Errorf("compose with %d: %+v, %v", sum, attrs, err)
				}
			}
			if got := get(t, b.Object("whole")); got != "hellohello" {
				t.Errorf("%q", got)
			}
			if _, err := b.Object("copy").Move(ctx, storage.MoveObjectDestination{Object: "moved"}); err != nil {
				t.Error(err)
			}

			// Page by page, names only.
			q := &storage.Query{Delimiter: "/"}
			if err := q.SetAttrSelection([]string{"Name", "Size"}); err != nil {
				t.Fatal(err)
			}
			pager := iterator.NewPager(b.Objects(ctx, q), 2, "")
			var names []string
			for {
				var page []*storage.ObjectAttrs
				next, err := pager.NextPage(&page)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range page {
					names = append(names, o.Name+o.Prefix)
				}
				if next == "" {
					break
				}
			}
			if got := strings.Join(names, " "); got != "dir/ moved whole x" && got != "moved whole x dir/" && len(names) != 4 {
				t.Errorf("names: %q", got)
			}
			if err := b.Delete(ctx); code412(err) != 409 {
				t.Errorf("delete of a bucket that is not empty: %v", err)
			}
			if _, err := c.Bucket("nowhere").Attrs(ctx); !errors.Is(err, storage.ErrBucketNotExist) {
				t.Errorf("%v", err)
			}
			if _, err := b.Object("nowhere").NewReader(ctx); !errors.Is(err, storage.ErrObjectNotExist) {
				t.Errorf("%v", err)
			}
		})
	}
}

func code412(err error) int {
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		return e.Code
	}
	return 0
}

// flaky answers every third request that changes something with a 503, after
// half of it was sent.
type flaky struct{ n, failed atomic.Int64 }

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || f.n.Add(1)%3 != 0 {
		return http.DefaultTransport.RoundTrip(r)
	}
	f.failed.Add(1)
	if r.Body != nil {
		cut := r.Clone(r.Context())
		cut.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), broken{}))
		if res, err := http.DefaultTransport.RoundTrip(cut); err == nil {
			_ = res.Body.Close()
		}
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: 503, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestUploadsOverABadLine: chunks are cut in the middle, and the client goes on
// where the server says it is.
func TestUploadsOverABadLine(t *testing.T) {
	s := serve(t)
	line := &flaky{}
	c := goClient(t, s.URL, line, storage.WithJSONReads())
	c.SetRetry(storage.WithPolicy(storage.RetryAlways), storage.WithBackoff(fast()))
	body := bytes.Repeat([]byte("0123456789abcdef"), 128<<10) // 2 MiB
	w := c.Bucket("box").Object("x").NewWriter(t.Context())
	w.ChunkSize = 256 << 10
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, c.Bucket("box").Object("x")); got != string(body) {
		t.Errorf("%d bytes came back of %d", len(got), len(body))
	}
	if line.failed.Load() < 2 {
		t.Errorf("only %d requests failed", line.failed.Load())
	}
}

// TestGcsblob is the portable API's driver, as programs use it.
func TestGcsblob(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(s.URL, "http://")) // it puts the scheme in front itself
	b, err := gcsblob.OpenBucket(ctx, &gcp.HTTPClient{Client: http.Client{}}, "box", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if ok, err := b.IsAccessible(ctx); err != nil || !ok {
		t.Errorf("%t, %v", ok, err)
	}
	if err := b.WriteAll(ctx, "a/1", []byte("hello"), &blob.WriterOptions{ContentType: "text/x", Metadata: map[string]string{"k": "v"}, ContentMD5: md5Of("hello"), CacheControl: "no-store"}); err != nil {
		t.Fatal(err)
	}
	if err := b.WriteAll(ctx, "bad", []byte("hello"), &blob.WriterOptions{ContentMD5: md5Of("other")}); err == nil {
		t.Error("a wrong MD5 is taken")
	}
	if err := b.WriteAll(ctx, "a/1", nil, &blob.WriterOptions{IfNotExist: true}); gcerrors.Code(err) != gcerrors.FailedPrecondition {
		t.Errorf("IfNotExist: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	w, err := b.NewWriter(cancelled, "cut", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "half")
	cancel()
	if err := w.Close(); err == nil {
		t.Error("a cancelled write succeeds")
	}
	if a, err := b.Attributes(ctx, "a/1"); err != nil || a.Size != 5 || a.ContentType != "text/x" || a.Metadata["k"] != "v" || !bytes.Equal(a.MD5, md5Of("hello")) || a.CacheControl != "no-store" {
		t.Errorf("%+v, %v", a, err)
	}
	if r, err := b.NewRangeReader(ctx, "a/1", 1, 3, nil); err != nil {
		t.Error(err)
	} else {
		if got, err := io.ReadAll(r); string(got) != "ell" || r.Size() != 5 || err != nil {
			t.Errorf("%q of %d, %v", got, r.Size(), err)
		}
		r.Close()
	}
	names := []string{"a//b", "../x", "a b", "ü?#%+&", "\u2603"}
	for _, n := range names {
		if err := b.WriteAll(ctx, n, []byte(n), nil); err != nil {
			t.Fatal(err)
		}
		if got, err := b.ReadAll(ctx, n); err != nil || string(got) != n {
			t.Errorf("%q: %q, %v", n, got, err)
		}
	}
	if err := b.Copy(ctx, "c", "a/1", nil); err != nil {
		t.Error(err)
	}
	var seen []string
	for token := blob.FirstPageToken; len(token) > 0; {
		page, next, err := b.ListPage(ctx, token, 2, &blob.ListOptions{Delimiter: "/"})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			seen = append(seen, o.Key)
		}
		token = next
	}
	if got := strings.Join(seen, ","); got != "../x,a b,a/,c,ü?#%+&,\u2603" {
		t.Errorf("listing: %s", got)
	}
	if ok, err := b.Exists(ctx, "cut"); err != nil || ok {
		t.Errorf("a write that was cancelled: %t, %v", ok, err)
	}
	if err := b.Delete(ctx, "c"); err != nil {
		t.Error(err)
	}
	if err := b.Delete(ctx, "c"); gcerrors.Code(err) != gcerrors.NotFound {
		t.Errorf("delete again: %v", err)
	}
	if _, err := b.ReadAll(ctx, "c"); gcerrors.Code(err) != gcerrors.NotFound {
		t.Errorf("read of what is not there: %v", err)
	}
}

func md5Of(s string) []byte {
	sum := md5.Sum([]byte(s))
	return sum[:]
}

func fast() (b gax.Backoff) {
	b.Initial, b.Max, b.Multiplier = time.Millisecond, 10*time.Millisecond, 1
	return b
}
