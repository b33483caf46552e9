package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// valve is a front of a server that stops passing content on after so many
// bytes, and tells.
type valve struct {
	mu      sync.Mutex
	left    int64 // -1 for open
	passed  int64
	reached chan struct{}
	gone    chan struct{}
}

func (v *valve) close(after int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.left, v.passed, v.reached, v.gone = after, 0, make(chan struct{}), make(chan struct{})
}

func (v *valve) open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.gone)
	v.left, v.passed = -1, 0
}

func (v *valve) moved() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.passed
}

func (v *valve) pass(n int) error {
	v.mu.Lock()
	v.passed += int64(n)
	if v.left < 0 || v.passed < v.left {
		v.mu.Unlock()
		return nil
	}
	select {
	case <-v.reached:
	default:
		close(v.reached)
	}
	gone := v.gone
	v.mu.Unlock()
	<-gone
	return io.ErrUnexpectedEOF
}

type valved struct {
	io.ReadCloser
	v *valve
}

func (r valved) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p[:min(len(p), 64<<10)])
	if passErr := r.v.pass(n); passErr != nil {
		err = passErr
	}
	return n, err
}

// settled returns when the server has put away what arrived of an upload that
// was cut.
func settled(t *testing.T, server, home string, size int64) {
	t.Helper()
	records, err := filepath.Glob(filepath.Join(home, ".local/state/trainyard/transfers/*.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records: %v, %v", records, err)
	}
	raw, err := os.ReadFile(records[0])
	if err != nil {
		t.Fatal(err)
	}
	var record struct{ ID string }
	if err := json.Unmarshal(raw, &record); err != nil {
		t.Fatal(err)
	}
	for {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server+"/upload/storage/v1/b/trainyard-default/o?uploadType=resumable&upload_id="+record.ID, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.Header.Get("Range") != "" {
			return
		}
	}
}

// TestAKilledTransferGoesOn: the command is killed with SIGKILL in the middle
// of a copy; the same command again sends the rest, and the whole is right.
func TestAKilledTransferGoesOn(t *testing.T) {
	y := newYard(t)
	target, err := url.Parse("http://" + y.addr)
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{left: -1}
	front := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if r.Out.Body != nil && r.Out.Method == http.MethodPut {
				r.Out.Body = valved{r.Out.Body, v}
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Query().Get("alt") == "media" {
				r.Body = valved{r.Body, v}
			}
			return nil
		},
		FlushInterval: -1,
	}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	content := make([]byte, 40<<20)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(content)
	if err := os.WriteFile(filepath.Join(dir, "big"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		c := exec.Command(binary, append([]string{"storage"}, args...)...)
		c.Dir = dir
		c.Env = append(os.Environ(), "TRAINYARD_ENDPOINT="+server.URL, "HOME="+dir, "XDG_STATE_HOME=")
		return c
	}
	whole := func(args ...string) {
		t.Helper()
		if out, err := command(args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	for _, args := range [][]string{{"cp", "big", "gs://trainyard-default/big"}, {"cp", "gs://trainyard-default/big", "back"}} {
		const half = 20 << 20
		v.close(half)
		c := command(args...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		<-v.reached
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		v.open()
		if args[1] == "big" {
			settled(t, "http://"+y.addr, dir, int64(len(content)))
		}
		if _, err := os.Stat(filepath.Join(dir, "back")); err == nil {
			t.Fatal("half a download has the final name")
		}
		whole(args...)
		if n := v.moved(); n == 0 || n > int64(len(content))-half/2 {
			t.Errorf("%q: the second run moved %d of %d bytes", args, n, len(content))
		}
	}
	if got, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what came back is not what was sent: %v", err)
	}
}
