// Package yardapi serves what the original API never had, beside it under /v1
// and without changing it: what the server is, a job's timeline, and following
// a job's states and log lines as server-sent events.
package yardapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/server"
)

// Jobs is what is asked of the store.
type Jobs interface {
	Job(ctx context.Context, key job.Key) (job.Job, error)
	Events(ctx context.Context, key job.Key, after int64, max int) ([]job.Event, error)
	Attempts(ctx context.Context, key job.Key) ([]job.Attempt, error)
	// Watch's channel is closed at the job's next change; stop lets go of it.
	Watch(key job.Key) (changed <-chan struct{}, stop func())
}

// Lines follows a job's log: fn gets every entry once, in the order of arrival,
// with the cursor to resume after it. It returns nil when the job has ended
// and everything was delivered.
type Lines interface {
	Follow(ctx context.Context, key job.Key, cursor, task string, fn func(e logs.Entry, cursor string) error) error
}

// Info is what GET /v1/server answers.
type Info struct {
	Version       string `json:"version"`
	Build         string `json:"build"`
	PID           int    `json:"pid"`
	Endpoint      string `json:"endpoint"`
	DataDir       string `json:"dataDir"`
	DefaultBucket string `json:"defaultBucket"`
	// Buckets are those in a cloud, or patterns of their names, and where they are.
	Buckets  map[string]string `json:"buckets,omitempty"`
	Regions  []string          `json:"regions"`
	Started  time.Time         `json:"started"`
	Embedded bool              `json:"embedded"` // started in the background by a command line
}

// Options are what the handler is made of.
type Options struct {
	Info  Info
	Jobs  Jobs
	Lines Lines
	// Render writes a job as its wire shows it.
	Render func(job.Job) ([]byte, error)
	// Waiting says why a queued job waits, or nothing.
	Waiting func(job.Key) string
	// Why says what a job is doing, and why it goes no further, as JSON is made of.
	Why func(context.Context, job.Job) (any, error)
	// Replicas are a job's, and Load is how full the machine is, as JSON is made of.
	Replicas func(context.Context, job.Job) (any, error)
	Load     func(context.Context) (any, error)
	// Environments serves /v1/runtimes and /v1/environments.
	Environments Environments
	// Made is what the environment of a job's latest run was made of, as JSON;
	// fault.NotFound where no run has had one yet.
	Made   func(job.Job) ([]byte, error)
	Repeat Repeat
	// Delete removes a job that has ended.
	Delete func(context.Context, job.Key) error
	Log    *slog.Logger
}

// verbs are what can be asked about one job: METHOD …/jobs/ID:verb, or without
// a verb what the original's jobs had not.
func (o Options) verbs() map[string]func(http.ResponseWriter, *http.Request, job.Job) {
	return map[string]func(http.ResponseWriter, *http.Request, job.Job){
		"GET timeline":    o.timeline,
		"GET environment": o.environment,
		"GET follow":      o.follow,
		"GET why":         o.why,
		"GET replicas":    o.replicas,
		"GET provenance":  o.provenance,
		"POST rerun":      o.rerun,
		"DELETE ":         o.remove,
	}
}

// New is the handler for /v1/server, /v1/runtimes, /v1/environments and the
// verbs of a job.
func New(o Options) http.Handler {
	environments, verbs := o.environments(), o.verbs()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/runtimes") || strings.HasPrefix(r.URL.Path, "/v1/environments") {
			environments.ServeHTTP(w, r)
			return
		}
		path := r.URL.EscapedPath()
		if path == "/v1/server" && r.Method == http.MethodGet {
			write(w, o.Info)
			return
		}
		if path == "/v1/usage" && r.Method == http.MethodGet {
			load, err := o.Load(r.Context())
			if err != nil {
				o.fail(w, r, err)
				return
			}
			write(w, load)
			return
		}
		key, verb, ok := parse(path)
		serve := verbs[r.Method+" "+verb]
		switch {
		case serve == nil && (path == "/v1/server" || ok && verbs["GET "+verb] != nil):
			server.Refuse(w, fault.NotFound, r.Method+" is not served at "+r.URL.Path+"; GET is")
			return
		case serve == nil && ok && verbs["POST "+verb] != nil:
			server.Refuse(w, fault.NotFound, r.Method+" is not served at "+r.URL.Path+"; POST is")
			return
		case serve == nil:
			server.Refuse(w, fault.NotFound, "nothing is served at "+path)
			return
		}
		j, err := o.Jobs.Job(r.Context(), key)
		if err != nil {
			server.Refuse(w, fault.KindOf(err), err.Error())
			return
		}
		serve(w, r, j)
	})
}

func (o Options) environment(w http.ResponseWriter, r *http.Request, j job.Job) {
	b, err := o.Made(j)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	write(w, json.RawMessage(b))
}

// parse takes /v1/projects/P/jobs/ID:verb apart; the verb may be missing.
func parse(escaped string) (key job.Key, verb string, ok bool) {
	rest, ok := strings.CutPrefix(escaped, "/v1/projects/")
	if !ok {
		return key, "", false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || parts[1] != "jobs" {
		return key, "", false
	}
	name := parts[2]
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name, verb = name[:i], name[i+1:]
	}
	project, err1 := url.PathUnescape(parts[0])
	id, err2 := url.PathUnescape(name)
	return job.Key{Project: job.Project(project), ID: job.ID(id)}, verb, err1 == nil && err2 == nil
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
}

// event is an entry of a timeline as users see it.
type event struct {
	Time     time.Time `json:"time"`
	Name     string    `json:"name"`
	Step     string    `json:"step,omitempty"`
	Text     string    `json:"text,omitempty"`
	Task     string    `json:"task,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
	Seconds  float64   `json:"seconds,omitempty"` // how long the step took
	Severity string    `json:"severity,omitempty"`
}

func (o Options) timeline(w http.ResponseWriter, r *http.Request, j job.Job) {
	answer := struct {
		Events  []event `json:"events"`
		Waiting string  `json:"waiting,omitempty"`
	}{Events: []event{}}
	if !j.State.Final() && o.Waiting != nil {
		answer.Waiting = o.Waiting(j.Key)
	}
	for after := int64(0); ; {
		page, err := o.Jobs.Events(r.Context(), j.Key, after, 1000)
		if err != nil {
			server.Refuse(w, fault.KindOf(err), err.Error())
			return
		}
		for _, e := range page {
			answer.Events = append(answer.Events, event{e.Time, e.Name, e.Step, e.Text, e.Task, e.Attempt, e.Took.Seconds(), e.Severity})
			after = e.Seq
		}
		if len(page) < 1000 {
			break
		}
	}
	write(w, answer)
}
