package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Machine is the proxy that the machine's environment asks for, by host.
func Machine(lookup func(name string) string) func(host string) *url.URL {
	first := func(names ...string) string {
		for _, n := range names {
			if v := lookup(n); v != "" {
				return v
			}
		}
		return ""
	}
	c := httpproxy.Config{
		HTTPSProxy: first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
		NoProxy:    first("no_proxy", "NO_PROXY"),
	}
	find := c.ProxyFunc()
	return func(host string) *url.URL {
		u, err := find(&url.URL{Scheme: "https", Host: host})
		if err != nil {
			return nil
		}
		return u
	}
}

// Bypassed reports whether one of the Hosts would be reached without a proxy by
// programs that are given this no_proxy.
func Bypassed(noProxy string) bool {
	find := (&httpproxy.Config{HTTPSProxy: "http://127.0.0.1", NoProxy: noProxy}).ProxyFunc()
	return slices.ContainsFunc(Hosts, func(host string) bool {
		u, err := find(&url.URL{Scheme: "https", Host: strings.Replace(host, "*", "bucket", 1)})
		return err == nil && u == nil
	})
}

// chain asks another proxy for a tunnel.
func (p *Proxy) chain(ctx context.Context, up *url.URL, addr string) (net.Conn, error) {
	port := up.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[up.Scheme]
		if port == "" {
			port = "80"
		}
	}
	at := net.JoinHostPort(up.Hostname(), port)
	var c net.Conn
	var err error
	switch up.Scheme {
	case "http":
		c, err = p.dial.DialContext(ctx, "tcp", at)
	case "https":
		c, err = (&tls.Dialer{NetDialer: &p.dial}).DialContext(ctx, "tcp", at)
	default:
		return nil, fmt.Errorf("a proxy at %s is not one of http or https", up.Redacted())
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the proxy %s: %w", up.Redacted(), err)
	}
	// A proxy that does not answer must not be waited for without end.
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	req := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if u := up.User; u != nil {
		password, _ := u.Password()
		req += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(c, req+"\r\n"); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("ask the proxy %s: %w", up.Redacted(), err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("ask the proxy %s: %w", up.Redacted(), err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = c.Close()
		return nil, fmt.Errorf("the proxy %s does not connect to %s: %s", up.Redacted(), addr, resp.Status)
	}
	_ = c.SetDeadline(time.Time{})
	if r.Buffered() > 0 {
		return &prefixed{Conn: c, r: r}, nil
	}
	return c, nil
}
