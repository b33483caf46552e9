package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// holdFor is how long a request waits for a server that is away. Client
// libraries give up after about 100 s of refused connections, but wait for an
// answer much longer.
const holdFor = 10 * time.Minute

// relay is the server as a program sees it: an address on loopback that stays,
// wherever the server is and while it is away. It passes the Host header on as
// it came, so that addresses in the server's answers lead through the relay
// again. Whatever a program shows, the server sees the job's token.
type relay struct {
	data  string // the data directory
	token string // the job's; empty for none
	hold  time.Duration
	l     net.Listener
	srv   *http.Server
	dial  net.Dialer
}

func openRelay(ctx context.Context, data, token string, log *slog.Logger) (*relay, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{data: data, token: token, hold: holdFor, l: l, dial: net.Dialer{Timeout: 5 * time.Second}}
	forward := &httputil.ReverseProxy{
		Rewrite:       r.rewrite,
		Transport:     &patient{relay: r, next: r.transport()},
		FlushInterval: -1,
		BufferPool:    buffers{},
		ErrorHandler:  answerAway,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	r.srv = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == tokenPath {
				r.giveToken(w)
				return
			}
			forward.ServeHTTP(w, req)
		}),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return r, nil
}

// tokenPath is where libraries exchange the job's credentials for a token. Names
// of buckets are longer than its first segment.
const tokenPath = "/o/token"

func (r *relay) giveToken(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`+"\n", r.token)
}

// URL is the relay's address, without a trailing slash.
func (r *relay) URL() string { return "http://" + r.l.Addr().String() }

// serve answers until close.
func (r *relay) serve() { _ = r.srv.Serve(r.l) }

func (r *relay) close() { _ = r.srv.Close() }

func (r *relay) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", "server"
	p.Out.Host = p.In.Host
	for _, h := range []string{"X-Forwarded-Proto", "X-Forwarded-Host"} { // of the proxy for storage
		if v, ok := p.In.Header[h]; ok {
			p.Out.Header[h] = v
		}
	}
	p.Out.Header.Del("Authorization")
	if r.token != "" {
		p.Out.Header.Set("Authorization", "Bearer "+r.token)
	}
}

// transport makes a connection per request: on loopback that costs little, and
// no request is ever sent into a connection that died with the server.
func (r *relay) transport() http.RoundTripper {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, r.hold)
			defer cancel()
			return r.connect(ctx)
		},
		DisableKeepAlives:  true,
		DisableCompression: true,
		WriteBufferSize:    64 << 10,
	}
}

// buffers are what answers are copied through.
type buffers struct{}

var pool = sync.Pool{New: func() any { return new([128 << 10]byte) }}

func (buffers) Get() []byte  { return pool.Get().(*[128 << 10]byte)[:] }
func (buffers) Put(b []byte) { pool.Put((*[128 << 10]byte)(b)) }

// connect connects to where the server is now, and waits while it is nowhere.
func (r *relay) connect(ctx context.Context) (net.Conn, error) {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		conn, err := r.connectOnce(ctx)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, &fault.Error{Kind: fault.Unavailable, Msg: "the Trainyard server is away: " + err.Error(), Err: err}
		case <-time.After(wait):
		}
	}
}

func (r *relay) connectOnce(ctx context.Context) (net.Conn, error) {
	var at struct {
		Endpoint string `json:"endpoint"`
	}
	if err := readJSON(filepath.Join(r.data, "server.json"), &at); err != nil {
		return nil, err
	}
	u, err := url.Parse(at.Endpoint)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if u.Port() == "" {
		port := map[string]string{"https": "443"}[u.Scheme]
		if port == "" {
			port = "80"
		}
		host = net.JoinHostPort(u.Hostname(), port)
	}
	if u.Scheme == "https" {
		d := tls.Dialer{NetDialer: &r.dial, Config: &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}}
		return d.DialContext(ctx, "tcp", host)
	}
	return r.dial.DialContext(ctx, "tcp", host)
}

// patient repeats requests that change nothing and carry nothing, when the
// server died before it answered.
type patient struct {
	relay *relay
	next  http.RoundTripper
}

func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	safe := (req.Method == http.MethodGet || req.Method == http.MethodHead) && (req.Body == nil || req.Body == http.NoBody)
	for until := time.Now().Add(p.relay.hold); ; {
		resp, err := p.next.RoundTrip(req)
		if err == nil || !safe || req.Context().Err() != nil || fault.Is(err, fault.Unavailable) || time.Now().After(until) {
			return resp, err
		}
		pause()
	}
}

// answerAway is 503, which client libraries repeat.
func answerAway(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"error":{"code":503,"message":"the Trainyard server went away during the request","status":"UNAVAILABLE","errors":[{"domain":"global","reason":"backendError","message":"the Trainyard server went away during the request"}]}}` + "\n"))
}

// pause is the shortest wait that is worth it between two looks.
func pause() { time.Sleep(20 * time.Millisecond) }
