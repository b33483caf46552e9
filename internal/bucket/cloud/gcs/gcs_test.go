package gcs_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/buckettest"
	"github.com/trainyard/trainyard/internal/bucket/cloud/gcs"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/server/storageapi"
)

func newDisk(t *testing.T) *disk.Store {
	t.Helper()
	s, err := disk.Open(t.Context(), t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// open gives a store over a server that speaks the JSON API: our own.
func open(t *testing.T, place func(name string) (string, string, error)) *gcs.Store {
	t.Helper()
	srv := httptest.NewServer(storageapi.New(storageapi.Options{Store: newDisk(t), Project: "p", Log: slog.New(slog.NewTextHandler(t.Output(), nil))}))
	t.Cleanup(srv.Close)
	return gcs.New(gcs.Options{Place: place, Endpoint: srv.URL, Spool: newDisk(t), Dir: t.TempDir()})
}

func TestStorePassesTheSuite(t *testing.T) {
	can := buckettest.All
	can.Expires, can.Sums = false, true
	buckettest.Run(t, can, func(t *testing.T) bucket.Store {
		return open(t, func(name string) (string, string, error) { return name, "", nil })
	})
}

// Below a prefix, several buckets share one with what is not theirs.
func TestStorePassesTheSuiteBelowAPrefix(t *testing.T) {
	can := buckettest.Capabilities{Underscores: true, Sums: true, Refuses: func(name string) bool { return len(name) > 1000 }}
	buckettest.Run(t, can, func(t *testing.T) bucket.Store {
		return open(t, func(name string) (string, string, error) { return "shared", "below/" + name + "/", nil })
	})
}

// TestARealPlacePassesTheSuite runs it where a variable names a bucket, with
// the credentials that a server would use.
func TestARealPlacePassesTheSuite(t *testing.T) {
	container := os.Getenv("TRAINYARD_TEST_GCS_BUCKET")
	if container == "" {
		t.Skip("SKIPPED: TRAINYARD_TEST_GCS_BUCKET names no bucket")
	}
	can := buckettest.Capabilities{Underscores: true, Sums: true, Refuses: func(name string) bool { return len(name) > 1000 }}
	buckettest.Run(t, can, func(t *testing.T) bucket.Store {
		below := "below-" + strings.ToLower(rand.Text())[:8] + "/"
		return gcs.New(gcs.Options{Spool: newDisk(t), Dir: t.TempDir(), Place: func(name string) (string, string, error) { return container, below + name + "/", nil }})
	})
}

func TestContentThatSaysItIsPackedComesAsItIs(t *testing.T) {
	s := open(t, func(name string) (string, string, error) { return name, "", nil })
	if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, strings.Repeat("text ", 100))
	z.Close()
	o := bucket.PutOptions{Object: bucket.Object{Bucket: "box", Name: "x", Size: -1, ContentEncoding: "gzip", ContentType: "text/plain"}}
	if _, err := s.Put(t.Context(), o, bytes.NewReader(packed.Bytes())); err != nil {
		t.Fatal(err)
	}
	_, body, err := s.Open(t.Context(), "box", "x", 0, 0, -1, bucket.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, packed.Bytes()) {
		t.Errorf("read %d bytes, %v; %d were put", len(got), err, packed.Len())
	}
}

func TestWhatIsAwaySaysWhatToCheck(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", t.TempDir()+"/none.json")
	here := func(name string) (string, string, error) { return "company-" + name, "", nil }
	for endpoint, want := range map[string]string{"http://127.0.0.1:1": "http://127.0.0.1:1", "": "application default credentials"} {
		s := gcs.New(gcs.Options{Place: here, Endpoint: endpoint, Spool: newDisk(t), Dir: t.TempDir()})
		_, err := s.Stat(t.Context(), "models", "x", 0, bucket.Conditions{})
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "gs://models") || !strings.Contains(err.Error()+fault.HintOf(err), want) {
			t.Errorf("endpoint %q: %v (hint %q)", endpoint, err, fault.HintOf(err))
		}
	}
}

func TestAServiceThatNeverAnswersIsGivenUp(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer silent.Close()
	s := gcs.New(gcs.Options{Place: func(name string) (string, string, error) { return name, "", nil }, Endpoint: silent.URL, Spool: newDisk(t), Dir: t.TempDir(), Patience: 50 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := s.Stat(ctx, "models", "x", 0, bucket.Conditions{})
	if ctx.Err() != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("Stat: %v", err)
	}
	o := bucket.PutOptions{Object: bucket.Object{Bucket: "models", Name: "x", Size: -1}}
	if _, err = s.Put(ctx, o, strings.NewReader("text")); ctx.Err() != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("Put: %v", err)
	}
}
