package storageapi_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// TestUploadsOfUnknownLength: Node's library sends a stream whose length nobody
// knows as bytes 0-*/*, and others with no Content-Range at all; its end is the
// object's, and a stream that is cut is none.
func TestUploadsOfUnknownLength(t *testing.T) {
	s := serve(t)
	start := func(name string) string {
		_, h, _ := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=resumable&name="+name, "")
		return h.Get("Location")
	}
	put := func(at string, body io.Reader, contentRange string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), "PUT", at, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = -1
		if contentRange != "" {
			req.Header.Set("Content-Range", contentRange)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	for name, contentRange := range map[string]string{"star": "bytes 0-*/*", "none": "", "known": "bytes 0-*/10"} {
		code, err := put(start(name), strings.NewReader("0123456789"), contentRange)
		if _, _, got := ask(t, "GET", s.URL+"/box/"+name, ""); code != 200 || got != "0123456789" {
			t.Errorf("%s: %d %v, then %q", contentRange, code, err, got)
		}
	}
	if code, err := put(start("empty"), strings.NewReader(""), "bytes 0-*/*"); code != 200 {
		t.Errorf("an empty stream: %d %v", code, err)
	}
	at := start("cut")
	if code, err := put(at, io.MultiReader(strings.NewReader("01234"), iotest.ErrReader(errors.New("the line is cut"))), "bytes 0-*/*"); err == nil && code < 400 {
		t.Errorf("a stream that is cut: %d", code)
	}
	if code, _, _ := ask(t, "GET", s.URL+"/box/cut", ""); code != 404 {
		t.Errorf("a stream that was cut is there: %d", code)
	}
	// What arrived of it is kept, and it can go on there.
	if code, err := put(at, strings.NewReader("0123456789"), "bytes 0-*/*"); code != 200 {
		t.Errorf("going on: %d %v", code, err)
	}
	if _, _, got := ask(t, "GET", s.URL+"/box/cut", ""); got != "0123456789" {
		t.Errorf("after going on: %q", got)
	}
}
