package storageapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/egress"
	"github.com/trainyard/trainyard/internal/server"
	"github.com/trainyard/trainyard/internal/server/storageapi"
	"github.com/trainyard/trainyard/internal/signurl"
)

// guarded is the whole port, asking for a token, with the server's own account.
func guarded(t *testing.T, token string) (s *httptest.Server, file []byte) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	store, err := disk.Open(t.Context(), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if _, err := store.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "demo"}); err != nil {
		t.Fatal(err)
	}
	account, err := egress.OpenCredentials(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	nothing := http.NotFoundHandler()
	s = httptest.NewServer(server.New(server.Options{
		ML: nothing, Logging: nothing, Own: nothing, Log: log, Token: token,
		Storage: storageapi.New(storageapi.Options{Store: store, Project: "demo", Log: log, URLs: &signurl.Verifier{Public: account.Public(), Known: account.Known}}),
		Proven:  storageapi.Proves, Account: func(b string) bool { return account.Good(b, time.Now()) }, Tokens: account.Tokens(token),
	}))
	t.Cleanup(s.Close)
	return s, account.JSON("demo", s.URL+server.TokenPath)
}

func TestSignedURLs(t *testing.T) {
	for _, token := range []string{"secret", ""} {
		s, file := guarded(t, token)
		key, err := signurl.ParseKey(file)
		if err != nil {
			t.Fatal(err)
		}
		sign := func(method, object string, header map[string]string, at time.Time) string {
			t.Helper()
			u, err := key.Sign(signurl.Request{Endpoint: s.URL, Method: method, Bucket: "box", Object: object, Header: header, Duration: time.Minute}, at)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		now := time.Now()
		get := sign("GET", "a b", nil, now)
		unsigned := map[string]int{"secret": 401, "": 200}[token]
		for _, tt := range []struct {
			method, url, body string
			header            []string
			code              int
			want              string
		}{
			{"PUT", sign("PUT", "a b", map[string]string{"content-type": "text/x"}, now), "hello", []string{"Content-Type", "text/x"}, 200, ""},
			{"PUT", sign("PUT", "a b", map[string]string{"content-type": "text/x"}, now), "other", []string{"Content-Type", "text/y"}, 403, "<Code>SignatureDoesNotMatch</Code>"},
			{"GET", get, "", nil, 200, "hello"},
			{"HEAD", get, "", nil, 200, ""},
			{"DELETE", get, "", nil, 403, "<Code>SignatureDoesNotMatch</Code>"},
			{"GET", strings.Replace(get, "/a%20b", "/x", 1), "", nil, 403, "<Code>SignatureDoesNotMatch</Code>"},
			{"GET", sign("GET", "a b", nil, now.Add(-time.Hour)), "", nil, 400, "<Code>ExpiredToken</Code>"},
			{"GET", sign("GET", "none", nil, now), "", nil, 404, "<Code>NoSuchKey</Code>"},
			{"PUT", sign("PUT", "stolen", nil, now), "", []string{"X-Goog-Copy-Source", "/box/a%20b"}, 400, "<Code>MalformedSecurityHeader</Code>"},
			{"GET", s.URL + "/box/a%20b", "", nil, unsigned, map[string]string{"secret": "<Code>AuthenticationRequired</Code>", "": "hello"}[token]},
			{"GET", s.URL + "/box/a%20b?X-Goog-Signature=00", "", nil, 400, "<Code>InvalidArgument</Code>"},
			{"GET", s.URL + "/box/a%20b?GoogleAccessId=a&Expires=1&Signature=x", "", nil, 400, "version 4"},
			{"GET", s.URL + "/storage/v1/b/box/o/a%20b?alt=media&" + strings.SplitN(get, "?", 2)[1], "", nil, map[string]int{"secret": 401, "": 400}[token], ""},
			{"GET", s.URL + "/v1/projects/demo/jobs?" + strings.SplitN(get, "?", 2)[1], "", nil, map[string]int{"secret": 401, "": 404}[token], ""},
			{"PUT", s.URL + "/box/x?upload_id=none", "x", nil, 404, "NoSuchUpload"},
			{"PUT", s.URL + "/box/x?upload_id=none&uploadId=x&partNumber=1", "x", nil, map[string]int{"secret": 401, "": 404}[token], ""},
			{"GET", s.URL + "/box/a%20b?upload_id=none", "", nil, unsigned, ""},
			{"DELETE", sign("DELETE", "a b", nil, now), "", nil, 204, ""},
		} {
			code, _, body := ask(t, tt.method, tt.url, tt.body, tt.header...)
			if code != tt.code || !strings.Contains(body, tt.want) {
				t.Errorf("token %q: %s %s: %d %s, want %d and %q", token, tt.method, tt.url, code, body, tt.code, tt.want)
			}
		}
		// A session that a signed URL began needs no more proof than its address.
		code, h, body := ask(t, "POST", sign("POST", "r", map[string]string{"x-goog-resumable": "start"}, now), "", "X-Goog-Resumable", "start")
		if code != 201 {
			t.Fatalf("start: %d %s", code, body)
		}
		if code, _, body := ask(t, "PUT", h.Get("Location"), "hello", "Content-Range", "bytes 0-4/5"); code != 200 {
			t.Errorf("the session: %d %s", code, body)
		}
		if _, _, body := ask(t, "GET", sign("GET", "r", nil, now), ""); body != "hello" {
			t.Errorf("the object: %s", body)
		}
	}
}

// TestTheServersAccount: Google's libraries act as the server's own account.
func TestTheServersAccount(t *testing.T) {
	s, file := guarded(t, "secret")
	for body, want := range map[string]int{"assertion=x": 400, "": 400, "assertion=a.b.c": 400} {
		if code, _, answer := ask(t, "POST", s.URL+server.TokenPath, body, "Content-Type", "application/x-www-form-urlencoded"); code != want || strings.Contains(answer, "secret") {
			t.Errorf("%q: %d %s", body, code, answer)
		}
	}
	conf, err := google.JWTConfigFromJSON(file, "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		t.Fatal(err)
	}
	token, err := conf.TokenSource(t.Context()).Token()
	if err != nil || token.AccessToken != "secret" {
		t.Fatalf("%v, %v", token, err)
	}
	own, err := google.JWTAccessTokenSourceWithScope(file, "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := own.Token()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		bearer string
		code   int
	}{{bearer.AccessToken, 200}, {bearer.AccessToken[:len(bearer.AccessToken)-8] + "AAAAAAAA", 401}, {strings.Split(bearer.AccessToken, ".")[0] + "..", 401}, {"", 401}} {
		if code, _, body := ask(t, "GET", s.URL+"/storage/v1/b/box", "", "Authorization", "Bearer "+tt.bearer); code != tt.code {
			t.Errorf("bearer %q: %d %s", tt.bearer, code, body)
		}
	}
}

func TestGooglesGoClientSigns(t *testing.T) {
	s, file := guarded(t, "secret")
	var account struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
	}
	if err := json.Unmarshal(file, &account); err != nil {
		t.Fatal(err)
	}
	c, err := storage.NewClient(t.Context(), option.WithEndpoint(s.URL+"/storage/v1/"), option.WithAuthCredentialsJSON(option.ServiceAccount, file), storage.WithJSONReads())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	it := c.Bucket("box").Objects(t.Context(), nil)
	if o, err := it.Next(); err != iterator.Done {
		t.Errorf("%v, %v", o, err)
	}
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(method string) string {
		t.Helper()
		u, err := storage.SignedURL("box", "a b/é", &storage.SignedURLOptions{
			GoogleAccessID: account.Email, PrivateKey: []byte(account.Key), Method: method, Expires: time.Now().Add(time.Minute), Scheme: storage.SigningSchemeV4, Insecure: true, Hostname: at.Host,
		})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if code, _, body := ask(t, "PUT", sign("PUT"), "hello"); code != 200 {
		t.Errorf("PUT: %d %s", code, body)
	}
	if code, _, body := ask(t, "GET", sign("GET"), ""); code != 200 || body != "hello" {
		t.Errorf("GET: %d %s", code, body)
	}
	if code, _, _ := ask(t, "GET", sign("PUT"), ""); code != 403 {
		t.Errorf("GET with a URL for PUT: %d", code)
	}
	r, err := c.Bucket("box").Object("a b/é").NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, []byte("hello")) {
		t.Errorf("%q, %v", b, err)
	}
}

const pythonSigns = `
import datetime, sys, time, requests
from google.cloud import storage
endpoint, key = sys.argv[1:]
c = storage.Client.from_service_account_json(key, client_options={"api_endpoint": endpoint})
b = c.bucket("box")
blob = b.blob("a b/é~(1)")
blob.upload_from_string("hello", content_type="text/plain")
def sign(**kw):
    kw.setdefault("expiration", datetime.timedelta(minutes=5))
    return blob.generate_signed_url(version="v4", api_access_endpoint=endpoint, **kw)
assert requests.get(sign()).text == "hello"
assert requests.get(sign(response_disposition="attachment; filename=x y.txt")).headers["Content-Disposition"] == "attachment; filename=x y.txt"
assert requests.put(sign(method="PUT", content_type="text/x", headers={"x-goog-meta-k": "v"}), data=b"again", headers={"Content-Type": "text/x", "x-goog-meta-k": "v"}).status_code == 200
now = b.get_blob(blob.name)
assert now.content_type == "text/x" and now.metadata == {"k": "v"}
blob = b.blob(blob.name)
r = requests.post(sign(method="RESUMABLE"), headers={"x-goog-resumable": "start"})
assert r.status_code == 201, r.text
assert requests.put(r.headers["Location"], data=b"resumed").status_code == 200
assert requests.get(sign(query_parameters={"generation": str(b.get_blob(blob.name).generation)})).text == "resumed"
bad = requests.get(sign() + "0")
assert bad.status_code in (400, 403), bad.text
assert requests.get(endpoint + "/box/a").status_code == 401
assert requests.get(blob.generate_signed_url(expiration=60, api_access_endpoint=endpoint, version="v2")).status_code == 400
assert requests.delete(sign(method="DELETE")).status_code == 204
assert not blob.exists()
assert [x.name for x in c.list_blobs(b)] == []
assert b.test_iam_permissions(["storage.objects.get"]) == ["storage.objects.get"]

import gcsfs
fs = gcsfs.GCSFileSystem(project="demo", token=key, endpoint_url=endpoint)
fs.pipe("box/x", b"hello")
assert fs.cat("box/x") == b"hello"
print("fine")
`

func TestGooglesPythonClientSigns(t *testing.T) {
	python := os.Getenv("TRAINYARD_TEST_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: TRAINYARD_TEST_PYTHON is not set; make test sets it")
	}
	s, file := guarded(t, "secret")
	key := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(key, file, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", pythonSigns, s.URL, key)
	cmd.Env = append(os.Environ(), "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false")
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "fine" {
		t.Errorf("%v\n%s", err, out)
	}
}
