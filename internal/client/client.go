// Package client speaks to a Trainyard server: jobs over the ml v1 API, objects
// over the storage v1 API, and our own additions (following a job, its
// timeline). What it returns as an error is a fault, never a status. It knows
// nothing of flags, terminals or the local machine.
package client

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"

	"github.com/trainyard/trainyard/internal/fault"
)

// Options are what a client is made of.
type Options struct {
	Endpoint  string // http://host:port
	Token     string // sent as a bearer token when not empty
	UserAgent string
	HTTP      *http.Client // nil for one of its own
}

// Client is a connection to one server. It may be used from several
// goroutines.
type Client struct {
	base  string // without a trailing slash
	http  *http.Client
	quiet time.Duration // how long an answer that was begun may pause
	store *storage.Service
}

// New makes a client. Nothing is sent yet.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.Errorf(fault.Invalid, "endpoint %q is not an address such as http://127.0.0.1:8450", o.Endpoint)
	}
	c := &Client{base: strings.TrimRight(o.Endpoint, "/"), quiet: answerTime}
	inner := http.RoundTripper(newTransport(u))
	if o.HTTP != nil {
		inner = o.HTTP.Transport
		if inner == nil {
			inner = http.DefaultTransport
		}
	}
	c.http = &http.Client{Transport: &transport{next: inner, token: o.Token, agent: o.UserAgent}}
	c.store, err = storage.NewService(context.Background(), option.WithHTTPClient(c.http), option.WithEndpoint(c.base+"/storage/v1/"), option.WithLogger(quiet))
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "make a storage client: %w", err)
	}
	return c, nil
}

// Endpoint is the server's address.
func (c *Client) Endpoint() string { return c.base }

// answerTime is how long an answer, or more of it, is waited for.
const answerTime = 2 * time.Minute

// newTransport dials directly where the server is on this machine: a proxy
// that the environment names could not reach it.
func newTransport(u *url.URL) *http.Transport {
	t := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: answerTime,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       30 * time.Second,
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		t.Proxy = http.ProxyFromEnvironment
		t.ForceAttemptHTTP2 = true
	}
	return t
}

// transport puts our headers on every request and checks that it goes where
// the client was made for.
type transport struct {
	next         http.RoundTripper
	token, agent string
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if t.token != "" {
		r.Header.Set("Authorization", "Bearer "+t.token)
	}
	if t.agent != "" {
		r.Header.Set("User-Agent", t.agent)
	}
	return t.next.RoundTrip(r)
}
