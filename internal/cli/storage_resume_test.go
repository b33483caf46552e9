package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/server/storageapi"
)

// shop is a real object store behind a gate: after so many bytes of content it
// stops and tells, so that a test interrupts exactly there.
type shop struct {
	*httptest.Server
	store   *disk.Store
	home    string
	limit   atomic.Int64  // of content in one request; 0 for none
	gone    chan struct{} // closed when the interrupted client has gone
	reached chan struct{}
	spoil   atomic.Bool // change a byte of what is read

	flight sync.WaitGroup // requests under way
	sent   atomic.Int64   // bytes of content in requests
	got    atomic.Int64   // and in answers
}

func newShop(t testing.TB) *shop {
	t.Helper()
	store, err := disk.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if _, err := store.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "local"}); err != nil {
		t.Fatal(err)
	}
	s := &shop{store: store, home: t.TempDir(), reached: make(chan struct{}, 1)}
	api := storageapi.New(storageapi.Options{Store: store, Project: "local", Log: slog.New(slog.DiscardHandler)})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.flight.Add(1)
		defer s.flight.Done()
		r.Body = &gate{s: s, r: r.Body, count: &s.sent}
		if r.URL.Query().Get("alt") == "media" {
			w = &gatedWriter{w, &gate{s: s, count: &s.got}}
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

type gate struct {
	s     *shop
	r     io.ReadCloser
	n     int64
	count *atomic.Int64
}

// pass lets n bytes through, or waits at the limit until the client has gone.
// A server with a body to read does not notice that by itself.
func (g *gate) pass(n int) error {
	g.n += int64(n)
	g.count.Add(int64(n))
	if limit := g.s.limit.Load(); limit > 0 && g.n >= limit {
		select {
		case g.s.reached <- struct{}{}:
		default:
		}
		<-g.s.gone
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if passErr := g.pass(n); passErr != nil {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (g *gate) Close() error { return g.r.Close() }

type gatedWriter struct {
	http.ResponseWriter
	g *gate
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	if w.g.s.spoil.Load() && len(p) > 0 {
		p = bytes.Clone(p)
		p[0]++
	}
	n, err := w.ResponseWriter.Write(p)
	if err == nil && w.g.s.limit.Load() > 0 {
		w.ResponseWriter.(http.Flusher).Flush()
		err = w.g.pass(n)
	} else {
		w.g.count.Add(int64(n))
	}
	return n, err
}

// run is a command line against the shop.
func (s *shop) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	env := []string{"TRAINYARD_ENDPOINT=" + s.URL, "HOME=" + s.home}
	code = Main(ctx, append([]string{"trainyard", "storage"}, args...), env, strings.NewReader(""), &out, &errs, Programs{Version: "1.0"})
	return code, out.String(), errs.String()
}

// interrupted runs a command and stops it when the limit is reached.
func (s *shop) interrupted(t *testing.T, limit int64, args ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s.gone = make(chan struct{})
	s.limit.Store(limit)
	go func() {
		select {
		case <-s.reached:
			stop()
		case <-ctx.Done():
		}
	}()
	code, _, stderr := s.run(ctx, args...)
	s.limit.Store(0)
	close(s.gone)
	s.flight.Wait() // what has arrived is kept then
	s.sent.Store(0)
	s.got.Store(0)
	if code != exitInterrupted || !strings.Contains(stderr, "The same command goes on where this one stopped.") {
		t.Fatalf("interrupted %q: exit %d, %s", args, code, stderr)
	}
}

func (s *shop) must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := s.run(t.Context(), args...)
	if code != 0 {
		t.Fatalf("%q: exit %d: %s", args, code, errs)
	}
	return out
}

func (s *shop) content(t *testing.T, name string) []byte {
	t.Helper()
	_, r, err := s.store.Open(t.Context(), "box", name, 0, 0, -1, bucket.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const bigSize = 3 * resumeFrom

func bigFile(t *testing.T, seed uint64) (name string, content []byte) {
	t.Helper()
	content = make([]byte, bigSize)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(content)
	name = filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, content
}

func (s *shop) leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var left []string
	for _, d := range []string{dir, filepath.Join(s.home, ".local/state/trainyard/transfers")} {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			if d != dir || ours(e.Name()) {
				left = append(left, e.Name())
			}
		}
	}
	return left
}

func TestAnInterruptedUploadGoesOn(t *testing.T) {
	s := newShop(t)
	name, content := bigFile(t, 1)
	s.interrupted(t, bigSize/2, "cp", name, "gs://box/big")
	if page, err := s.store.List(t.Context(), "box", bucket.Query{}); err != nil || len(page.Objects) > 0 {
		t.Fatalf("half an upload can be seen: %v, %v", page.Objects, err)
	}
	s.must(t, "cp", name, "gs://box/big")
	if !bytes.Equal(s.content(t, "big"), content) {
		t.Error("the upload in two runs is not whole")
	}
	if sent := s.sent.Load(); sent > bigSize*3/4 {
		t.Errorf("the second run sent %d of %d bytes", sent, bigSize)
	}
	if left := s.leftovers(t, t.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAnUploadOfAFileThatHasChangedBeginsAnew(t *testing.T) {
	s := newShop(t)
	name, content := bigFile(t, 1)
	s.interrupted(t, bigSize/2, "cp", name, "gs://box/big")
	content[5]++
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "cp", name, "gs://box/big")
	if !bytes.Equal(s.content(t, "big"), content) {
		t.Error("what was stored is not the file")
	}
}

func TestAnUploadThatTheServerGaveUpBeginsAnew(t *testing.T) {
	s := newShop(t)
	name, content := bigFile(t, 1)
	s.interrupted(t, bigSize/2, "cp", name, "gs://box/big")
	records, err := filepath.Glob(filepath.Join(s.home, ".local/state/trainyard/transfers/*.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records: %v, %v", records, err)
	}
	raw, err := os.ReadFile(records[0])
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), `","`)
	if err := os.WriteFile(records[0], []byte(`{"id":"gone","`+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "cp", name, "gs://box/big")
	if !bytes.Equal(s.content(t, "big"), content) {
		t.Error("what was stored is not the file")
	}
}

func TestAnInterruptedDownloadGoesOn(t *testing.T) {
	s := newShop(t)
	name, content := bigFile(t, 1)
	s.must(t, "cp", name, "gs://box/big")
	dir := t.TempDir()
	to := filepath.Join(dir, "here")
	s.interrupted(t, bigSize/2, "cp", "gs://box/big", to)
	if _, err := os.Stat(to); err == nil {
		t.Fatal("half a download has the final name")
	}
	s.must(t, "cp", "gs://box/big", to)
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the download in two runs is not whole: %v", err)
	}
	if got := s.got.Load(); got == 0 || got >= bigSize {
		t.Errorf("the second run took %d of %d bytes", got, bigSize)
	}
	if left := s.leftovers(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADownloadOfANewGenerationBeginsAnew(t *testing.T) {
	s := newShop(t)
	name, _ := bigFile(t, 1)
	s.must(t, "cp", name, "gs://box/big")
	dir := t.TempDir()
	to := filepath.Join(dir, "here")
	s.interrupted(t, bigSize/2, "cp", "gs://box/big", to)
	name, content := bigFile(t, 2)
	s.must(t, "cp", name, "gs://box/big")
	s.must(t, "cp", "gs://box/big", to)
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the download is not the new object: %v", err)
	}
	if left := s.leftovers(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAPartThatWasSpoiledIsTakenAgain(t *testing.T) {
	s := newShop(t)
	name, content := bigFile(t, 1)
	s.must(t, "cp", name, "gs://box/big")
	dir := t.TempDir()
	to := filepath.Join(dir, "here")
	s.interrupted(t, bigSize/2, "cp", "gs://box/big", to)
	parts, err := filepath.Glob(filepath.Join(dir, partPrefix+"*"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("parts: %v, %v", parts, err)
	}
	f, err := os.OpenFile(parts[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.must(t, "cp", "gs://box/big", to)
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the download is not whole: %v", err)
	}
}

func TestADamagedDownloadLeavesNothing(t *testing.T) {
	s := newShop(t)
	name, content := bigFile(t, 1)
	small := filepath.Join(t.TempDir(), "small")
	if err := os.WriteFile(small, content[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "cp", name, small, "gs://box/")
	s.spoil.Store(true)
	for _, object := range []string{"big", "small"} {
		dir := t.TempDir()
		to := filepath.Join(dir, "here")
		if err := os.WriteFile(to, []byte("before"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := s.run(t.Context(), "cp", "gs://box/"+object, to)
		if code != 1 || !strings.Contains(errs, "gs://box/"+object+" arrived damaged") {
			t.Errorf("%s: exit %d, %s", object, code, errs)
		}
		if got, err := os.ReadFile(to); err != nil || string(got) != "before" {
			t.Errorf("%s: what was there is %q, %v", object, got, err)
		}
		if left := s.leftovers(t, dir); len(left) > 0 {
			t.Errorf("%s: left behind: %v", object, left)
		}
		if code, _, _ := s.run(t.Context(), "cat", "gs://box/"+object); code != 1 {
			t.Errorf("cat of damaged %s: exit %d", object, code)
		}
	}
}

func TestTwoAtOnceWithTheSameTransfer(t *testing.T) {
	s := newShop(t)
	name, content := bigFile(t, 1)
	to := filepath.Join(t.TempDir(), "here")
	s.must(t, "cp", name, "gs://box/big")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if code, _, errs := s.run(t.Context(), "cp", name, "gs://box/other"); code != 0 {
				t.Errorf("up: exit %d: %s", code, errs)
			}
			if code, _, errs := s.run(t.Context(), "cp", "gs://box/big", to); code != 0 {
				t.Errorf("down: exit %d: %s", code, errs)
			}
		})
	}
	wg.Wait()
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the download is not whole: %v", err)
	}
	if !bytes.Equal(s.content(t, "other"), content) {
		t.Error("the upload is not whole")
	}
	if left := s.leftovers(t, filepath.Dir(to)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
