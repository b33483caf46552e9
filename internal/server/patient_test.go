package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/server"
)

// TestABodyThatDoesNotGoOnIsGivenUp, with what its sender holds.
func TestABodyThatDoesNotGoOnIsGivenUp(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	o := options(t)
	o.BodyPause = 50 * time.Millisecond
	o.Storage = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	})
	s := httptest.NewServer(server.New(o))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT /upload/x HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n\r\nhalf", s.Listener.Addr())
	select {
	case err := <-ended:
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "did not go on for 50ms") {
			t.Errorf("the body ends with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the body is waited for")
	}
}

// TestABodyMayTakeLong as long as it goes on, and so may what is done with it.
func TestABodyMayTakeLong(t *testing.T) {
	t.Parallel()
	const pause = 100 * time.Millisecond
	o := options(t)
	o.BodyPause = pause
	o.Storage = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Errorf("after %d bytes: %v", n, err)
		}
		select {
		case <-r.Context().Done():
			t.Error("the request is cancelled while it is worked on")
		case <-time.After(4 * pause):
		}
		fmt.Fprint(w, n)
	})
	s := httptest.NewServer(server.New(o))
	defer s.Close()
	for range 2 { // the second on the same connection
		body, sender := io.Pipe()
		go func() {
			tick := time.NewTicker(pause / 4)
			defer tick.Stop()
			for range 12 {
				<-tick.C
				_, _ = sender.Write([]byte("x"))
			}
			_ = sender.Close()
		}()
		resp, err := http.Post(s.URL+"/upload/x", "", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(answer) != "12" {
			t.Errorf("%s %q", resp.Status, answer)
		}
	}
}
