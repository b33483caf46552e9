// Package mlapi serves the jobs of the ml v1 API over HTTP: paths, paging,
// masks, and errors in the original's form. What a document means is mlv1's
// business, and where jobs are kept is the store's.
package mlapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
)

// Jobs is what is asked of the store.
type Jobs interface {
	// Create accepts a job durably; an id that was ever used is a
	// fault.Conflict, unless the request id is that job's: then it is
	// returned, and created is false.
	Create(ctx context.Context, n NewJob) (j job.Job, created bool, err error)
	Job(ctx context.Context, key job.Key) (job.Job, error)
	// List gives at most max jobs that match, newest first, from those with a
	// Seq below before (0 for all), and where to go on; next is 0 at the end.
	List(ctx context.Context, project job.Project, before int64, max int, match func(job.Job) bool) (page []job.Job, next int64, err error)
	// SetLabels replaces the labels; a version that is not ifVersion is a
	// fault.Conflict or fault.Precondition.
	SetLabels(ctx context.Context, key job.Key, labels map[string]string, ifVersion *int64) (job.Job, error)
	// RequestCancel stores the wish; for a job that has ended it does nothing.
	RequestCancel(ctx context.Context, key job.Key, reason string) error
}

// NewJob is a job to be accepted.
type NewJob struct {
	Spec      job.Spec
	Document  json.RawMessage
	Wire      string
	RequestID string
	Events    []job.Event
}

// Packages is what is asked of object storage.
type Packages interface {
	// Stat says what is at a gs:// URI; a fault.NotFound or fault.Denied when
	// it cannot be read.
	Stat(ctx context.Context, uri string) (job.Package, error)
	HasBucket(ctx context.Context, name string) (bool, error)
}

// Options are what the handler is made of.
type Options struct {
	Jobs     Jobs
	Packages Packages
	Rules    mlv1.Rules
	// Seal closes up the values of secret variables in place. Where it is nil,
	// jobs have none.
	Seal func(job.Key, []job.Variable)
	// Position says how many jobs are before a queued one, if that is known.
	// It may be nil.
	Position func(job.Key) (n int64, known bool)
	// Polled says how far a job's log has been read by polling; nil where nobody
	// knows.
	Polled func(job.Key) time.Time
	Log    *slog.Logger
}

// New is the handler for /v1/projects/… and the discovery document.
func New(o Options) http.Handler {
	a := &api{Options: o, discovery: parseDiscovery()}
	a.methods = a.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := a.serve(w, r)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		a.answer(w, r, v)
	})
}

type api struct {
	Options
	discovery map[string]any
	methods   map[string]map[string]call
}

// request is a request on a resource of a project.
type request struct {
	*http.Request
	project  job.Project
	name     string // of the job, location or operation
	response http.ResponseWriter
}

func (r request) key() job.Key { return job.Key{Project: r.project, ID: job.ID(r.name)} }

// call answers with a value to be written as JSON.
type call func(request) (any, error)

// routes are the methods of a path, by the pattern of its segments ("*" is a
// name) and the custom verb.
func (a *api) routes() map[string]map[string]call {
	return map[string]map[string]call{
		"*:getConfig":                       {"GET": a.config},
		"*/jobs":                            {"GET": a.list, "POST": a.create},
		"*/jobs/*":                          {"GET": a.get, "PATCH": a.patch},
		"*/jobs/*:cancel":                   {"POST": a.cancel},
		"*/jobs/*:getIamPolicy":             {"GET": a.getPolicy},
		"*/jobs/*:setIamPolicy":             {"POST": a.setPolicy},
		"*/jobs/*:testIamPermissions":       {"POST": a.testPermissions},
		"*/locations":                       {"GET": a.locations},
		"*/locations/*":                     {"GET": a.location},
		"*/locations/*/operations/*":        {"GET": noOperation},
		"*/locations/*/operations/*:cancel": {"POST": noOperation},
		"*/operations":                      {"GET": noOperations},
		"*/operations/*":                    {"GET": noOperation},
		"*/operations/*:cancel":             {"POST": noOperation},
	}
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	switch r.URL.Path {
	case "/$discovery/rest", "/discovery/v1/apis/ml/v1/rest":
		return a.describe(r)
	}
	if alt := r.URL.Query().Get("alt"); alt != "" && alt != "json" {
		return nil, invalid("alt", "Only alt=json is served; received: %s.", alt)
	}
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/v1/projects/")
	if !ok {
		return nil, notServed(r.URL.Path)
	}
	pattern, names, err := parsePath(rest)
	if err != nil {
		return nil, err
	}
	methods, ok := a.methods[pattern]
	if !ok {
		return nil, notServed(r.URL.Path)
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	f, ok := methods[method]
	if !ok {
		return nil, methodError(r, methods)
	}
	q := request{Request: r, response: w, name: names[len(names)-1]}
	if q.project, err = job.ParseProject(names[0]); err != nil {
		return nil, atField("parent", err)
	}
	return f(q)
}

// parsePath takes a path below /v1/projects/ apart. It is split before it is
// unescaped, and the custom verb is what follows the last colon.
func parsePath(escaped string) (pattern string, names []string, err error) {
	parts := strings.Split(escaped, "/")
	shape := make([]string, len(parts))
	for i, p := range parts {
		s, err := url.PathUnescape(p)
		if err != nil {
			return "", nil, invalid("name", "The path is not escaped well.")
		}
		if i%2 == 1 {
			if shape[i] = s; s == "*" {
				return "", nil, notServed(escaped)
			}
			continue
		}
		shape[i] = "*"
		if i == len(parts)-1 {
			if c := strings.LastIndexByte(s, ':'); c >= 0 {
				s, shape[i] = s[:c], "*"+s[c:]
			}
		}
		names = append(names, s)
	}
	return strings.Join(shape, "/"), names, nil
}
