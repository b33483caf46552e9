package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// place writes server.json as a server does that accepts requests there.
func place(t *testing.T, data, endpoint string) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"endpoint": endpoint, "pid": os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(data, "server.json"), b, false); err != nil {
		t.Fatal(err)
	}
}

func newRelay(t *testing.T, data string) *relay {
	t.Helper()
	r, err := openRelay(t.Context(), data, "secret", slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); r.serve() }()
	t.Cleanup(func() { r.close(); <-served })
	return r
}

// serveAt serves on an address until the returned function is called.
func serveAt(t *testing.T, addr string, h http.HandlerFunc) (string, func()) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(l) }()
	stop := func() { _ = srv.Close(); <-served }
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func get(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
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

func TestTheRelayPassesRequestsOnAsTheyAre(t *testing.T) {
	data := t.TempDir()
	addr, _ := serveAt(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.RequestURI, r.Host, r.Header.Get("Authorization"), b)
	})
	place(t, data, "http://"+addr)
	relay := newRelay(t, data)
	const path = "/storage/v1/b/b/o/a%2F..%2F%2Fb?alt=media&x=%20"
	_, got := get(t, http.MethodPut, relay.URL()+path, "body")
	// The token is the job's, whatever a program shows.
	if want := "PUT " + path + " " + relay.l.Addr().String() + " Bearer secret body"; got != want {
		t.Errorf("the server got\n%s\nwant\n%s", got, want)
	}
}

func TestTheRelayHoldsRequestsWhileTheServerIsAway(t *testing.T) {
	data := t.TempDir()
	relay := newRelay(t, data)
	answered := make(chan string)
	put := func() {
		_, got := get(t, http.MethodPut, relay.URL()+"/x", "kept")
		answered <- got
	}
	echo := func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

	go put() // before the server was ever there
	addr, stop := serveAt(t, "127.0.0.1:0", echo)
	place(t, data, "http://"+addr)
	if got := <-answered; got != "kept" {
		t.Errorf("the answer is %q", got)
	}
	stop()
	go put() // between two servers
	if _, stop := serveAt(t, addr, echo); stop != nil {
		if got := <-answered; got != "kept" {
			t.Errorf("after the restart the answer is %q", got)
		}
		stop()
	}
	go put() // to another address
	addr, _ = serveAt(t, "127.0.0.1:0", echo)
	place(t, data, "http://"+addr)
	if got := <-answered; got != "kept" {
		t.Errorf("after the move the answer is %q", got)
	}
}

func TestTheRelayRepeatsReadsThatTheServerDidNotAnswer(t *testing.T) {
	data := t.TempDir()
	relay := newRelay(t, data)
	var calls atomic.Int32
	addr, _ := serveAt(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			panic(http.ErrAbortHandler) // as a server that is killed
		}
		_, _ = io.WriteString(w, "again")
	})
	place(t, data, "http://"+addr)
	if status, got := get(t, http.MethodGet, relay.URL()+"/x", ""); status != 200 || got != "again" {
		t.Errorf("the answer is %d %q", status, got)
	}
	calls.Store(0)
	if status, _ := get(t, http.MethodPost, relay.URL()+"/x", "not twice"); status != http.StatusServiceUnavailable || calls.Load() != 1 {
		t.Errorf("a cut POST is answered with %d after %d calls, want 503 after one", status, calls.Load())
	}
}

func TestTheRelayGivesUpInTheEnd(t *testing.T) {
	relay := newRelay(t, t.TempDir())
	relay.hold = 50 * time.Millisecond
	if status, got := get(t, http.MethodPut, relay.URL()+"/x", "x"); status != http.StatusServiceUnavailable || !strings.Contains(got, "UNAVAILABLE") {
		t.Errorf("without a server the answer is %d %s", status, got)
	}
}

func TestTheRelayStreams(t *testing.T) {
	data := t.TempDir()
	relay := newRelay(t, data)
	next := make(chan struct{})
	addr, _ := serveAt(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "part\n")
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	})
	place(t, data, "http://"+addr)
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, relay.URL()+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 5)
	for range 3 {
		if _, err := io.ReadFull(resp.Body, buf); err != nil {
			t.Fatal(err)
		}
		next <- struct{}{}
	}
}
