package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/server"
)

func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name) })
}

func options(t *testing.T) server.Options {
	return server.Options{
		ML: named("ml"), Logging: named("logging"), Storage: named("storage"), Own: named("own"),
		Ready: func(context.Context) error { return nil },
		Log:   slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func ask(h http.Handler, method, url string, header ...string) (int, string) {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const at = "http://127.0.0.1:8450"

func TestPathsGoToTheirWire(t *testing.T) {
	h := server.New(options(t))
	for path, want := range map[string]string{
		"/v1/projects/p/jobs":               "ml",
		"/v1/projects/p/jobs/j:cancel":      "ml",
		"/v1/projects/p/jobs/j:follow":      "own",
		"/v1/projects/p/jobs/j:timeline":    "own",
		"/v1/server":                        "own",
		"/v1/runtimes":                      "own",
		"/v1/runtimes/2.11":                 "own",
		"/v1/environments:prune":            "own",
		"/v1/environmentsx":                 "ml",
		"/v1/projects/p/jobs/j:environment": "own",
		"/$discovery/rest?version=v1":       "ml",
		"/v2/entries:list":                  "logging",
		"/storage/v1/b":                     "storage",
		"/upload/storage/v1/b/x/o":          "storage",
		"/resumable/upload/storage/v1/b/x":  "storage",
		"/download/storage/v1/b/x/o/y":      "storage",
		"/my-bucket/an/object":              "storage",
		"/my-bucket/../v1/x":                "storage",
		"/healthz":                          "ok\n",
		"/readyz":                           "ok\n",
	} {
		if code, got := ask(h, "GET", at+path); code != 200 || got != want {
			t.Errorf("GET %s = %d %q, want %q", path, code, got, want)
		}
	}
}

func TestTheServersOwnPathsAreTaken(t *testing.T) {
	for name, want := range map[string]bool{"storage": true, "healthz": true, "console": true, "my-bucket": false} {
		if got := server.Taken(name); got != want {
			t.Errorf("Taken(%q) = %t", name, got)
		}
	}
}

func TestWebPagesAndForeignHostsAreRefused(t *testing.T) {
	h := server.New(options(t))
	for _, tt := range []struct {
		header []string
		want   int
	}{
		{nil, 200},
		{[]string{"Host", "localhost:8450"}, 200},
		{[]string{"Host", "[::1]:8450"}, 200},
		{[]string{"Host", "evil.example:8450"}, 403},
		{[]string{"Host", "127.0.0.1.evil.example"}, 403},
		{[]string{"Host", "10.0.0.1:8450"}, 403},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "http://127.0.0.1:8450"}, 200},
		{[]string{"Origin", "http://127.0.0.1:9999"}, 403},
	} {
		if code, body := ask(h, "POST", at+"/v1/projects/p/jobs", tt.header...); code != tt.want {
			t.Errorf("with %q: %d %s, want %d", tt.header, code, body, tt.want)
		}
	}
}

// TestAProofOpensStorageOnly: what proves to storage that it is allowed goes
// there without a token, and nowhere else.
func TestAProofOpensStorageOnly(t *testing.T) {
	o := options(t)
	o.Token = "secret"
	o.Proven = func(*http.Request) bool { return true }
	o.Storage = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("storage")) })
	o.Account = func(bearer string) bool { return bearer == "signed" }
	o.Tokens = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a token")) })
	h := server.New(o)
	if code, body := ask(h, "GET", at+"/bucket/object", "Host", "yard.example"); code != 200 || body != "storage" {
		t.Errorf("with a proof: %d %s", code, body)
	}
	for _, path := range []string{"/v1/projects/p/jobs", "/v1/server", "/v2/entries:list", "/storage/v1/b", "/upload/storage/v1/b/x/o", "/"} {
		if code, _ := ask(h, "GET", at+path); code != 401 {
			t.Errorf("GET %s with a proof for storage = %d, want 401", path, code)
		}
		if code, _ := ask(h, "GET", at+path, "Authorization", "Bearer signed"); code != 200 {
			t.Errorf("GET %s with a token of the account's = %d, want 200", path, code)
		}
	}
	if code, body := ask(h, "POST", at+server.TokenPath); code != 200 || body != "a token" {
		t.Errorf("%s: %d %s", server.TokenPath, code, body)
	}
}

func TestATokenIsAskedForOnEveryWire(t *testing.T) {
	o := options(t)
	o.Token = "secret"
	h := server.New(o)
	for _, path := range []string{"/v1/projects/p/jobs", "/v1/server", "/v2/entries:list", "/storage/v1/b", "/bucket/object", "/"} {
		want := "UNAUTHENTICATED"
		if path == "/bucket/object" {
			want = "<Code>AuthenticationRequired</Code>"
		}
		if code, body := ask(h, "GET", at+path); code != 401 || !strings.Contains(body, want) {
			t.Errorf("GET %s without a token = %d %s, want 401", path, code, body)
		}
		if code, _ := ask(h, "GET", at+path, "Authorization", "Bearer wrong"); code != 401 {
			t.Errorf("GET %s with a wrong token = %d, want 401", path, code)
		}
		if code, body := ask(h, "GET", at+path, "Authorization", "Bearer secret", "Host", "yard.example"); code != 200 {
			t.Errorf("GET %s with the token = %d %s, want 200", path, code, body)
		}
		if code, _ := ask(h, "GET", at+path+"?access_token=secret"); code != 200 {
			t.Errorf("GET %s with access_token = %d, want 200", path, code)
		}
	}
	if code, _ := ask(h, "GET", at+"/healthz"); code != 200 {
		t.Errorf("health asks for a token: %d", code)
	}
}

func TestTokensOfJobsAreAdmitted(t *testing.T) {
	type who struct{}
	for _, serverToken := range []string{"", "secret"} {
		o := options(t)
		o.Token = serverToken
		o.Admit = func(ctx context.Context, token string) (context.Context, bool, error) {
			switch token {
			case "job.good":
				return context.WithValue(ctx, who{}, "a job"), true, nil
			case "job.old":
				return ctx, true, fault.Errorf(fault.Denied, "the job has ended")
			case "job.unlucky":
				return ctx, true, errors.New("disk")
			}
			return ctx, false, nil
		}
		o.ML = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Context().Value(who{})) })
		h := server.New(o)
		for token, want := range map[string]struct {
			code int
			text string
		}{
			"job.good":    {200, "a job"},
			"job.old":     {401, "the job has ended"},
			"job.unlucky": {503, "cannot be checked now"},
			"secret":      {200, "<nil>"},
		} {
			if code, body := ask(h, "GET", at+"/v1/projects/p/jobs", "Authorization", "Bearer "+token); code != want.code || !strings.Contains(body, want.text) {
				t.Errorf("server token %q, %s: %d %s, want %d and %q", serverToken, token, code, body, want.code, want.text)
			}
		}
		if code, _ := ask(h, "GET", at+"/v1/projects/p/jobs", "Authorization", "Bearer job.good", "Origin", "https://evil.example"); code != 403 {
			t.Errorf("a web page with a job's token: %d, want 403", code)
		}
		if code, _ := ask(h, "GET", at+"/healthz", "Authorization", "Bearer job.old"); code != 200 {
			t.Errorf("health with an old token: %d", code)
		}
	}
}

func TestReadyzSaysWhyNot(t *testing.T) {
	o := options(t)
	o.Ready = func(context.Context) error { return errors.New("the disk is full") }
	if code, body := ask(server.New(o), "GET", at+"/readyz"); code != 503 || !strings.Contains(body, "the disk is full") {
		t.Errorf("readyz = %d %q, want 503 and the reason", code, body)
	}
}

func TestAPanicIsA500(t *testing.T) {
	o := options(t)
	o.ML = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("bug") })
	if code, body := ask(server.New(o), "GET", at+"/v1/x"); code != 500 || !strings.Contains(body, "internal error") || strings.Contains(body, "bug") {
		t.Errorf("a panic answers %d %s", code, body)
	}
}

func TestListenElsewhereNeedsAToken(t *testing.T) {
	if _, err := server.Listen(t.Context(), "0.0.0.0:0", ""); !fault.Is(err, fault.Denied) {
		t.Errorf("Listen(0.0.0.0) without a token: %v, want denied", err)
	}
	l, err := server.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := server.Listen(t.Context(), l.Addr().String(), ""); !fault.Is(err, fault.Conflict) || fault.HintOf(err) == "" {
		t.Errorf("Listen on a port in use: %v, want a conflict with a hint", err)
	}
}

// TestEndpointCanBeAsked: whoever reads where a server is can paste it.
func TestEndpointCanBeAsked(t *testing.T) {
	for listen, host := range map[string]string{"0.0.0.0:0": "127.0.0.1", ":0": "127.0.0.1", "[::]:0": "127.0.0.1", "127.0.0.1:0": "127.0.0.1"} {
		l, err := server.Listen(t.Context(), listen, "sesame")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			if c, err := l.Accept(); err == nil {
				_ = c.Close()
			}
		}()
		addr, ok := strings.CutPrefix(server.Endpoint(l.Addr()), "http://"+host+":")
		if !ok {
			t.Fatalf("%s: %s", listen, server.Endpoint(l.Addr()))
		}
		c, err := net.Dial("tcp", host+":"+addr)
		if err != nil {
			t.Errorf("%s: %v", listen, err)
			continue
		}
		_ = c.Close()
	}
}

func TestServeEndsStreamsAndReturns(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-server.Stopping(r.Context())
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l, h, 5*time.Second, slog.New(slog.DiscardHandler)) }()
	go func() {
		if resp, err := http.Get("http://" + l.Addr().String()); err == nil {
			resp.Body.Close()
		}
	}()
	<-started
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve = %v", err)
	}
}
