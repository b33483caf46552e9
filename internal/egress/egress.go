// Package egress is a program's way out of its machine: a proxy on loopback
// that stands in for Cloud Storage's hosts where the server holds the bucket
// that a request is for, and is a plain tunnel for everything else. It is for
// programs that have those hosts compiled in, as TensorFlow does, and for URLs
// of https://storage.googleapis.com/BUCKET/OBJECT. It knows neither jobs nor
// what the server stores.
package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Hosts are those that the proxy may stand in for, as a certificate names
// them.
var Hosts = []string{"storage.googleapis.com", "www.googleapis.com", "*.storage.googleapis.com"}

const suffix = ".storage.googleapis.com"

// Options are what a proxy is made of.
type Options struct {
	Authority *Authority
	// Storage answers requests for buckets that the server holds.
	Storage http.Handler
	// Held reports whether the server holds a bucket.
	Held func(ctx context.Context, bucket string) (bool, error)
	// Own tells the program's own tokens, which are told to nobody else.
	Own func(token string) bool
	// Upstream is the machine's own proxy for HTTPS; nil where there is none,
	// as for the hosts that it is not for.
	Upstream func(host string) *url.URL
	// Roots are whom to trust of the hosts themselves; nil means the machine's.
	Roots *x509.CertPool
	Log   *slog.Logger
}

// Proxy is a way out.
type Proxy struct {
	Options
	l       net.Listener
	srv     *http.Server
	inner   *http.Server
	conns   *handedOver
	out     http.Handler // to the hosts themselves
	tls     *tls.Config
	dial    net.Dialer
	mu      sync.Mutex
	known   map[string]answer // guarded by mu
	stopped chan struct{}
}

// answer is what was heard of a bucket.
type answer struct {
	held bool
	at   time.Time
}

// How long an answer is good. A bucket may be made at any time, so that one is
// not there is asked for again soon.
const (
	heldFor   = time.Minute
	absentFor = time.Second
)

// Open listens on loopback.
func Open(ctx context.Context, o Options) (*Proxy, error) {
	leaf, err := o.Authority.Issue(Hosts...)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the proxy for storage: %w", err)
	}
	p := &Proxy{Options: o, l: l, dial: net.Dialer{Timeout: 30 * time.Second}, known: map[string]answer{}, stopped: make(chan struct{})}
	p.tls = &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, DynamicRecordSizingDisabled: true}
	p.conns = &handedOver{conns: make(chan net.Conn), done: p.stopped, addr: l.Addr()}
	errs := slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)
	p.srv = &http.Server{Handler: http.HandlerFunc(p.connect), ReadHeaderTimeout: time.Minute, ErrorLog: errs}
	p.inner = &http.Server{Handler: http.HandlerFunc(p.answer), ReadHeaderTimeout: time.Minute, ErrorLog: errs}
	p.out = &httputil.ReverseProxy{
		Rewrite:       p.rewrite,
		Transport:     &http.Transport{DialContext: p.dialOut, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, DisableCompression: true, IdleConnTimeout: time.Minute},
		FlushInterval: -1,
		ErrorHandler:  p.unreachable,
		ErrorLog:      errs,
	}
	return p, nil
}

// URL is what https_proxy is set to.
func (p *Proxy) URL() string { return "http://" + p.l.Addr().String() }

// Serve answers until Close.
func (p *Proxy) Serve() {
	var both sync.WaitGroup
	both.Go(func() { _ = p.inner.Serve(p.conns) })
	_ = p.srv.Serve(p.l)
	both.Wait()
}

// Close cuts everything off.
func (p *Proxy) Close() {
	close(p.stopped)
	_ = p.srv.Close()
	_ = p.inner.Close()
}

// handedOver is a listener of connections that were made elsewhere.
type handedOver struct {
	conns chan net.Conn
	done  <-chan struct{}
	addr  net.Addr
}

func (h *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handedOver) Close() error   { return nil }
func (h *handedOver) Addr() net.Addr { return h.addr }

// connect is the proxy's one method.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy is for https only: set https_proxy to it, not http_proxy", http.StatusNotImplemented)
		return
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, "CONNECT needs HOST:PORT, not "+r.Host, http.StatusBadRequest)
		return
	}
	if ours(host) && port == "443" {
		p.standIn(w)
		return
	}
	far, err := p.dialOut(r.Context(), "tcp", r.Host)
	if err != nil {
		p.noTunnel(w, err)
		return
	}
	near, ok := hijack(w)
	if !ok {
		_ = far.Close()
		return
	}
	p.join(near, far)
}

// noTunnel says why in the status line, which is all of an answer to CONNECT
// that libraries show.
func (p *Proxy) noTunnel(w http.ResponseWriter, err error) {
	c, _, hijacked := http.NewResponseController(w).Hijack()
	if hijacked != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	why := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, err.Error())
	_, _ = io.WriteString(c, "HTTP/1.1 502 "+why+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	_ = c.Close()
}

func ours(host string) bool {
	host = strings.ToLower(host)
	return host == "storage.googleapis.com" || host == "www.googleapis.com" || strings.HasSuffix(host, suffix)
}

// hijack takes a connection over, and says that the tunnel stands.
func hijack(w http.ResponseWriter) (net.Conn, bool) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, false
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = c.Close()
		return nil, false
	}
	if n := rw.Reader.Buffered(); n > 0 { // a client that does not wait for the answer
		early, _ := rw.Reader.Peek(n)
		return &prefixed{Conn: c, r: io.MultiReader(strings.NewReader(string(early)), c)}, true
	}
	return c, true
}

// prefixed is a connection of which something was read already.
type prefixed struct {
	net.Conn
	r io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) { return p.r.Read(b) }

// standIn speaks TLS in the host's place.
func (p *Proxy) standIn(w http.ResponseWriter) {
	c, ok := hijack(w)
	if !ok {
		return
	}
	// What TLS reads by the record is taken from the kernel in larger parts.
	c = &prefixed{Conn: c, r: bufio.NewReaderSize(c, 128<<10)}
	select {
	case p.conns.conns <- newPlain(tls.Server(c, p.tls)):
	case <-p.stopped:
		_ = c.Close()
	}
}

// join passes everything on in both directions until both are done or the
// proxy is closed.
func (p *Proxy) join(near, far net.Conn) {
	done := make(chan struct{})
	var both sync.WaitGroup
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		} else {
			_ = to.Close()
		}
	}
	both.Go(func() { pass(far, near) })
	both.Go(func() { pass(near, far) })
	go func() { both.Wait(); close(done) }()
	select {
	case <-done:
	case <-p.stopped:
	}
	_ = near.Close()
	_ = far.Close()
}

// answer is a request to a host that the proxy stands in for.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request) {
	bucket, storage := bucketOf(strings.ToLower(hostname(r.Host)), r.URL.EscapedPath())
	if storage && (bucket == "" || p.held(r.Context(), bucket)) {
		p.local(w, r)
		return
	}
	p.out.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), asked{}, r)))
}

// asked is the key of a request as it came, in the context of one that is sent
// on.
type asked struct{}

// local has the server answer, in the form that names buckets in the path.
// Addresses in its answer must lead back here.
func (p *Proxy) local(w http.ResponseWriter, r *http.Request) {
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Host", r.Host)
	if bucket, ok := strings.CutSuffix(strings.ToLower(hostname(r.Host)), suffix); ok && !isJSON(r.URL.EscapedPath()) {
		r.URL.Path, r.URL.RawPath = "/"+bucket+r.URL.Path, "/"+url.PathEscape(bucket)+r.URL.EscapedPath()
	}
	r.Host = "localhost"
	p.Storage.ServeHTTP(w, r)
}

func hostname(hostPort string) string {
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		return h
	}
	return hostPort
}

// jsonPaths begin the paths of the JSON API.
var jsonPaths = []string{"/resumable/upload/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/", "/storage/v1/"}

func isJSON(path string) bool {
	return slices.ContainsFunc(jsonPaths, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}

// bucketOf finds the bucket that a request is about, empty where it is about
// none in particular. Paths that are not storage's are somebody else's.
func bucketOf(host, path string) (bucket string, storage bool) {
	for _, prefix := range jsonPaths {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		if rest, ok = strings.CutPrefix(rest, "b/"); !ok {
			return "", true // projects, buckets
		}
		bucket, _, _ = strings.Cut(rest, "/")
		return unescape(bucket), true
	}
	switch {
	case strings.HasPrefix(path, "/batch/storage/"), path == "/batch":
		return "", true
	case host == "www.googleapis.com":
		return "", false
	case strings.HasSuffix(host, suffix):
		return strings.TrimSuffix(host, suffix), true
	}
	bucket, _, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return unescape(bucket), true
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// held asks the server, or remembers. Where the server cannot say, the request
// is its business all the same.
func (p *Proxy) held(ctx context.Context, bucket string) bool {
	p.mu.Lock()
	a, ok := p.known[bucket]
	p.mu.Unlock()
	if age := time.Since(a.at); ok && (a.held && age < heldFor || !a.held && age < absentFor) {
		return a.held
	}
	held, err := p.Held(ctx, bucket)
	if err != nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[bucket] = answer{held, time.Now()}
	return held
}

// rewrite sends a request on to the host that it was meant for.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host = "https", r.In.Host
	r.Out.Host = r.In.Host
	// "Bearer TOKEN", and "OAuth TOKEN" of old libraries.
	if words := strings.Fields(r.In.Header.Get("Authorization")); len(words) > 0 && p.Own(words[len(words)-1]) {
		r.Out.Header.Del("Authorization")
	}
	if q := r.In.URL.Query(); q.Has("access_token") && p.Own(q.Get("access_token")) {
		q.Del("access_token")
		r.Out.URL.RawQuery = q.Encode()
	}
}

// unreachable answers what could not be sent on: on a machine that is off the
// network, a bucket that the server does not hold is one that does not exist.
func (p *Proxy) unreachable(w http.ResponseWriter, out *http.Request, err error) {
	r := out.Context().Value(asked{}).(*http.Request)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" && (r.Body == nil || r.ContentLength == 0) {
		p.local(w, r)
		return
	}
	p.Log.Warn("a request could not be sent on", "host", r.Host, "err", err)
	http.Error(w, "the server holds no such bucket, and "+r.Host+" cannot be reached: "+err.Error(), http.StatusBadGateway)
}

// dialOut connects to a host elsewhere, through the machine's own proxy where
// there is one.
func (p *Proxy) dialOut(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if up := p.Upstream(host); up != nil {
		return p.chain(ctx, up, addr)
	}
	return p.dial.DialContext(ctx, network, addr)
}
