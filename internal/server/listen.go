package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

type ioReader = io.Reader

func copyTo(w http.ResponseWriter, src io.Reader) (int64, error) { return io.Copy(w, src) }

// Listen binds the port. Elsewhere than on loopback it insists on a token:
// whoever reaches the port can run code.
func Listen(ctx context.Context, addr, token string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "listen address %q is not HOST:PORT", addr).WithHint("use 127.0.0.1:8450")
	}
	if token == "" && !loopback(host) {
		return nil, fault.Errorf(fault.Denied, "listening on %s lets other machines run code here, so it needs a token", addr).
			WithHint("make one and name it: head -c 32 /dev/urandom | base64 > token; trainyard serve --listen %s --token-file token", addr)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, (&fault.Error{Kind: fault.Conflict, Msg: "address " + addr + " is in use by another program", Err: err}).
			WithHint("if it is a Trainyard server, `trainyard server status` tells; else choose another with --listen 127.0.0.1:PORT")
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Msg: "cannot listen on " + addr + ": " + err.Error(), Err: err}
	}
	return l, nil
}

// Endpoint is where programs of this machine reach what listens on addr: a
// server on all addresses is on loopback, too.
func Endpoint(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Port}
	}
	return "http://" + addr.String()
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Serve answers requests on l until ctx is cancelled, then lets those under
// way finish for as long as grace. Streams that have no end are cut at once.
func Serve(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration, log *slog.Logger) error {
	streams, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		BaseContext:       func(net.Listener) context.Context { return context.WithValue(streams, stopKey{}, ctx) },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		cut(err)
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(end)
	cut(errors.New("the server is stopping"))
	if err != nil {
		_ = srv.Close()
	}
	<-done
	return nil
}

type stopKey struct{}

// Stopping is closed when the server that answers this request has been told
// to stop: a stream without an end should end itself then. A request that did
// not come through Serve never stops.
func Stopping(ctx context.Context) <-chan struct{} {
	if c, ok := ctx.Value(stopKey{}).(context.Context); ok {
		return c.Done()
	}
	return nil
}
