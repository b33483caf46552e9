package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

func newAuthorityIn(t *testing.T, dir string) *Authority {
	t.Helper()
	a, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// echo answers with what it was asked.
func echo(who string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s: %s %s %s %s://%s [%s] %s", who, r.Method, r.Host, r.URL.RequestURI(), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("Authorization"), b)
	}
}

// far is the Internet: a proxy that leads every name to one TLS server, which
// has a certificate for Google's names.
type far struct {
	roots *x509.CertPool
	proxy *url.URL
	asked atomic.Pointer[http.Request] // the last CONNECT
}

func newFar(t *testing.T) *far {
	t.Helper()
	authority := newAuthorityIn(t, t.TempDir())
	leaf, err := authority.Issue(append([]string{"example.com"}, Hosts...)...)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(echo("far"))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	f := &far{roots: x509.NewCertPool()}
	f.roots.AppendCertsFromPEM(authority.PEM())
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Store(r)
		to, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil || r.Method != http.MethodConnect || strings.HasPrefix(r.Host, "nowhere") {
			http.Error(w, "no such host", http.StatusBadGateway)
			return
		}
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(to, rw); _ = to.Close() }()
		_, _ = io.Copy(c, to)
		_ = c.Close()
	}))
	t.Cleanup(gate.Close)
	f.proxy, err = url.Parse(gate.URL)
	if err != nil {
		t.Fatal(err)
	}
	f.proxy.User = url.UserPassword("user", "pass word")
	return f
}

// open opens a proxy that holds the bucket "held", and a client that goes
// through it and trusts its authority as well as the Internet's.
func open(t *testing.T, change func(*Options)) (*Proxy, *http.Client) {
	t.Helper()
	o := Options{
		Authority: newAuthorityIn(t, t.TempDir()), Storage: echo("storage"),
		Held: func(_ context.Context, bucket string) (bool, error) {
			return bucket == "held" || bucket == "h.eld", nil
		},
		Own:      func(token string) bool { return token == "own" },
		Upstream: func(string) *url.URL { return nil },
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	roots := x509.NewCertPool()
	if change != nil {
		change(&o)
	}
	roots.AppendCertsFromPEM(o.Authority.PEM())
	p, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); p.Serve() }()
	t.Cleanup(func() { p.Close(); <-done })
	u, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	return p, client
}

func ask(t *testing.T, c *http.Client, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestBucketsThatTheServerHoldsAreItsOwn(t *testing.T) {
	f := newFar(t)
	_, c := open(t, func(o *Options) { o.Upstream, o.Roots = func(string) *url.URL { return f.proxy }, f.roots })
	for _, tt := range []struct{ method, url, want string }{
		{"GET", "https://storage.googleapis.com/held/a%2F..%2Fb//c?x=%20", "storage: GET localhost /held/a%2F..%2Fb//c?x=%20 https://storage.googleapis.com [Bearer own] "},
		{"PUT", "https://held.storage.googleapis.com/a%2Fb/c", "storage: PUT localhost /held/a%2Fb/c https://held.storage.googleapis.com [Bearer own] body"},
		{"GET", "https://www.googleapis.com/storage/v1/b/held/o/x?alt=media", "storage: GET localhost /storage/v1/b/held/o/x?alt=media https://www.googleapis.com [Bearer own] "},
		{"POST", "https://www.googleapis.com/upload/storage/v1/b/held/o?name=x", "storage: POST localhost /upload/storage/v1/b/held/o?name=x https://www.googleapis.com [Bearer own] body"},
		{"GET", "https://storage.googleapis.com/storage/v1/b?project=p", "storage: GET localhost /storage/v1/b?project=p https://storage.googleapis.com [Bearer own] "},
		{"POST", "https://storage.googleapis.com/batch/storage/v1", "storage: POST localhost /batch/storage/v1 https://storage.googleapis.com [Bearer own] body"},
	} {
		body := "body"
		if tt.method == "GET" {
			body = ""
		}
		if code, got := ask(t, c, tt.method, tt.url, "own", body); code != 200 || got != tt.want {
			t.Errorf("%s %s = %d %s\nwant %s", tt.method, tt.url, code, got, tt.want)
		}
	}
	if f.asked.Load() != nil {
		t.Error("something went out")
	}
}

func TestOtherRequestsGoOutWithoutTheJobsToken(t *testing.T) {
	f := newFar(t)
	_, c := open(t, func(o *Options) { o.Upstream, o.Roots = func(string) *url.URL { return f.proxy }, f.roots })
	for _, tt := range []struct{ url, token, want string }{
		{"https://storage.googleapis.com/public/x%2Fy", "own", "far: GET storage.googleapis.com /public/x%2Fy :// [] "},
		{"https://public.storage.googleapis.com/x", "own", "far: GET public.storage.googleapis.com /x :// [] "},
		{"https://www.googleapis.com/storage/v1/b/public/o", "own", "far: GET www.googleapis.com /storage/v1/b/public/o :// [] "},
		{"https://www.googleapis.com/oauth2/v1/certs", "own", "far: GET www.googleapis.com /oauth2/v1/certs :// [] "},
		{"https://storage.googleapis.com/public/x?a=%20&access_token=own", "", "far: GET storage.googleapis.com /public/x?a=+ :// [] "},
		{"https://storage.googleapis.com/public/x", "another", "far: GET storage.googleapis.com /public/x :// [Bearer another] "},
	} {
		if code, got := ask(t, c, "GET", tt.url, tt.token, ""); code != 200 || got != tt.want {
			t.Errorf("%s = %d %s\nwant %s", tt.url, code, got, tt.want)
		}
	}
	if got, want := f.asked.Load().Header.Get("Proxy-Authorization"), "Basic "+base64.StdEncoding.EncodeToString([]byte("user:pass word")); got != want {
		t.Errorf("the machine's proxy was shown %q, want %q", got, want)
	}
}

func TestAHostThatIsNotTrustedIsNotBelieved(t *testing.T) {
	f := newFar(t)
	_, c := open(t, func(o *Options) { o.Upstream = func(string) *url.URL { return f.proxy } }) // without its roots
	code, got := ask(t, c, "GET", "https://storage.googleapis.com/public/x", "", "")
	if code != http.StatusBadGateway || !strings.Contains(got, "storage.googleapis.com cannot be reached") || !strings.Contains(got, "certificate") {
		t.Errorf("%d %s", code, got)
	}
}

func TestEverythingElseIsATunnel(t *testing.T) {
	f := newFar(t)
	_, c := open(t, func(o *Options) { o.Upstream = func(string) *url.URL { return f.proxy } })
	// The far end's own certificate arrives, so the client must trust that.
	c.Transport.(*http.Transport).TLSClientConfig.RootCAs = f.roots
	if code, got := ask(t, c, "POST", "https://example.com/x", "own", "body"); code != 200 || got != "far: POST example.com /x :// [Bearer own] body" {
		t.Errorf("%d %s", code, got)
	}
}

func TestATunnelThatCannotBeSaysWhy(t *testing.T) {
	f := newFar(t)
	p, c := open(t, func(o *Options) { o.Upstream = func(string) *url.URL { return f.proxy } })
	_, err := c.Get("https://nowhere.example/x")
	if err == nil || !strings.Contains(err.Error(), "does not connect to nowhere.example:443: 502") || strings.Contains(err.Error(), "pass") {
		t.Errorf("err = %v", err)
	}
	resp, err := http.Get(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotImplemented {
		t.Errorf("without CONNECT: %s", resp.Status)
	}
}

func TestOffTheNetworkTheServerAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := &url.URL{Scheme: "http", Host: l.Addr().String()}
	_ = l.Close()
	_, c := open(t, func(o *Options) { o.Upstream = func(string) *url.URL { return nobody } })
	if code, got := ask(t, c, "GET", "https://storage.googleapis.com/absent/x", "own", ""); code != 200 || !strings.HasPrefix(got, "storage: GET localhost /absent/x ") {
		t.Errorf("%d %s", code, got)
	}
	if code, got := ask(t, c, "PUT", "https://storage.googleapis.com/absent/x", "own", "body"); code != http.StatusBadGateway || !strings.Contains(got, "holds no such bucket") {
		t.Errorf("with a body: %d %s", code, got)
	}
}

func TestAServerThatCannotSayIsAskedItself(t *testing.T) {
	_, c := open(t, func(o *Options) {
		o.Held = func(context.Context, string) (bool, error) { return false, errors.New("away") }
	})
	if code, got := ask(t, c, "GET", "https://storage.googleapis.com/perhaps/x", "", ""); code != 200 || !strings.HasPrefix(got, "storage: ") {
		t.Errorf("%d %s", code, got)
	}
}

// TestRequestsOfTensorFlowAreUnderstood sends what libcurl sends for it, many
// on one connection.
func TestRequestsOfTensorFlowAreUnderstood(t *testing.T) {
	p, _ := open(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "CONNECT www.googleapis.com:443 HTTP/1.1\r\nHost: www.googleapis.com:443\r\n\r\n")
	r := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("CONNECT: %v %v", resp, err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.Authority.PEM())
	inside := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "www.googleapis.com"})
	r = bufio.NewReader(inside)
	const head = " /upload/storage/v1/b/held/o HTTP/1.1\r\nHost: www.googleapis.com\r\n"
	for _, tt := range []struct{ request, method, body string }{
		{"POST" + head + "Content-Length: 0\r\nTransfer-Encoding: identity\r\n\r\n", "POST", ""},
		{"PUT" + head + "transfer-encoding:  Identity \r\nContent-Length: 4\r\n\r\nbody", "PUT", "body"},
		{"PUT" + head + "Transfer-Encoding: chunked\r\n\r\n5\r\nTrans\r\n1d;x=y\r\nfer-Encoding: identity\r\n\r\nxxx\r\n0\r\nTrailer: x\r\n\r\n", "PUT", "Transfer-Encoding: identity\r\n\r\nxxx"},
		{"DELETE" + head + "Transfer-Encoding: identity\r\n\r\n", "DELETE", ""},
	} {
		if _, err := io.WriteString(inside, tt.request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%q: %v", tt.request, err)
		}
		b, _ := io.ReadAll(resp.Body)
		if want := "storage: " + tt.method; resp.StatusCode != 200 || !strings.HasPrefix(string(b), want) || !strings.HasSuffix(string(b), "[] "+tt.body) {
			t.Errorf("%q = %s %s", tt.request, resp.Status, b)
		}
	}
}

// FuzzPlain: what names no identity encoding passes as it is, whatever it is.
func FuzzPlain(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("PUT / HTTP/1.1\nTransfer-Encoding: chunked\n\nzz\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if bytes.Contains(bytes.ToLower(in), []byte("identity")) {
			return
		}
		out, err := io.ReadAll(newPlain(fakeConn{r: bytes.NewReader(in)}))
		if err != nil && !errors.Is(err, errHead) {
			t.Fatalf("%v", err)
		}
		if err == nil && !bytes.Equal(in, out) {
			t.Errorf("%q became %q", in, out)
		}
	})
}

// FuzzIdentity: of requests that name the encoding that is none, one after the
// other on a connection, nothing but that header is missing, however they
// arrive.
func FuzzIdentity(f *testing.F) {
	f.Add([]byte("body"), "Transfer-Encoding:  Identity ", false, uint8(1))
	f.Add([]byte("Transfer-Encoding: identity\r\n\r\n"), "transfer-encoding:identity", true, uint8(7))
	f.Fuzz(func(t *testing.T, body []byte, header string, chunked bool, size uint8) {
		name, value, _ := strings.Cut(header, ":")
		if !strings.EqualFold(name, "Transfer-Encoding") || !strings.EqualFold(strings.Trim(value, " \t"), "identity") {
			return
		}
		message := func(header string) string {
			if chunked && len(body) > 0 {
				return fmt.Sprintf("PUT /x HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n0\r\nT: x\r\n\r\n", header, len(body), body)
			}
			return fmt.Sprintf("PUT /x HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
		}
		in := strings.Repeat(message(header+"\r\n"), 3) + "GET / HTTP/1.1\r\n" + header + "\r\n\r\n"
		want := strings.Repeat(message(""), 3) + "GET / HTTP/1.1\r\n\r\n"
		out, err := readOn(newPlain(fakeConn{r: &dribble{r: strings.NewReader(in), n: int(size%64) + 1}}))
		if err != nil || string(out) != want {
			t.Errorf("%q became %q, %v; want %q", in, out, err, want)
		}
	})
}

// dribble gives a few bytes at a time, and a deadline passes between them.
type dribble struct {
	r    io.Reader
	n    int
	late bool
}

func (d *dribble) Read(b []byte) (int, error) {
	if d.late = !d.late; d.late {
		return 0, os.ErrDeadlineExceeded
	}
	return d.r.Read(b[:min(len(b), d.n)])
}

// readOn reads all, and tries again when a deadline has passed.
func readOn(r io.Reader) ([]byte, error) {
	var all []byte
	for b := make([]byte, 512); ; {
		n, err := r.Read(b)
		all = append(all, b[:n]...)
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return all, err
		}
	}
}

type fakeConn struct {
	net.Conn
	r io.Reader
}

func (c fakeConn) Read(b []byte) (int, error) { return c.r.Read(b) }

func TestAllHaveTheSameAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	got := make(chan string, 8)
	for range cap(got) {
		go func() {
			a, err := OpenAuthority(dir)
			if err != nil {
				t.Error(err)
				got <- ""
				return
			}
			got <- string(a.PEM())
		}()
	}
	first := <-got
	for range cap(got) - 1 {
		if <-got != first {
			t.Error("two authorities were made at once")
		}
	}
	path := filepath.Join(dir, "authority.pem")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged one: %v", err)
	}
}

// TestPythonTrustsTheAuthority, every version that is there: from 3.13 on it
// checks certificates strictly, and 2.7 speaks HTTP/1.0 to proxies.
func TestPythonTrustsTheAuthority(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	pythons, err := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "*", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if python, err := exec.LookPath("python3"); err == nil {
		pythons = append(pythons, python)
	}
	if len(pythons) == 0 {
		t.Skip("SKIPPED: no Python on this machine")
	}
	p, _ := open(t, nil)
	bundle, err := Bundle(p.Authority, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(path, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, python := range pythons {
		cmd := exec.Command(python, "-c", `
import ssl
try:
    from urllib.request import urlopen
except ImportError:
    from urllib2 import urlopen
c = ssl.create_default_context()
c.verify_flags |= getattr(ssl, "VERIFY_X509_STRICT", 0)
print(urlopen("https://storage.googleapis.com/held/x", context=c).read().decode())
print(urlopen("https://held.storage.googleapis.com/x", data=b"body").read().decode())`)
		cmd.Env = []string{"https_proxy=" + p.URL(), "SSL_CERT_FILE=" + path, "PATH=" + os.Getenv("PATH"), "HOME=" + home}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Count(string(out), "storage: ") != 2 || !strings.Contains(string(out), "POST localhost /held/x") {
			t.Errorf("%s: %v: %s", python, err, out)
		}
	}
}

func TestTheBundleHasWhatTheMachineTrusts(t *testing.T) {
	a := newAuthorityIn(t, t.TempDir())
	extra := filepath.Join(t.TempDir(), "mine.pem")
	if err := os.WriteFile(extra, []byte("-----BEGIN CERTIFICATE-----\nmine"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := Bundle(a, extra)
	if err != nil || string(b) != "-----BEGIN CERTIFICATE-----\nmine\n"+string(a.PEM()) {
		t.Errorf("Bundle = %q, %v", b, err)
	}
	if _, err := Bundle(a, extra+".absent"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a bundle that is not there: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(mozilla()) || bytes.Count(mozilla(), []byte("BEGIN")) < 100 {
		t.Error("the list that is built in is not one")
	}
}

func TestCredentialsAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	c, err := OpenCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenCredentials(dir)
	if err != nil || string(c.JSON("p", "http://x/token")) != string(again.JSON("p", "http://x/token")) {
		t.Errorf("opened again they are others: %v", err)
	}
	jwt := func(head string) string { return base64.RawURLEncoding.EncodeToString([]byte(head)) + ".e30.sig" }
	if !c.Signed(jwt(`{"alg":"RS256","kid":"` + c.id + `"}`)) {
		t.Error("a token signed with them is not known")
	}
	for _, other := range []string{"", "ya29.x", jwt(`{"kid":"another"}`), jwt(`{}`), "."} {
		if c.Signed(other) {
			t.Errorf("%q is taken for one signed with them", other)
		}
	}
}

func TestTheMachinesProxyIsChosenByHost(t *testing.T) {
	find := Machine(func(name string) string {
		return map[string]string{"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "internal.example,10.0.0.0/8"}[name]
	})
	for host, want := range map[string]string{"example.com": "http://proxy:3128", "a.internal.example": "", "10.1.2.3": "", "localhost": "", "127.0.0.1": ""} {
		got := ""
		if u := find(host); u != nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%s goes by %q, want %q", host, got, want)
		}
	}
}
