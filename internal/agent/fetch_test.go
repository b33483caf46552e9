package agent

import (
	"context"
	"crypto/md5" //nolint:gosec // storage's own checksum
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// storage serves one object, and misbehaves as told at each request.
type storage struct {
	content string
	acts    []string // "cut", a status, or "" to behave; the last one stays
	paths   []string
	ranges  []string
}

func (s *storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.paths, s.ranges = append(s.paths, r.RequestURI), append(s.ranges, r.Header.Get("Range"))
	act := s.acts[0]
	if len(s.acts) > 1 {
		s.acts = s.acts[1:]
	}
	switch status, err := strconv.Atoi(act); {
	case err == nil:
		http.Error(w, "told to", status)
	case act == "cut":
		w.Header().Set("Content-Length", strconv.Itoa(len(s.content)))
		_, _ = w.Write([]byte(s.content[:len(s.content)/2]))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		http.ServeContent(w, r, "", testTime, strings.NewReader(s.content))
	}
}

func newFetcher(t *testing.T, s *storage) *fetcher {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &fetcher{
		base: srv.URL, dir: filepath.Join(t.TempDir(), "packages"), client: srv.Client(), tries: 4,
		pause: func(context.Context, int) error { return nil },
	}
}

func packageOf(content string) job.Package {
	sum := md5.Sum([]byte(content)) //nolint:gosec // as above
	return job.Package{URI: "gs://bucket/some/dir/trainer-1.0.tar.gz", Generation: 77, Size: int64(len(content)), MD5: sum[:]}
}

func TestAPackageIsFetchedOnce(t *testing.T) {
	s := &storage{content: strings.Repeat("content ", 10000), acts: []string{""}}
	f := newFetcher(t, s)
	for _, there := range []bool{false, true} {
		got, cached, err := f.fetch(t.Context(), packageOf(s.content))
		if err != nil || cached != there {
			t.Fatalf("fetch = %+v, %t, %v; want cached %t", got, cached, err, there)
		}
		sum := sha256.Sum256([]byte(s.content))
		b, err := os.ReadFile(got.Path)
		if err != nil || string(b) != s.content || got.Name != "trainer-1.0.tar.gz" || filepath.Base(got.Path) != got.Name || got.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("the file is %+v, %v", got, err)
		}
	}
	if len(s.paths) != 1 || s.paths[0] != "/storage/v1/b/bucket/o/some%2Fdir%2Ftrainer-1.0.tar.gz?alt=media&generation=77" {
		t.Errorf("the storage was asked for %q", s.paths)
	}
}

func TestACutDownloadGoesOnWhereItWas(t *testing.T) {
	s := &storage{content: strings.Repeat("0123456789", 100000), acts: []string{"cut", "503", ""}}
	f := newFetcher(t, s)
	got, _, err := f.fetch(t.Context(), packageOf(s.content))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(got.Path); err != nil || string(b) != s.content {
		t.Errorf("the file has %d bytes, %v", len(b), err)
	}
	if want := []string{"", "bytes=500000-", "bytes=500000-"}; strings.Join(s.ranges, ",") != strings.Join(want, ",") {
		t.Errorf("the ranges asked for are %q, want %q", s.ranges, want)
	}
}

func TestAPackageThatCannotBeHadIsTold(t *testing.T) {
	for _, tt := range []struct {
		act   string
		kind  fault.Kind
		asked int
	}{
		{"404", fault.NotFound, 1},
		{"403", fault.Denied, 1},
		{"400", fault.Internal, 1},
		{"503", fault.Unavailable, 4},
	} {
		s := &storage{content: "x", acts: []string{tt.act}}
		_, _, err := newFetcher(t, s).fetch(t.Context(), packageOf("x"))
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), "gs://bucket/some/dir/trainer-1.0.tar.gz") || len(s.paths) != tt.asked {
			t.Errorf("after %s: %v (%v) in %d requests; want %v in %d", tt.act, err, fault.KindOf(err), len(s.paths), tt.kind, tt.asked)
		}
	}
}

func TestAPackageThatIsNotTheOneSubmittedIsRefused(t *testing.T) {
	s := &storage{content: "other bytes", acts: []string{""}}
	f := newFetcher(t, s)
	_, _, err := f.fetch(t.Context(), packageOf("first bytes"))
	if !fault.Is(err, fault.Precondition) {
		t.Errorf("fetch says %v", err)
	}
	left, err := filepath.Glob(filepath.Join(f.dir, "*", "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("it left %q, %v", left, err)
	}
}

func FuzzNamesOfPackagesStayInTheirFolder(f *testing.F) {
	for _, s := range []string{"gs://b/o", "gs://b/..", "gs://b/a//", "gs://b/../../x", "gs://b/a/\x00", "http://x", "gs://b/.", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		_, object, err := splitURI(uri)
		if err != nil {
			return
		}
		name := baseName(object)
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			t.Errorf("%q gives the file name %q", uri, name)
		}
	})
}

func TestReplicasDownloadAPackageOnce(t *testing.T) {
	s := &storage{content: strings.Repeat("content ", 10000), acts: []string{""}}
	f := newFetcher(t, s)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, _, err := f.fetch(t.Context(), packageOf(s.content)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(s.paths) != 1 {
		t.Errorf("8 replicas asked the storage %d times, want once", len(s.paths))
	}
}
