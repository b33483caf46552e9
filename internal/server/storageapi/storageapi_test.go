package storageapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/server"
	"github.com/trainyard/trainyard/internal/server/storageapi"
)

// serve is the API over a driver in a temporary folder, with a bucket "box".
func serve(t testing.TB) *httptest.Server {
	t.Helper()
	s, err := disk.Open(t.Context(), t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "demo"}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(storageapi.New(storageapi.Options{Store: s, Room: s.Room, Project: "demo", Taken: func(name string) bool { return name == "upload" }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}))
	t.Cleanup(srv.Close)
	return srv
}

// record has the handler answer without a connection, which takes what no
// client would send.
func record(s *httptest.Server, method, path, query string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path, r.URL.RawQuery = path, query
	s.Config.Handler.ServeHTTP(rec, r)
	return rec
}

// ask sends a request and gives status, headers and body.
func ask(t testing.TB, method, url, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// TestGcloudsMultipart is spec 8.2 to the byte: a boundary in single quotes,
// bare line feeds, the name in the query.
func TestGcloudsMultipart(t *testing.T) {
	s := serve(t)
	for _, content := range []string{"hello", "ends in a line\n", "", "--not the boundary\n\r\n--===", strings.Repeat("x", 300_000)} {
		body := "--===============5==\nContent-Type: application/json\nMIME-Version: 1.0\n\n{\"size\": \"5\"}\n--===============5==\nContent-Type: application/x-tar\nMIME-Version: 1.0\nContent-Transfer-Encoding: binary\n\n" + content + "\n--===============5==--"
		code, _, answer := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?alt=json&name=p%2Fx.tar.gz&uploadType=multipart", body, "Content-Type", "multipart/related; boundary='===============5=='")
		if code != 200 || !strings.Contains(answer, fmt.Sprintf(`"size":"%d"`, len(content))) || !strings.Contains(answer, `"name":"p/x.tar.gz"`) || !strings.Contains(answer, `"contentType":"application/x-tar"`) {
			t.Fatalf("%d %s", code, answer)
		}
		if code, _, got := ask(t, "GET", s.URL+"/storage/v1/b/box/o/p%2Fx.tar.gz?alt=media", ""); code != 200 || got != content {
			t.Errorf("%d bytes came back of %d: %q", len(got), len(content), got[:min(len(got), 50)])
		}
	}
	// Cut before the closing boundary: nothing.
	code, _, _ := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?name=cut&uploadType=multipart", "--b\n\n{}\n--b\n\nhalf", "Content-Type", "multipart/related; boundary=b")
	if code != 400 {
		t.Errorf("a cut body: %d", code)
	}
	if code, _, _ := ask(t, "GET", s.URL+"/storage/v1/b/box/o/cut", ""); code != 404 {
		t.Errorf("after a cut body: %d", code)
	}
}

func TestResumableSessions(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/upload", "/resumable/upload"} {
		code, h, _ := ask(t, "POST", s.URL+path+"/storage/v1/b/box/o?uploadType=resumable&name=r", `{"size": "10"}`, "X-Upload-Content-Type", "a/b", "X-Upload-Content-Length", "10")
		at := h.Get("Location")
		if code != 200 || !strings.HasPrefix(at, s.URL+path) {
			t.Fatalf("start: %d %s", code, at)
		}
		if code, h, _ := ask(t, "PUT", at, "", "Content-Range", "bytes */10"); code != 308 || h.Get("Range") != "" {
			t.Errorf("status at the start: %d %q", code, h.Get("Range"))
		}
		if code, h, _ := ask(t, "PUT", at, "01234", "Content-Range", "bytes 0-4/10"); code != 308 || h.Get("Range") != "bytes=0-4" {
			t.Errorf("first chunk: %d %q", code, h.Get("Range"))
		}
		if code, h, _ := ask(t, "PUT", at, "", "Content-Range", "bytes */*"); code != 308 || h.Get("Range") != "bytes=0-4" {
			t.Errorf("status: %d %q", code, h.Get("Range"))
		}
		if code, _, body := ask(t, "PUT", at, "56789", "Content-Range", "bytes 5-9/10"); code != 200 || !strings.Contains(body, `"size":"10"`) || !strings.Contains(body, `"contentType":"a/b"`) {
			t.Errorf("last chunk: %d %s", code, body)
		}
		if _, _, got := ask(t, "GET", s.URL+"/box/r", ""); got != "0123456789" {
			t.Errorf("content %q", got)
		}
		_, h, _ = ask(t, "POST", s.URL+path+"/storage/v1/b/box/o?uploadType=resumable&name=r2", "")
		if code, _, _ := ask(t, "DELETE", h.Get("Location"), ""); code != 499 {
			t.Errorf("cancel: %d", code)
		}
		if code, _, _ := ask(t, "PUT", h.Get("Location"), "x", "Content-Range", "bytes 0-0/1"); code != 404 {
			t.Errorf("after the cancel: %d", code)
		}
	}
}

// TestLinksFollowTheFront: behind something that takes TLS off, the links in an
// answer and the address of a session are https.
func TestLinksFollowTheFront(t *testing.T) {
	s := serve(t)
	for proto, want := range map[string]string{"https": "https://", "http": "http://", "": "http://"} {
		_, h, _ := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=resumable&name=r", "", "X-Forwarded-Proto", proto)
		if got := h.Get("Location"); !strings.HasPrefix(got, want) {
			t.Errorf("X-Forwarded-Proto %q: Location %s", proto, got)
		}
		_, _, body := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name=x", "x", "X-Forwarded-Proto", proto)
		for _, link := range []string{"selfLink", "mediaLink"} {
			if !strings.Contains(body, `"`+link+`":"`+want) {
				t.Errorf("X-Forwarded-Proto %q: %s", proto, body)
			}
		}
	}
}

// TestVersions is what a client sees of a versioned bucket.
func TestVersions(t *testing.T) {
	s := serve(t)
	if code, _, body := ask(t, "PATCH", s.URL+"/storage/v1/b/box", `{"versioning":{"enabled":true}}`); code != 200 || !strings.Contains(body, `"versioning":{"enabled":true}`) {
		t.Fatalf("%d %s", code, body)
	}
	type resource struct{ Name, Generation, TimeDeleted, Size string }
	put := func(body string) (o resource) {
		t.Helper()
		_, _, answer := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name=x", body)
		if err := json.Unmarshal([]byte(answer), &o); err != nil || o.TimeDeleted != "" {
			t.Fatalf("%v: %s", err, answer)
		}
		return o
	}
	first, second := put("1"), put("22")
	list := func(query string) (items []resource) {
		t.Helper()
		var v struct{ Items []resource }
		_, _, answer := ask(t, "GET", s.URL+"/storage/v1/b/box/o?"+query, "")
		if err := json.Unmarshal([]byte(answer), &v); err != nil {
			t.Fatal(err)
		}
		return v.Items
	}
	if got := list("versions=True"); len(got) != 2 || got[0].Generation != first.Generation || got[0].TimeDeleted == "" || got[1].TimeDeleted != "" {
		t.Errorf("versions: %+v", got)
	}
	if got := list(""); len(got) != 1 || got[0].Generation != second.Generation {
		t.Errorf("live objects: %+v", got)
	}
	for _, path := range []string{"/storage/v1/b/box/o/x?alt=media&generation=", "/download/storage/v1/b/box/o/x?generation=", "/box/x?generation="} {
		if code, _, got := ask(t, "GET", s.URL+path+first.Generation, ""); code != 200 || got != "1" {
			t.Errorf("GET %s: %d %q", path, code, got)
		}
	}
	if code, _, body := ask(t, "POST", s.URL+"/storage/v1/b/box/o/x/rewriteTo/b/box/o/x?sourceGeneration="+first.Generation, ""); code != 200 {
		t.Errorf("restore: %d %s", code, body)
	}
	if _, _, got := ask(t, "GET", s.URL+"/box/x", ""); got != "1" {
		t.Errorf("restored: %q", got)
	}
	if code, _, _ := ask(t, "DELETE", s.URL+"/storage/v1/b/box/o/x", ""); code != 204 {
		t.Errorf("delete: %d", code)
	}
	if code, _, body := ask(t, "DELETE", s.URL+"/storage/v1/b/box", ""); code != 409 {
		t.Errorf("deleting the bucket: %d %s", code, body)
	}
	for _, o := range list("versions=true") {
		if code, _, body := ask(t, "DELETE", s.URL+"/storage/v1/b/box/o/x?generation="+o.Generation, ""); code != 204 {
			t.Errorf("delete of %s: %d %s", o.Generation, code, body)
		}
	}
	if code, _, body := ask(t, "DELETE", s.URL+"/storage/v1/b/box?ifMetagenerationMatch=1", ""); code != 412 {
		t.Errorf("deleting under a condition: %d %s", code, body)
	}
	if code, _, body := ask(t, "DELETE", s.URL+"/storage/v1/b/box", ""); code != 204 {
		t.Errorf("deleting the empty bucket: %d %s", code, body)
	}
}

func TestNamesRangesConditionsAndErrors(t *testing.T) {
	s := serve(t)
	for _, name := range []string{"a//b", "../x", "a b", "ü", "%2F", "x?y#z", "a/./b"} {
		escaped := strings.NewReplacer("%", "%25", "/", "%2F", " ", "%20", "?", "%3F", "#", "%23", "ü", "%C3%BC").Replace(name)
		if code, _, body := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name="+escaped, "of "+name); code != 200 {
			t.Errorf("put %q: %d %s", name, code, body)
		}
		for _, path := range []string{"/storage/v1/b/box/o/" + escaped + "?alt=media", "/download/storage/v1/b/box/o/" + escaped, "/box/" + escaped} {
			if code, _, got := ask(t, "GET", s.URL+path, ""); code != 200 || got != "of "+name {
				t.Errorf("GET %s: %d %q", path, code, got)
			}
		}
	}
	ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name=ten", "0123456789")
	for header, want := range map[string]string{"bytes=2-4": "206 234", "bytes=7-": "206 789", "bytes=-2": "206 89", "bytes=0-99": "206 0123456789", "bytes=10-": "416", "nonsense": "200 0123456789"} {
		code, h, got := ask(t, "GET", s.URL+"/box/ten", "", "Range", header)
		if have := strings.TrimSpace(fmt.Sprint(code, " ", got)); have != want && !(code == 416 && want == "416") {
			t.Errorf("Range %s: %s, want %s", header, have, want)
		}
		if code == 206 && (!strings.HasSuffix(h.Get("Content-Range"), "/10") || h.Get("X-Goog-Hash") != "") {
			t.Errorf("Range %s: Content-Range %q, and %q, which the whole has", header, h.Get("Content-Range"), h.Get("X-Goog-Hash"))
		}
	}
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/storage/v1/b/box/o/none", "", 404, `"reason":"notFound"`},
		{"GET", "/storage/v1/b/box/o/none?alt=media", "", 404, "No such object: box/none"},
		{"GET", "/storage/v1/b/nobox/o", "", 404, "nobox"},
		{"POST", "/upload/storage/v1/b/nobox/o?uploadType=media&name=x", "x", 404, "bucket"},
		{"POST", "/upload/storage/v1/b/box/o?uploadType=media", "x", 400, "name"},
		{"POST", "/upload/storage/v1/b/box/o?uploadType=media&name=ten&ifGenerationMatch=0", "x", 412, `"reason":"conditionNotMet"`},
		{"GET", "/storage/v1/b/box/o/ten?ifMetagenerationNotMatch=1", "", 304, ""},
		{"POST", "/storage/v1/b?project=demo", `{"name":"box"}`, 409, `"reason":"conflict"`},
		{"DELETE", "/storage/v1/b/box", "", 409, "not empty"},
		{"DELETE", "/storage/v1/b/box/o/ten", "", 204, ""},
		{"GET", "/storage/v1/b/box/storageLayout", "", 200, "storage#storageLayout"},
		{"GET", "/box/none", "", 404, "<Code>NoSuchKey</Code>"},
	} {
		code, _, body := ask(t, tt.method, s.URL+tt.path, tt.body)
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s, want %d and %q", tt.method, tt.path, code, body, tt.code, tt.want)
		}
	}
}

// TestACutConnectionCommitsNothing announces a length, or that the end will be
// said, and cuts the line.
func TestACutConnectionCommitsNothing(t *testing.T) {
	s := serve(t)
	_, _, body := ask(t, "POST", s.URL+"/box/cut?uploads", "")
	id := element(t, body, "UploadId")
	for _, path := range []string{"POST /upload/storage/v1/b/box/o?uploadType=media&name=cut", "PUT /box/cut", "PUT /box/cut?partNumber=1&uploadId=" + id} {
		for _, length := range []string{"Content-Length: 1000000\r\n\r\nonly this", "Transfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n"} {
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\n%s", path, length)
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			_, _ = io.ReadAll(c) // until the server is done with it
			c.Close()
			if code, _, _ := ask(t, "GET", s.URL+"/storage/v1/b/box/o/cut", ""); code != 404 {
				t.Errorf("after a cut %s: %d", path, code)
			}
		}
	}
	if _, _, body := ask(t, "GET", s.URL+"/box/cut?uploadId="+id, ""); len(elements(t, body, "PartNumber")) != 0 {
		t.Errorf("a part that was cut is there: %s", body)
	}
}

func TestGooglesGoClient(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c, err := storage.NewClient(ctx, option.WithEndpoint(s.URL+"/storage/v1/"), option.WithHTTPClient(http.DefaultClient), storage.WithJSONReads())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := c.Bucket("made")
	if err := b.Create(ctx, "demo", nil); err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 2<<20) // 32 MiB: in chunks
	for name, body := range map[string][]byte{"small": []byte("hello"), "dir/large": large, "empty": nil} {
		w := b.Object(name).NewWriter(ctx)
		w.ChunkSize = 1 << 20
		w.ContentType = "a/b"
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := b.Object(name).NewReader(ctx)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, body) || r.Attrs.ContentType != "a/b" {
			t.Errorf("%s: %d bytes of %s, %v", name, len(got), r.Attrs.ContentType, err)
		}
	}
	r, err := b.Object("dir/large").NewRangeReader(ctx, 16, 4)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(r); string(got) != "0123" {
		t.Errorf("a range: %q", got)
	}
	var names []string
	for it := b.Objects(ctx, &storage.Query{Delimiter: "/"}); ; {
		o, err := it.Next()
		if err == iterator.Done {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Name+o.Prefix)
	}
	if strings.Join(names, " ") != "empty small dir/" {
		t.Errorf("listing %q", names)
	}
	if _, err := b.Object("copy").CopierFrom(b.Object("small")).Run(ctx); err != nil {
		t.Error(err)
	}
	if _, err := b.Object("whole").ComposerFrom(b.Object("small"), b.Object("copy")).Run(ctx); err != nil {
		t.Error(err)
	}
	if o, err := b.Object("small").Update(ctx, storage.ObjectAttrsToUpdate{Metadata: map[string]string{"k": "v"}}); err != nil || o.Metadata["k"] != "v" {
		t.Errorf("update: %+v, %v", o, err)
	}
	err = b.Object("small").If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx).Close()
	if e, ok := errors.AsType[*googleapi.Error](err); !ok || e.Code != 412 {
		t.Errorf("a condition that does not hold: %v", err)
	}
	if err := b.Object("small").Delete(ctx); err != nil {
		t.Error(err)
	}
	if _, err := b.Object("small").Attrs(ctx); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("a deleted object: %v", err)
	}
}

func TestGooglesPythonClientAndGcsfs(t *testing.T) {
	python := os.Getenv("TRAINYARD_TEST_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: TRAINYARD_TEST_PYTHON is not set; make test sets it")
	}
	s := httptest.NewServer(server.New(server.Options{ // whose batches are
		Storage: serve(t).Config.Handler, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}))
	defer s.Close()
	cmd := exec.CommandContext(t.Context(), python, "testdata/clients.py", s.URL)
	cmd.Env = append(os.Environ(), "STORAGE_EMULATOR_HOST="+s.URL, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false")
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "fine" {
		t.Errorf("%v\n%s", err, out)
	}
}
