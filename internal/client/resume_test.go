package client

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/server/storageapi"
)

// cutting is a real object store whose connections break after so many bytes
// of content, a few times.
func cutting(t *testing.T, every int64, cuts *atomic.Int64) (*Client, *disk.Store) {
	t.Helper()
	store, err := disk.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if _, err := store.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		t.Fatal(err)
	}
	api := storageapi.New(storageapi.Options{Store: store, Project: "p", Log: slog.New(slog.DiscardHandler)})
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if cuts.Load() > 0 && r.Method == http.MethodPut && r.ContentLength > every {
			cuts.Add(-1)
			r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, every), broken{}))
			api.ServeHTTP(w, r)
			panic(http.ErrAbortHandler)
		}
		if cuts.Load() > 0 && r.URL.Query().Get("alt") == "media" {
			cuts.Add(-1)
			w = &cutWriter{w, every}
		}
		api.ServeHTTP(w, r)
	})
	return c, store
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type cutWriter struct {
	http.ResponseWriter
	left int64
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		_, _ = w.ResponseWriter.Write(p[:w.left])
		w.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	w.left -= int64(len(p))
	return w.ResponseWriter.Write(p)
}

func TestTransfersGoOnWhereTheConnectionBroke(t *testing.T) {
	content := make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	sums := NewSums(false)
	_, _ = sums.Write(content)
	var cuts atomic.Int64
	c, _ := cutting(t, 1<<20, &cuts)
	id, err := c.StartUpload(t.Context(), "box", "o", int64(len(content)), UploadOptions{CRC32C: sums.CRC32C()})
	if err != nil {
		t.Fatal(err)
	}
	cuts.Store(2)
	o, err := c.FinishUpload(t.Context(), "box", id, bytes.NewReader(content), int64(len(content)), nil)
	if err != nil || !sums.Of(o) || cuts.Load() != 0 {
		t.Fatalf("FinishUpload = %+v, %v with %d cuts left", o, err, cuts.Load())
	}
	// Asked again, it says what it made.
	again, err := c.FinishUpload(t.Context(), "box", id, bytes.NewReader(content), int64(len(content)), nil)
	if err != nil || again.Generation != o.Generation {
		t.Errorf("FinishUpload again = %+v, %v", again, err)
	}

	cuts.Store(2)
	var got bytes.Buffer
	if err := c.Read(t.Context(), o, 0, -1, &got); err != nil || !bytes.Equal(got.Bytes(), content) || cuts.Load() != 0 {
		t.Errorf("Read: %v, %d bytes, %d cuts left", err, got.Len(), cuts.Load())
	}
	got.Reset()
	if err := c.Read(t.Context(), o, 5, 7, &got); err != nil || !bytes.Equal(got.Bytes(), content[5:12]) {
		t.Errorf("Read of a part: %v, %q", err, got.Bytes())
	}
}

func TestAnUploadOfOtherContentThanSaidStoresNothing(t *testing.T) {
	c, store := cutting(t, 1<<20, new(atomic.Int64))
	sums := NewSums(false)
	_, _ = io.WriteString(sums, "promised")
	id, err := c.StartUpload(t.Context(), "box", "o", 8, UploadOptions{CRC32C: sums.CRC32C()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.FinishUpload(t.Context(), "box", id, strings.NewReader("received"), 8, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("FinishUpload = %v", err)
	}
	if page, err := store.List(t.Context(), "box", bucket.Query{}); err != nil || len(page.Objects) > 0 {
		t.Errorf("it is there: %v, %v", page.Objects, err)
	}
	if _, err := c.FinishUpload(t.Context(), "box", "nosuch", strings.NewReader("received"), 8, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("FinishUpload of an unknown id = %v", err)
	}
}

func TestAReadOfAnObjectThatWasReplacedIsNotMixed(t *testing.T) {
	c, _ := cutting(t, 1<<20, new(atomic.Int64))
	old, err := c.Upload(t.Context(), "box", "o", strings.NewReader("old"), UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Upload(t.Context(), "box", "o", strings.NewReader("new"), UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := c.Read(t.Context(), old, 0, -1, &got); !fault.Is(err, fault.NotFound) || got.Len() > 0 {
		t.Errorf("Read = %v, %q", err, got.String())
	}
}

// TestAnAnswerThatDoesNotGoOnIsGivenUp: the connection is well, and what is behind
// it says no more. What may be asked again is.
func TestAnAnswerThatDoesNotGoOnIsGivenUp(t *testing.T) {
	var asked atomic.Int64
	half := func(w http.ResponseWriter, r *http.Request) {
		body := `{"name": "box", "id": "box"}`
		if r.URL.Query().Get("alt") == "media" {
			body = "all of it"
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if asked.Add(1) == 1 {
			_, _ = io.WriteString(w, body[:4])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, body)
	}
	c := dial(t, half)
	c.quiet = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/x"})
	if err != nil || !strings.Contains(string(raw), `"id": "box"`) {
		t.Errorf("call: %q, %v", raw, err)
	}
	asked.Store(0)
	var got bytes.Buffer
	err = c.readOnce(ctx, &Object{Bucket: "box", Name: "x", Size: 9}, 0, 9, &sink{w: &got})
	if !fault.Is(err, fault.Unavailable) || got.String() != "all " {
		t.Errorf("read: %q, %v", got.String(), err)
	}
}
