package storageapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"log/slog"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
)

func FuzzByteRange(f *testing.F) {
	for _, h := range []string{"", "bytes=0-", "bytes=-5", "bytes=2-3", "bytes=9-1", "bytes=0-0,2-3", "bytes=+1-2", "bytes=99999999999999999999-", "items=0-1", "bytes=--1"} {
		f.Add(h, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		offset, length, partial, err := byteRange(header, size)
		switch {
		case err != nil:
		case offset < 0 || length < 0 || offset+length > size:
			t.Errorf("%q of %d: %d bytes at %d", header, size, length, offset)
		case !partial && (offset != 0 || length != size):
			t.Errorf("%q of %d is whole, but %d bytes at %d", header, size, length, offset)
		case partial && length == 0:
			t.Errorf("%q of %d is an empty part", header, size)
		}
	})
}

func FuzzContentRange(f *testing.F) {
	for _, h := range []string{"", "bytes 0-99/200", "bytes 0-99/*", "bytes 0-*/*", "bytes */200", "bytes */*", "bytes 5-4/5", "bytes -1-2/3", "bytes 0-9/5", "bytes 9223372036854775807-9223372036854775807/*"} {
		f.Add(h, int64(100))
	}
	f.Fuzz(func(t *testing.T, header string, contentLength int64) {
		if contentLength < -1 {
			return
		}
		r, err := parseContentRange(header, contentLength)
		switch {
		case err != nil:
		case r.first < 0 || r.length < -1 || r.total < -1:
			t.Errorf("%q: %+v", header, r)
		case !r.query && r.total > 0 && r.length > 0 && r.first+r.length > r.total:
			t.Errorf("%q goes beyond its end: %+v", header, r)
		}
	})
}

// inProcess is the API with a bucket "box", without a port.
func inProcess(t testing.TB) (http.Handler, *disk.Store) {
	t.Helper()
	s, err := disk.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "demo"}); err != nil {
		t.Fatal(err)
	}
	return New(Options{Store: s, Project: "demo", Log: slog.New(slog.DiscardHandler)}), s
}

// FuzzMultipart: what is put comes back, and a body that is cut anywhere before
// its closing boundary leaves nothing.
func FuzzMultipart(f *testing.F) {
	f.Add("hello", "===5==", true, 3)
	f.Add("", "b", false, 0)
	f.Add("ends in a line\r\n", "b", false, 40)
	f.Add("--b\n", "===", true, 99)
	h, s := inProcess(f)
	f.Fuzz(func(t *testing.T, content, boundary string, bare bool, cut int) {
		if boundary == "" || len(boundary) > 60 || strings.Trim(boundary, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=_-") != "" || strings.Contains(content, "--"+boundary) {
			return
		}
		end := "\r\n"
		if bare {
			end = "\n"
		}
		body := fmt.Sprintf("--%[1]s%[2]sContent-Type: application/json%[2]s%[2]s{}%[2]s--%[1]s%[2]sContent-Type: a/b%[2]s%[2]s%[3]s%[2]s--%[1]s--", boundary, end, content)
		send := func(name, body string) int {
			r := httptest.NewRequest("POST", "/upload/storage/v1/b/box/o?uploadType=multipart&name="+name, strings.NewReader(body))
			r.Header.Set("Content-Type", "multipart/related; boundary='"+boundary+"'")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			return rec.Code
		}
		if code := send("whole", body); code != 200 {
			t.Fatalf("%q: %d", body, code)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/box/whole", nil))
		if got := rec.Body.String(); got != content {
			t.Errorf("%q came back as %q", content, got)
		}
		if cut < 0 || cut > len(body)-2 { // without its last two dashes it is cut
			return
		}
		if code := send("cut", body[:cut]); code == 200 {
			t.Errorf("cut at %d of %d: %q is taken", cut, len(body), body[:cut])
		}
		if _, err := s.Stat(t.Context(), "box", "cut", 0, bucket.Conditions{}); err == nil {
			t.Errorf("cut at %d of %d: it is there", cut, len(body))
		}
	})
}

// FuzzCopySource: the header of a copy names a bucket and an object, or is
// refused.
func FuzzCopySource(f *testing.F) {
	for _, s := range []string{"/box/x", "box/a%2Fb", "", "/", "//", "%", "/box/"} {
		f.Add(s)
	}
	h, _ := inProcess(f)
	f.Fuzz(func(t *testing.T, source string) {
		r := httptest.NewRequest("PUT", "/box/"+url.PathEscape("y"), nil)
		r.Header.Set("X-Goog-Copy-Source", source)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("%q: %d %s", source, rec.Code, rec.Body)
		}
	})
}
