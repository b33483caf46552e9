package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// tlsRecord begins every TLS connection; no HTTP method begins with it.
const tlsRecord = 0x16

// firstByte is how long a client may take to say anything.
const firstByte = 30 * time.Second

// WithTLS has the one port answer TLS as well as plain HTTP: clients that
// insist on TLS, as gsutil does, get it, and the others need no certificate.
func WithTLS(l net.Listener, c tls.Certificate) net.Listener {
	e := &either{
		Listener: l, config: &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		conns: make(chan net.Conn), failed: make(chan error, 1), closed: make(chan struct{}), waiting: map[net.Conn]bool{},
	}
	go e.accept()
	return e
}

// either listens for both.
type either struct {
	net.Listener
	config *tls.Config
	conns  chan net.Conn
	failed chan error
	closed chan struct{}

	mu      sync.Mutex
	waiting map[net.Conn]bool // guarded by mu; connections that have said nothing; nil when closed
}

func (e *either) accept() {
	for {
		c, err := e.Listener.Accept()
		if err != nil {
			e.failed <- err
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		e.mu.Lock()
		if e.waiting != nil {
			e.waiting[c] = true
		}
		e.mu.Unlock()
		go e.sort(c)
	}
}

// sort waits for a connection's first byte, which tells what it speaks.
func (e *either) sort(c net.Conn) {
	var b [1]byte
	_ = c.SetReadDeadline(time.Now().Add(firstByte))
	n, err := c.Read(b[:])
	_ = c.SetReadDeadline(time.Time{})
	e.mu.Lock()
	delete(e.waiting, c)
	e.mu.Unlock()
	if n == 0 || err != nil {
		_ = c.Close()
		return
	}
	var sorted net.Conn = &begun{Conn: c, first: b[:]}
	if b[0] == tlsRecord {
		sorted = tls.Server(sorted, e.config)
	}
	select {
	case e.conns <- sorted:
	case <-e.closed:
		_ = c.Close()
	}
}

func (e *either) Accept() (net.Conn, error) {
	select {
	case c := <-e.conns:
		return c, nil
	case err := <-e.failed:
		return nil, err
	}
}

func (e *either) Close() error {
	e.mu.Lock()
	waiting := e.waiting
	e.waiting = nil
	e.mu.Unlock()
	if waiting == nil {
		return nil
	}
	close(e.closed)
	for c := range waiting {
		_ = c.Close()
	}
	return e.Listener.Close()
}

// begun is a connection whose first byte was read.
type begun struct {
	net.Conn
	first []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) > 0 && len(p) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}

// ReadFrom keeps sendfile for downloads.
func (b *begun) ReadFrom(r io.Reader) (int64, error) { return io.Copy(b.Conn, r) }

// CloseWrite lets an answer reach a client whose request is not read up.
func (b *begun) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
