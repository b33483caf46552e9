package storageapi_test

import (
	"net/http"
	"testing"
)

// TestGcloudsCompose: it repeats the facts of the first source, checksum and
// all.
func TestGcloudsCompose(t *testing.T) {
	s := serve(t)
	for name, body := range map[string]string{"a": "first", "b": "second"} {
		if code, _, text := ask(t, http.MethodPost, s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name="+name, body); code != 200 {
			t.Fatalf("upload %s: %d %s", name, code, text)
		}
	}
	code, _, text := ask(t, http.MethodPost, s.URL+"/storage/v1/b/box/o/ab/compose",
		`{"destination":{"contentType":"text/plain","crc32c":"AAAAAA==","md5Hash":"1B2M2Y8AsgTpgAmY7PhCfg=="},"sourceObjects":[{"name":"a"},{"name":"b"}]}`)
	if code != 200 {
		t.Fatalf("compose: %d %s", code, text)
	}
	if _, _, text := ask(t, http.MethodGet, s.URL+"/storage/v1/b/box/o/ab?alt=media", ""); text != "firstsecond" {
		t.Errorf("the whole is %q", text)
	}
}
