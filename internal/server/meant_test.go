package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/server"
	"github.com/trainyard/trainyard/internal/server/storageapi"
)

// echo answers with what arrived.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), body)
})

func packed(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

func send(h http.Handler, method, path, body string, header ...string) (int, string) {
	r := httptest.NewRequest(method, at+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestWhatALibraryDidForTheWayIsUndone(t *testing.T) {
	o := options(t)
	o.ML, o.Own, o.Storage, o.Logging = echo, echo, echo, echo
	h := server.New(o)
	const override = "X-HTTP-Method-Override"
	for _, tt := range []struct {
		path, body string
		header     []string
		code       int
		want       string
	}{
		{"/v1/projects/p/jobs/j", "{}", []string{override, "PATCH"}, 200, "PATCH /v1/projects/p/jobs/j {}"},
		{"/v1/projects/p/jobs/j", "", []string{override, "delete"}, 200, "DELETE /v1/projects/p/jobs/j "},
		{"/storage/v1/b/x/o/y", "{}", []string{override, "PATCH"}, 200, "PATCH /storage/v1/b/x/o/y {}"},
		{"/v1/projects/p/jobs", "pageSize=2&filter=jobId:a*", []string{override, "GET", "Content-Type", "application/x-www-form-urlencoded"}, 200, "GET /v1/projects/p/jobs?pageSize=2&filter=jobId:a* "},
		{"/v1/projects/p/jobs?alt=json", "a=b", []string{override, "GET", "Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}, 200, "GET /v1/projects/p/jobs?alt=json&a=b "},
		{"/v1/projects/p/jobs", "{}", []string{override, "POST"}, 200, "POST /v1/projects/p/jobs {}"},
		{"/v1/projects/p/jobs", "{}", []string{override, "BREW"}, 400, `"message":"X-HTTP-Method-Override is BREW; it can be GET, HEAD, PUT, PATCH, DELETE"`},
		{"/v1/projects/p/jobs", packed("{}"), []string{"Content-Encoding", "gzip"}, 200, "POST /v1/projects/p/jobs {}"},
		{"/v2/entries:list", packed("{}"), []string{"Content-Encoding", "gzip"}, 200, "POST /v2/entries:list {}"},
		{"/v1/projects/p/jobs", packed("{}"), []string{"Content-Encoding", "gzip", override, "PATCH"}, 200, "PATCH /v1/projects/p/jobs {}"},
		{"/v1/projects/p/jobs", packed("{}")[:15], []string{"Content-Encoding", "gzip"}, 400, ""},
		{"/v1/projects/p/jobs", "{}", []string{"Content-Encoding", "gzip"}, 400, "Content-Encoding is gzip, but the body is not"},
		{"/box/object", "not packed", []string{"Content-Encoding", "gzip", override, "DELETE"}, 200, "POST /box/object not packed"},
	} {
		if code, body := send(h, "POST", tt.path, tt.body, tt.header...); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("POST %s %q = %d %q, want %d %q", tt.path, tt.header, code, body, tt.code, tt.want)
		}
	}
	if _, body := send(h, "GET", "/v1/projects/p/jobs", "", override, "DELETE"); !strings.HasPrefix(body, "GET ") {
		t.Errorf("a GET became %s", body)
	}
}

// box is storage with a bucket "box".
func box(t testing.TB) http.Handler {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := disk.Open(t.Context(), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "demo"}); err != nil {
		t.Fatal(err)
	}
	return storageapi.New(storageapi.Options{Store: s, Project: "demo", Log: log})
}

// TestUploadsPackedForTheWay: what is stored is what was packed, however it is
// sent, and nothing when the packed body is cut.
func TestUploadsPackedForTheWay(t *testing.T) {
	o := options(t)
	o.Storage = box(t)
	h := server.New(o)
	const upload = "/upload/storage/v1/b/box/o?uploadType="
	gz, content := []string{"Content-Encoding", "gzip"}, "hello hello hello"
	if code, body := send(h, "POST", upload+"media&name=a", packed(content), gz...); code != 200 || !strings.Contains(body, `"size":"17"`) {
		t.Errorf("media: %d %s", code, body)
	}
	r := httptest.NewRequest("POST", at+upload+"resumable", strings.NewReader(packed(`{"name":"b"}`)))
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	_, session, _ := strings.Cut(w.Header().Get("Location"), "127.0.0.1:8450")
	if code, body := send(h, "PUT", session, packed(content), append(gz, "Content-Range", "bytes 0-16/17")...); w.Code != 200 || code != 200 || !strings.Contains(body, `"size":"17"`) {
		t.Errorf("resumable: %d %s, then %d %s", w.Code, w.Body, code, body)
	}
	if code, body := send(h, "POST", upload+"media&name=cut", packed(content)[:30], gz...); code != 400 {
		t.Errorf("cut: %d %s", code, body)
	}
	if code, _ := send(h, "GET", "/storage/v1/b/box/o/cut", ""); code != 404 {
		t.Errorf("what was cut is there: %d", code)
	}
}
