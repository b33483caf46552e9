package signurl

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const email = "trainyard@demo.iam.gserviceaccount.com"

var testKey = sync.OnceValue(func() Key {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return Key{email, private}
})

var signedAt = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

func verifier(now time.Time) *Verifier {
	return &Verifier{Public: &testKey().Private.PublicKey, Known: func(e string) bool { return e == email }, Now: func() time.Time { return now }}
}

func sign(t testing.TB, r Request) string {
	t.Helper()
	r.Endpoint = "http://127.0.0.1:8450"
	if r.Duration == 0 {
		r.Duration = time.Hour
	}
	u, err := testKey().Sign(r, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// code is what a request with a signed URL is told; empty when it is good.
func code(t testing.TB, v *Verifier, r *http.Request) string {
	t.Helper()
	if !Claimed(r) {
		t.Errorf("%s is not taken for a signed URL", r.URL)
	}
	err := v.Verify(r)
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	return e.Code
}

func TestWhatIsSignedIsGood(t *testing.T) {
	for _, name := range []string{"x", "a/b", "a//b", "a b+c&d=e?f#g%h", "é~(1)!*';:@,$", "../x", ""} {
		for _, r := range []Request{
			{Method: "GET"}, {Method: "PUT", Header: map[string]string{"Content-Type": "text/plain", "x-goog-meta-a": "  b   c "}},
			{Method: "GET", Query: map[string]string{"generation": "1", "response-content-disposition": `attachment; filename="a b.txt"`, "x": ""}},
		} {
			r.Bucket, r.Object = "box", name
			u := sign(t, r)
			req := httptest.NewRequest(r.Method, u, nil)
			for k, v := range r.Header {
				req.Header.Set(k, v)
			}
			if got := code(t, verifier(signedAt.Add(time.Minute)), req); got != "" {
				t.Errorf("%s %s: %s", r.Method, u, got)
			}
			if want := "/box/" + name; name != "" && req.URL.Path != want {
				t.Errorf("%s is about %q, not %q", u, req.URL.Path, want)
			}
		}
	}
	head := httptest.NewRequest("HEAD", sign(t, Request{Method: "GET", Bucket: "box", Object: "x"}), nil)
	if got := code(t, verifier(signedAt), head); got != "" {
		t.Errorf("HEAD of what may be read: %s", got)
	}
}

func TestEverythingElseIsRefused(t *testing.T) {
	put := Request{Method: "PUT", Bucket: "box", Object: "a/b", Header: map[string]string{"content-type": "text/plain"}}
	for name, tt := range map[string]struct {
		change func(r *http.Request)
		now    time.Duration
		want   string
	}{
		"as it is":           {func(*http.Request) {}, 0, ""},
		"expired":            {func(*http.Request) {}, time.Hour + time.Second, "ExpiredToken"},
		"from the future":    {func(*http.Request) {}, -time.Hour, "RequestTimeTooSkewed"},
		"a clock ahead":      {func(*http.Request) {}, -time.Minute, ""},
		"another method":     {func(r *http.Request) { r.Method = "DELETE" }, 0, "SignatureDoesNotMatch"},
		"another object":     {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/box/a/c", "" }, 0, "SignatureDoesNotMatch"},
		"another bucket":     {func(r *http.Request) { r.URL.Path = "/other/a/b" }, 0, "SignatureDoesNotMatch"},
		"another host":       {func(r *http.Request) { r.Host = "example.com" }, 0, "SignatureDoesNotMatch"},
		"behind a front":     {func(r *http.Request) { r.Host = "localhost"; r.Header.Set("X-Forwarded-Host", "127.0.0.1:8450") }, 0, ""},
		"another type":       {func(r *http.Request) { r.Header.Set("Content-Type", "text/html") }, 0, "SignatureDoesNotMatch"},
		"without the type":   {func(r *http.Request) { r.Header.Del("Content-Type") }, 0, "MalformedSecurityHeader"},
		"a copy":             {func(r *http.Request) { r.Header.Set("X-Goog-Copy-Source", "/secret/x") }, 0, "MalformedSecurityHeader"},
		"facts":              {func(r *http.Request) { r.Header.Set("X-Goog-Meta-A", "b") }, 0, "MalformedSecurityHeader"},
		"a checksum":         {func(r *http.Request) { r.Header.Set("X-Goog-Hash", "md5=x") }, 0, ""},
		"one more parameter": {func(r *http.Request) { r.URL.RawQuery += "&uploads=" }, 0, "SignatureDoesNotMatch"},
		"a parameter twice":  {func(r *http.Request) { r.URL.RawQuery += "&x-goog-date=20300101T000000Z" }, 0, "InvalidArgument"},
		"a longer life":      {func(r *http.Request) { replace(r, "X-Goog-Expires=3600", "X-Goog-Expires=7200") }, 0, "SignatureDoesNotMatch"},
		"too long a life":    {func(r *http.Request) { replace(r, "X-Goog-Expires=3600", "X-Goog-Expires=604801") }, 0, "InvalidArgument"},
		"no life":            {func(r *http.Request) { replace(r, "X-Goog-Expires=3600", "X-Goog-Expires=-1") }, 0, "InvalidArgument"},
		"another day":        {func(r *http.Request) { replace(r, "X-Goog-Date=20260506", "X-Goog-Date=20260507") }, 0, "InvalidArgument"},
		"another account":    {func(r *http.Request) { replace(r, "trainyard%40demo", "trainyard%40other") }, 0, "AccessDenied"},
		"another algorithm":  {func(r *http.Request) { replace(r, "GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256") }, 0, "InvalidArgument"},
		"no signature": {func(r *http.Request) {
			r.URL.RawQuery = r.URL.RawQuery[:strings.Index(r.URL.RawQuery, "&X-Goog-Signature")]
		}, 0, "InvalidArgument"},
		"half a signature":    {func(r *http.Request) { r.URL.RawQuery = r.URL.RawQuery[:len(r.URL.RawQuery)-10] }, 0, "SignatureDoesNotMatch"},
		"not a signature":     {func(r *http.Request) { replace(r, "X-Goog-Signature=", "X-Goog-Signature=zz") }, 0, "InvalidArgument"},
		"the host not signed": {func(r *http.Request) { replace(r, "content-type%3Bhost", "content-type") }, 0, "MalformedSecurityHeader"},
		"of version 2":        {func(r *http.Request) { r.URL.RawQuery = "GoogleAccessId=x&Expires=1&Signature=y" }, 0, "InvalidArgument"},
		"of another service":  {func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=x" }, 0, "InvalidArgument"},
	} {
		r := httptest.NewRequest("PUT", sign(t, put), strings.NewReader("x"))
		r.Header.Set("Content-Type", "text/plain")
		tt.change(r)
		if got := code(t, verifier(signedAt.Add(tt.now)), r); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	r := httptest.NewRequest("PUT", sign(t, put), nil)
	r.Header.Set("Content-Type", "text/plain")
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(signedAt)
	v.Public = &other.PublicKey
	if got := code(t, v, r); got != "SignatureDoesNotMatch" {
		t.Errorf("another server's key: %q", got)
	}
}

func replace(r *http.Request, old, with string) {
	was := r.URL.RawQuery
	if r.URL.RawQuery = strings.Replace(was, old, with, 1); r.URL.RawQuery == was {
		panic(old + " is not in " + was)
	}
}

// TestSignedContent: a signature may be over the content too.
func TestSignedContent(t *testing.T) {
	const sumOfHello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	u := sign(t, Request{Method: "PUT", Bucket: "box", Object: "x", Header: map[string]string{"x-goog-content-sha256": sumOfHello}})
	for body, want := range map[string]error{"hello": nil, "other": ErrContent} {
		r := httptest.NewRequest("PUT", u, strings.NewReader(body))
		r.Header.Set("X-Goog-Content-Sha256", sumOfHello)
		if got := code(t, verifier(signedAt), r); got != "" {
			t.Fatal(got)
		}
		if _, err := io.ReadAll(r.Body); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", body, err, want)
		}
	}
}

func TestWhatCannotBeSigned(t *testing.T) {
	for name, r := range map[string]Request{
		"no endpoint": {Bucket: "box", Duration: time.Hour},
		"no bucket":   {Endpoint: "http://x", Duration: time.Hour},
		"no time":     {Endpoint: "http://x", Bucket: "box"},
		"eight days":  {Endpoint: "http://x", Bucket: "box", Duration: 8 * 24 * time.Hour},
	} {
		if u, err := testKey().Sign(r, signedAt); err == nil {
			t.Errorf("%s: %s", name, u)
		}
	}
	for _, file := range []string{"", "{}", `{"client_email":"a","private_key":"b"}`, `{"client_email":"a","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}`} {
		if _, err := ParseKey([]byte(file)); err == nil {
			t.Errorf("a key of %q", file)
		}
	}
}

// FuzzVerify: whatever is not what was signed is refused, and nothing breaks.
func FuzzVerify(f *testing.F) {
	good, err := url.Parse(sign(f, Request{Method: "GET", Bucket: "box", Object: "a b"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("/box/a b", good.RawQuery)
	f.Add("/box/a b", strings.ToLower(good.RawQuery))
	f.Add("/box/x", "X-Goog-Signature=00&X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a/20260506/auto/storage/goog4_request&X-Goog-Date=20260506T070809Z&X-Goog-Expires=1&X-Goog-SignedHeaders=host")
	f.Add("/box/x", "GoogleAccessId=x&Expires=1&Signature=%zz&;")
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest("GET", "http://127.0.0.1:8450/", nil)
		r.URL.Path, r.URL.RawQuery = path, query
		if err := verifier(signedAt).Verify(r); err != nil {
			if _, ok := errors.AsType[*Refusal](err); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		want, _ := url.ParseQuery(good.RawQuery)
		if got := r.URL.Query(); path != good.Path || got.Encode() != want.Encode() && !sameButSpelling(got, want) {
			t.Errorf("%s?%s is good", path, query)
		}
	})
}

// sameButSpelling lets the signature's hexadecimal be in capitals.
func sameButSpelling(a, b url.Values) bool {
	return strings.EqualFold(a.Encode(), b.Encode())
}
