package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serveEither serves a handler on one port, over both wires.
func serveEither(t *testing.T, h http.Handler) (addr string, roots *x509.CertPool) {
	t.Helper()
	lender := httptest.NewTLSServer(http.NotFoundHandler()) // lends its certificate
	t.Cleanup(lender.Close)
	roots = x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, WithTLS(plain, lender.TLS.Certificates[0]), h, time.Second, slog.New(slog.NewTextHandler(t.Output(), nil)))
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return plain.Addr().String(), roots
}

func TestOnePortSpeaksBothWires(t *testing.T) {
	addr, roots := serveEither(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%t %d", r.TLS != nil, n)
	}))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}}
	defer client.CloseIdleConnections()
	for url, want := range map[string]string{"http://" + addr: "false 100000", "https://" + addr: "true 100000"} {
		for range 2 { // a connection kept alive is sorted once
			res, err := client.Post(url, "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(b) != want {
				t.Errorf("%s: %q, %v, want %q", url, b, err, want)
			}
		}
	}
}

// TestSilentConnectionsHinderNobody: one that says nothing keeps neither another
// from being served nor the server from stopping.
func TestSilentConnectionsHinderNobody(t *testing.T) {
	addr, _ := serveEither(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for range 20 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	half, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	_, _ = half.Write([]byte{tlsRecord, 3, 1}) // a handshake that never ends
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", addr)
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
		t.Errorf("%v, %v", res, err)
	}
}
