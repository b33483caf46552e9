// Package gcs keeps buckets in Cloud Storage itself, over its JSON API: what
// gs:// has is there, so calls are passed on, conditions and generations as they
// are. Only uploads in several requests are kept on this machine until they are
// whole, as for any cloud.
//
// Credentials are the application default ones.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"
	transport "google.golang.org/api/transport/http"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/fault"
)

// Options are what a Store is made of.
type Options struct {
	// Place is the bucket in the cloud and the prefix within it that keep one.
	Place func(bucket string) (container, prefix string, err error)
	// Endpoint is empty for Google's. One that is not over TLS gets no credentials.
	Endpoint string
	Spool    bucket.Store // keeps which buckets are known, and sessions
	Dir      string       // where bodies are spooled
	// Patience is how long an answer of the service is waited for; 0 for as long as
	// is good.
	Patience time.Duration
}

// Store passes calls on.
type Store struct {
	cloud.Sessions
	o Options

	mu  sync.Mutex
	api *storage.Service // guarded by mu; made when it is first needed
}

var _ bucket.Store = (*Store)(nil)

// New makes a store. It asks nobody yet.
func New(o Options) *Store {
	s := &Store{o: o}
	s.Sessions = cloud.Sessions{Spool: o.Spool, To: s, Dir: o.Dir}
	return s
}

// place is where a bucket is kept.
type place struct {
	*storage.Service
	bucket    string
	container string
	prefix    string
	url       string
}

// place finds a bucket. Credentials are looked for at the first call, and again
// after a failure, so that a server starts without.
func (s *Store) place(ctx context.Context, name string) (place, error) {
	container, prefix, err := s.o.Place(name)
	if err != nil {
		return place{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.api == nil {
		opts := []option.ClientOption{option.WithScopes(storage.DevstorageFullControlScope), option.WithUserAgent("trainyard")}
		if s.o.Endpoint != "" {
			opts = append(opts, option.WithEndpoint(strings.TrimSuffix(s.o.Endpoint, "/")+"/storage/v1/"))
		}
		if strings.HasPrefix(s.o.Endpoint, "http:") {
			opts = append(opts, option.WithoutAuthentication())
		}
		api, err := connect(context.WithoutCancel(ctx), s.o.Patience, opts)
		if err != nil {
			return place{}, fault.Errorf(fault.Unavailable, "gs://%s (kept in Cloud Storage as %s) cannot be used: %w", name, container, err).
				WithHint("give the server application default credentials: GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, or a machine's service account")
		}
		s.api = api
	}
	return place{s.api, name, container, prefix, s.api.BasePath}, nil
}

// connect makes the client of the service.
func connect(ctx context.Context, patience time.Duration, opts []option.ClientOption) (*storage.Service, error) {
	t, err := transport.NewTransport(ctx, asStored{cloud.Transport(patience)}, opts...)
	if err != nil {
		return nil, err
	}
	return storage.NewService(ctx, append(opts, option.WithHTTPClient(&http.Client{Transport: t}))...)
}

// asStored asks for content as it is stored, packed or not: else the service or
// net/http would unpack it on the way.
type asStored struct{ http.RoundTripper }

func (t asStored) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("alt") == "media" {
		r = r.Clone(r.Context())
		r.Header.Set("Accept-Encoding", "gzip")
	}
	return t.RoundTripper.RoundTrip(r)
}

// object finds a bucket and checks a name in it.
func (s *Store) object(ctx context.Context, bucketName, name string) (place, error) {
	p, err := s.place(ctx, bucketName)
	if err != nil {
		return p, err
	}
	if err := bucket.CheckObjectName(name); err != nil {
		return p, err
	}
	if len(p.prefix+name) > 1024 {
		return p, fault.Errorf(fault.Invalid, "the name %q is %d bytes long with its place in gs://%s; 1024 are allowed", name, len(p.prefix+name), p.container)
	}
	return p, s.known(ctx, p)
}

// known refuses a bucket below a prefix that is not there. A whole bucket the
// service knows by itself.
func (s *Store) known(ctx context.Context, p place) error {
	if p.prefix == "" {
		return nil
	}
	_, err := s.Spool.Bucket(ctx, p.bucket)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	any, err := p.holdsAny(ctx)
	if err != nil {
		return err
	}
	if !any {
		return bucket.NoBucket(p.bucket)
	}
	_, err = cloud.Know(ctx, s.Spool, bucket.Bucket{Name: p.bucket})
	return err
}

func (p place) holdsAny(ctx context.Context) (bool, error) {
	list, err := p.Objects.List(p.container).Prefix(p.prefix).Versions(true).MaxResults(1).Context(ctx).Do()
	if err != nil {
		return false, p.fault(err)
	}
	return len(list.Items) > 0, nil
}

// conditions are parameters of a call; prefix is "if" or "ifSource".
func conditions(c bucket.Conditions, prefix string) (opts []googleapi.CallOption) {
	for name, v := range map[string]*int64{
		"GenerationMatch": c.GenerationMatch, "GenerationNotMatch": c.GenerationNotMatch,
		"MetagenerationMatch": c.MetagenerationMatch, "MetagenerationNotMatch": c.MetagenerationNotMatch,
	} {
		if v != nil {
			opts = append(opts, googleapi.QueryParameter(prefix+name, strconv.FormatInt(*v, 10)))
		}
	}
	return opts
}

// generation is a parameter where one is named.
func generation(opts []googleapi.CallOption, name string, g int64) []googleapi.CallOption {
	if g == 0 {
		return opts
	}
	return append(opts, googleapi.QueryParameter(name, strconv.FormatInt(g, 10)))
}

// fault gives an error of the service its kind.
func (p place) fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	what := fmt.Sprintf("gs://%s (kept in gs://%s at %s)", p.bucket, p.container, p.url)
	e, said := errors.AsType[*googleapi.Error](err)
	switch {
	case !said:
	case e.Code == http.StatusNotFound:
		return fault.Errorf(fault.NotFound, "%s: %w", what, err)
	case e.Code == http.StatusConflict:
		return fault.Errorf(fault.Conflict, "%s: %w", what, err)
	case e.Code == http.StatusPreconditionFailed:
		return fault.Errorf(fault.Precondition, "%s: %w", what, err)
	case e.Code == http.StatusNotModified:
		return &fault.Error{Kind: fault.Precondition, Msg: what + " is not modified", Err: bucket.ErrNotModified}
	case e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden:
		return fault.Errorf(fault.Denied, "%s refused the server's credentials: %w", what, err).
			WithHint("check whose the application default credentials of the server are, and what they may do there")
	case e.Code == http.StatusTooManyRequests:
		return fault.Errorf(fault.Exhausted, "%s wants fewer requests: %w", what, err)
	case e.Code >= 400 && e.Code < 500:
		return fault.Errorf(fault.Invalid, "%s refused the request: %w", what, err)
	}
	return fault.Errorf(fault.Unavailable, "%s cannot be used now: %w", what, err).
		WithHint("check that %s is reachable from the server", p.url)
}
