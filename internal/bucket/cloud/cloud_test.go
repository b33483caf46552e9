package cloud_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/bucket/cloud/s3"
	"github.com/trainyard/trainyard/internal/fault"
)

// world is an S3 that other programs use, too, and stores over it.
type world struct {
	t       *testing.T
	backend *s3mem.Backend
	spool   bucket.Store
	svc     *flaky
}

// flaky is a service that a test lets fail.
type flaky struct {
	cloud.Service
	put    func() error // before the service puts
	copied int
}

func (f *flaky) Put(ctx context.Context, e cloud.Entry, c *cloud.Content, g cloud.Guard) error {
	if f.put != nil {
		if err := f.put(); err != nil {
			return err
		}
	}
	return f.Service.Put(ctx, e, c, g)
}

func (f *flaky) Copy(ctx context.Context, from, to cloud.Entry) error {
	f.copied++
	return f.Service.Copy(ctx, from, to)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, backend: s3mem.New(), spool: newSpool(t)}
	if err := w.backend.CreateBucket("company"); err != nil {
		t.Fatal(err)
	}
	svc, err := s3.New(s3.Options{For: "box", Container: "company", Endpoint: serveS3(t, w.backend), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	w.svc = &flaky{Service: svc}
	return w
}

// store is a server's: another one is what a restart makes.
func (w *world) store() *cloud.Store {
	return cloud.New(cloud.Options{Spool: w.spool, Dir: w.t.TempDir(), Place: func(context.Context, string) (cloud.Service, string, error) { return w.svc, "", nil }})
}

// foreign puts an object as another program would.
func (w *world) foreign(name, body string, meta map[string]string) {
	w.t.Helper()
	all := map[string]string{"Last-Modified": time.Now().UTC().Format("Mon, 2 Jan 2006 15:04:05 GMT")}
	maps.Copy(all, meta)
	if _, err := w.backend.PutObject("company", name, all, strings.NewReader(body), int64(len(body)), nil); err != nil {
		w.t.Fatal(err)
	}
}

func putText(t *testing.T, s bucket.Store, name, body string, c bucket.Conditions) (bucket.Object, error) {
	t.Helper()
	return s.Put(t.Context(), bucket.PutOptions{Object: bucket.Object{Bucket: "box", Name: name, Size: -1}, Conditions: c}, strings.NewReader(body))
}

func text(t *testing.T, s bucket.Store, name string) string {
	t.Helper()
	_, r, err := s.Open(t.Context(), "box", name, 0, 0, -1, bucket.Conditions{})
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

// What another program put has facts, the same ones each time it is looked at.
func TestObjectsOfOtherProgramsHaveFacts(t *testing.T) {
	w := newWorld(t)
	w.foreign("x", "theirs", map[string]string{"Content-Type": "text/plain", "X-Amz-Meta-Who": "them"})
	s := w.store()
	first, err := s.Stat(t.Context(), "box", "x", 0, bucket.Conditions{})
	if err != nil || first.Generation <= 0 || first.Metageneration != 1 || first.Size != 6 || first.ContentType != "text/plain" || first.Metadata["who"] != "them" || !first.Unsummed {
		t.Fatalf("Stat = %+v, %v", first, err)
	}
	page, err := w.store().List(t.Context(), "box", bucket.Query{})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Generation != first.Generation {
		t.Errorf("List = %+v, %v", page, err)
	}
	// Conditions are about these facts, and what is put here comes after.
	g := first.Generation
	second, err := putText(t, s, "x", "ours", bucket.Conditions{GenerationMatch: &g})
	if err != nil || second.Generation <= g || second.Unsummed {
		t.Errorf("Put = %+v, %v", second, err)
	}
	w.foreign("x", "theirs again", nil)
	_, err = putText(t, s, "x", "lost", bucket.Conditions{GenerationMatch: &second.Generation})
	if !fault.Is(err, fault.Precondition) || text(t, s, "x") != "theirs again" {
		t.Errorf("a put onto what is another's: %v", err)
	}
	// A copy by the service keeps saying that its sum is not known; an update keeps
	// the content.
	if o, err := s.Copy(t.Context(), bucket.Source{Bucket: "box", Name: "x"}, bucket.PutOptions{Object: bucket.Object{Bucket: "box", Name: "y"}}, false); err != nil || !o.Unsummed || w.svc.copied != 1 || text(t, s, "y") != "theirs again" {
		t.Errorf("Copy = %+v, %v, by the service %d times", o, err, w.svc.copied)
	}
}

// Facts that another program carried over to other content are not believed.
func TestFactsOfOtherContentAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	ours, err := putText(t, s, "x", "ours", bucket.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.backend.GetObject("company", "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Contents.Close()
	w.foreign("x", "longer than ours", o.Metadata)
	got, err := s.Stat(t.Context(), "box", "x", 0, bucket.Conditions{})
	if err != nil || got.Size != 16 || !got.Unsummed || got.Generation == ours.Generation {
		t.Errorf("Stat = %+v, %v", got, err)
	}
}

// The guard is the service's: a program that writes between the check and the
// put is noticed there.
func TestAWriteInBetweenIsNoticed(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	none := int64(0)
	w.svc.put = func() error { w.foreign("x", "theirs", nil); return nil }
	_, err := putText(t, s, "x", "ours", bucket.Conditions{GenerationMatch: &none})
	if !fault.Is(err, fault.Precondition) || text(t, s, "x") != "theirs" {
		t.Errorf("must not exist: %v; it holds %q", err, text(t, s, "x"))
	}
	now, err := s.Stat(t.Context(), "box", "x", 0, bucket.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	w.svc.put = func() error { w.foreign("x", "theirs, newer", nil); return nil }
	_, err = putText(t, s, "x", "ours", bucket.Conditions{GenerationMatch: &now.Generation})
	if !fault.Is(err, fault.Precondition) || text(t, s, "x") != "theirs, newer" {
		t.Errorf("must be what it was: %v; it holds %q", err, text(t, s, "x"))
	}
}

// An upload whose cloud is away is kept, also by a server that starts anew, and
// is sent when somebody asks.
func TestAnUploadWaitsForItsCloud(t *testing.T) {
	w := newWorld(t)
	away := errors.New("away")
	sent := 0
	w.svc.put = func() error { sent++; return fault.Errorf(fault.Unavailable, "the cloud is %w", away) }
	id, err := w.store().StartUpload(t.Context(), bucket.PutOptions{Object: bucket.Object{Bucket: "box", Name: "x", Size: -1, ContentType: "a/b"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store().Upload(t.Context(), id, 0, 4, strings.NewReader("body")); !errors.Is(err, away) {
		t.Errorf("Upload: %v", err)
	}
	if _, err := w.store().UploadStatus(t.Context(), id); !errors.Is(err, away) {
		t.Errorf("UploadStatus while it is away: %v", err)
	}
	w.svc.put = func() error { sent++; return nil }
	st, err := w.store().UploadStatus(t.Context(), id)
	if err != nil || st.Object == nil || st.Object.ContentType != "a/b" || sent != 3 {
		t.Fatalf("UploadStatus = %+v, %v, sent %d times", st, err, sent)
	}
	again, err := w.store().Upload(t.Context(), id, 0, 4, strings.NewReader("body"))
	if err != nil || again.Object == nil || again.Object.Generation != st.Object.Generation || sent != 3 || text(t, w.store(), "x") != "body" {
		t.Errorf("again = %+v, %v, sent %d times", again, err, sent)
	}
	// Nothing of the body stays on this machine.
	page, err := w.spool.List(t.Context(), "box", bucket.Query{})
	if err != nil || slices.ContainsFunc(page.Objects, func(o bucket.Object) bool { return o.Size > 0 }) {
		t.Errorf("the spool holds %+v, %v", page.Objects, err)
	}
}

func TestMetadataThatTheCloudCannotKeepIsRefused(t *testing.T) {
	w := newWorld(t)
	o := bucket.PutOptions{Object: bucket.Object{Bucket: "box", Name: "x", Size: 1, Metadata: map[string]string{"k": strings.Repeat("v", 2000)}}}
	_, err := w.store().Put(t.Context(), o, strings.NewReader("x"))
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "2000") {
		t.Errorf("Put: %v", err)
	}
	o.Metadata = map[string]string{"Größe": "ü €\n", "k": strings.Repeat("v", 900)}
	if _, err := w.store().Put(t.Context(), o, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if got, err := w.store().Stat(t.Context(), "box", "x", 0, bucket.Conditions{}); err != nil || got.Metadata["Größe"] != "ü €\n" {
		t.Errorf("Stat = %+v, %v", got, err)
	}
}

// A bucket that another server made is found by its container.
func TestABucketIsFoundByItsContainer(t *testing.T) {
	w := newWorld(t)
	if b, err := w.store().Bucket(t.Context(), "box"); err != nil || b.Name != "box" {
		t.Errorf("Bucket = %+v, %v", b, err)
	}
	if err := w.backend.DeleteBucket("company"); err != nil {
		t.Fatal(err)
	}
	_, err := putText(t, w.store(), "x", "x", bucket.Conditions{})
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "s3://company") {
		t.Errorf("a put into a container that is gone: %v", err)
	}
	if _, err := w.store().CreateBucket(t.Context(), bucket.Bucket{Name: "box"}); err != nil {
		t.Errorf("making it again: %v", err)
	}
}

// A large object goes in parts; that nobody may be there holds for it as well.
func TestALargeObjectGoesInParts(t *testing.T) {
	if testing.Short() {
		t.Skip("65 MiB")
	}
	w := newWorld(t)
	body := bytes.Repeat([]byte("0123456789abcdef"), 65<<16)
	o := bucket.PutOptions{Object: bucket.Object{Bucket: "box", Name: "x", Size: int64(len(body)), ContentType: "a/b"}}
	put, err := w.store().Put(t.Context(), o, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got, r, err := w.store().Open(t.Context(), "box", "x", put.Generation, 0, -1, bucket.Conditions{})
	if err != nil || !bytes.Equal(got.MD5, put.MD5) || got.ContentType != "a/b" {
		t.Fatalf("Open = %+v, %v", got, err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, body) {
		t.Errorf("it came back with %d bytes, %v", len(b), err)
	}
}
