package server_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/server"
)

const part = "--b\r\nContent-Type: application/http\r\nContent-ID: <%d>\r\n\r\n%s\r\n\r\n"

func batchOf(calls ...string) string {
	var b strings.Builder
	for i, c := range calls {
		fmt.Fprintf(&b, part, i, c)
	}
	return b.String() + "--b--"
}

func TestABatchReachesStorageAndJobs(t *testing.T) {
	o := options(t)
	o.ML, o.Own, o.Storage, o.Logging = echo, named("own"), echo, named("logging")
	h := server.New(o)
	calls := batchOf(
		"GET /v1/projects/p/jobs/a?alt=json HTTP/1.1",
		"PATCH /v1/projects/p/jobs/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"POST /v1/projects/p/jobs\nContent-Type: application/json\n\n{\"jobId\":\"b\"}",
		"POST /v1/projects/p/jobs/a HTTP/1.1\r\nX-HTTP-Method-Override: PATCH\r\n\r\n{}",
		"DELETE http://127.0.0.1:8450/storage/v1/b/x/o/y",
		"GET /v1/projects/p/jobs/a:follow", "DELETE /v1/projects/p/jobs/a", "GET /v1/server", "POST /v2/entries:list", "POST /batch", "GET /storage/v1/b/x/o/y?alt=media", "GET /x/y",
	)
	for _, path := range []string{"/batch", "/batch/ml/v1", "/batch/storage/v1"} {
		code, body := send(h, "POST", path, calls, "Content-Type", "multipart/mixed; boundary='b'")
		parts := strings.Split(body, "HTTP/1.1 ")
		if code != 200 || len(parts) != 13 {
			t.Fatalf("%s: %d %s", path, code, body)
		}
		for i, want := range []string{"GET /v1/projects/p/jobs/a?alt=json ", "PATCH /v1/projects/p/jobs/a {}", `POST /v1/projects/p/jobs {"jobId":"b"}`,
			"PATCH /v1/projects/p/jobs/a {}", "DELETE /storage/v1/b/x/o/y "} {
			if got := parts[i+1]; !strings.HasPrefix(got, "200 OK\r\n") || !strings.Contains(got, "\r\n\r\n"+want) {
				t.Errorf("%s: call %d is answered %s, want %s", path, i, got, want)
			}
			if !strings.Contains(parts[i], fmt.Sprintf("Content-Id: <response-%d>", i)) {
				t.Errorf("%s: answer %d is not told by its id: %s", path, i, parts[i])
			}
		}
		for i, got := range parts[6:] {
			if !strings.HasPrefix(got, "400 Bad Request\r\n") || !strings.Contains(got, "cannot be in a batch") {
				t.Errorf("%s: call %d is answered %s", path, i+5, got)
			}
		}
	}
	for _, tt := range []struct{ method, path, body, contentType, want string }{
		{"POST", "/batch", "", "multipart/mixed", "names no boundary"},
		{"POST", "/batch", "--b\r\n\r\nGET /v1/pro", "multipart/mixed; boundary=b", "the batch broke off"},
		{"POST", "/batch", batchOf("hello"), "multipart/mixed; boundary=b", "call 1 of the batch is not an HTTP request"},
		{"POST", "/batch", batchOf(strings.Split(strings.Repeat("GET /v1/projects/p/jobs\n", 101), "\n")[:101]...), "multipart/mixed; boundary=b", "a batch holds at most 100 calls"},
		{"POST", "/batch/other/v1", batchOf(), "multipart/mixed; boundary=b", "nothing is served at /batch/other/v1"},
		{"GET", "/batch", "", "", "nothing is served"},
	} {
		if code, body := send(h, tt.method, tt.path, tt.body, "Content-Type", tt.contentType); code/100 != 4 || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %q = %d %s, want %s", tt.method, tt.path, tt.body, code, body, tt.want)
		}
	}
}

// FuzzBatch: a batch is answered, whatever is in it.
func FuzzBatch(f *testing.F) {
	for _, call := range []string{"GET /storage/v1/b/box HTTP/1.1", "DELETE /storage/v1/b/box/o/x", "GET http://other/storage/v1/b/box/o?prefix=a", "GET /box/x", "GET /storage/v1/b/box/o/x?alt=media", "POST /batch", "x",
		"GET /v1/projects/p/jobs", "POST /v1/projects/p/jobs\r\nX-HTTP-Method-Override: GET\r\n\r\n{}"} {
		f.Add(batchOf(call))
	}
	storage := box(f)
	f.Fuzz(func(t *testing.T, body string) {
		o := options(t)
		o.Storage = storage
		r := httptest.NewRequest("POST", at+"/batch/storage/v1", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/mixed; boundary=b")
		rec := httptest.NewRecorder()
		server.New(o).ServeHTTP(rec, r)
		if rec.Code != 200 && rec.Code != 400 {
			t.Errorf("%q: %d %s", body, rec.Code, rec.Body)
		}
	})
}
