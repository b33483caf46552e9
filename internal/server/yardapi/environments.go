package yardapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// Environments is the server's cache of Python environments.
type Environments interface {
	Runtimes(ctx context.Context) ([]Runtime, error)
	// Runtime is one version with all its packages.
	Runtime(ctx context.Context, version string) (Runtime, error)
	// PrepareRuntime builds a version's environment ahead; what it does goes to
	// log line by line. It reports whether it was there already.
	PrepareRuntime(ctx context.Context, version, python string, log func(string)) (cached bool, err error)
	// AddRuntime keeps a site's own version, given as its file.
	AddRuntime(ctx context.Context, file []byte, replace bool) (Runtime, error)
	Environments(ctx context.Context) ([]Environment, error)
	Environment(ctx context.Context, key string) (Environment, error)
	Prune(ctx context.Context, limits Limits) (Pruned, error)
}

// Runtime is a runtime version on the wire.
type Runtime struct {
	Version    string   `json:"version"`
	Title      string   `json:"title"`
	Python     []string `json:"python"`
	Status     string   `json:"status"` // "supported", "deprecated" or "ended"
	State      string   `json:"state"`  // "ready", "to build", "no Python"
	Default    bool     `json:"default,omitempty"`
	Main       []string `json:"main,omitempty"` // its frameworks, "tensorflow 2.11.0"
	Download   int64    `json:"downloadBytes,omitempty,string"`
	Released   string   `json:"released,omitempty"`
	Deprecated string   `json:"deprecated,omitempty"`
	Ends       string   `json:"ends,omitempty"`
	Requires   []string `json:"requires,omitempty"`
	Packages   []string `json:"packages,omitempty"`
	Source     string   `json:"source,omitempty"` // file of a site's own
}

// Environment is a part of the cache on the wire.
type Environment struct {
	Key       string    `json:"key"`
	Kind      string    `json:"kind"`
	Python    string    `json:"python,omitempty"`
	Runtime   string    `json:"runtime,omitempty"`
	Size      int64     `json:"sizeBytes,string"`
	Built     time.Time `json:"built"`
	Used      time.Time `json:"used"`
	InUse     bool      `json:"inUse"`
	Installer string    `json:"installer,omitempty"`
	Requires  []string  `json:"requires,omitempty"`
	Lock      []string  `json:"lock,omitempty"`
	Packages  []string  `json:"packages,omitempty"`
	Below     string    `json:"below,omitempty"`
	Path      string    `json:"path"`
}

// Limits say what may stay.
type Limits struct {
	Size   int64   `json:"sizeBytes,omitempty,string"`
	Unused float64 `json:"unusedSeconds,omitempty"`
	All    bool    `json:"all,omitempty"`
}

// Pruned says what went.
type Pruned struct {
	Removed []Environment `json:"removed"`
	Freed   int64         `json:"freedBytes,string"`
	Left    int64         `json:"leftBytes,string"`
}

// Progress is a line of the answer to :prepare, which is a stream of them; the
// last one is done or has an error.
type Progress struct {
	Line   string `json:"line,omitempty"`
	Done   bool   `json:"done,omitempty"`
	Cached bool   `json:"cached,omitempty"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Kind   int    `json:"kind,omitempty"`
}

const maxRuntimeFile = 4 << 20

// environments serves /v1/runtimes and /v1/environments.
func (o Options) environments() http.Handler {
	e, mux := o.Environments, http.NewServeMux()
	get := func(pattern string, fn func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := fn(r)
			if err != nil {
				o.fail(w, r, err)
				return
			}
			write(w, v)
		})
	}
	get("GET /v1/runtimes", func(r *http.Request) (any, error) {
		list, err := e.Runtimes(r.Context())
		return map[string]any{"runtimes": list}, err
	})
	get("GET /v1/runtimes/{version}", func(r *http.Request) (any, error) { return e.Runtime(r.Context(), r.PathValue("version")) })
	get("POST /v1/runtimes", func(r *http.Request) (any, error) {
		b, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxRuntimeFile))
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "a runtime version's file: %w", err)
		}
		return e.AddRuntime(r.Context(), b, r.URL.Query().Get("replace") == "true")
	})
	mux.HandleFunc("POST /v1/runtimes/{action}", o.prepare)
	get("GET /v1/environments", func(r *http.Request) (any, error) {
		list, err := e.Environments(r.Context())
		if list == nil {
			list = []Environment{}
		}
		return map[string]any{"environments": list}, err
	})
	get("GET /v1/environments/{key...}", func(r *http.Request) (any, error) { return e.Environment(r.Context(), r.PathValue("key")) })
	get("POST /v1/environments:prune", func(r *http.Request) (any, error) {
		var l Limits
		d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil && !errors.Is(err, io.EOF) {
			return nil, fault.Errorf(fault.Invalid, "limits: %w", err)
		}
		if l.Size < 0 || l.Unused < 0 {
			return nil, fault.Errorf(fault.Invalid, "limits: a size or time below zero")
		}
		return e.Prune(r.Context(), l)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		o.fail(w, r, fault.Errorf(fault.NotFound, "%s is not served at %s", r.Method, r.URL.Path))
	})
	return mux
}

// prepare answers with lines as they come: a build may take minutes. A client
// that goes away ends it.
func (o Options) prepare(w http.ResponseWriter, r *http.Request) {
	version, ok := strings.CutSuffix(r.PathValue("action"), ":prepare")
	if !ok {
		o.fail(w, r, fault.Errorf(fault.NotFound, "nothing is served at %s", r.URL.Path))
		return
	}
	if _, err := o.Environments.Runtime(r.Context(), version); err != nil {
		o.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	say := func(p Progress) {
		_ = enc.Encode(p)
		_ = flush.Flush()
	}
	cached, err := o.Environments.PrepareRuntime(r.Context(), version, r.URL.Query().Get("python"), func(line string) { say(Progress{Line: line}) })
	if err != nil {
		say(Progress{Error: err.Error(), Hint: fault.HintOf(err), Kind: int(fault.KindOf(err))})
		return
	}
	say(Progress{Done: true, Cached: cached})
}

// statuses are the answers to errors, as the original's wires have them.
var statuses = map[fault.Kind]struct {
	code int
	name string
}{
	fault.Invalid:      {http.StatusBadRequest, "INVALID_ARGUMENT"},
	fault.Precondition: {http.StatusBadRequest, "FAILED_PRECONDITION"},
	fault.NotFound:     {http.StatusNotFound, "NOT_FOUND"},
	fault.Conflict:     {http.StatusConflict, "ALREADY_EXISTS"},
	fault.Denied:       {http.StatusForbidden, "PERMISSION_DENIED"},
	fault.Exhausted:    {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	fault.Full:         {http.StatusInsufficientStorage, "RESOURCE_EXHAUSTED"},
	fault.Unavailable:  {http.StatusServiceUnavailable, "UNAVAILABLE"},
}

func (o Options) fail(w http.ResponseWriter, r *http.Request, err error) {
	msg := err.Error()
	s, ok := statuses[fault.KindOf(err)]
	if !ok {
		o.Log.Error("request failed", "path", r.URL.Path, "err", err)
		s.code, s.name, msg = http.StatusInternalServerError, "INTERNAL", "internal error; the server's log says more"
	}
	body := map[string]any{"code": s.code, "message": msg, "status": s.name}
	if hint := fault.HintOf(err); hint != "" {
		body["details"] = []any{map[string]any{"@type": "type.googleapis.com/trainyard.v1.Hint", "hint": hint}}
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(s.code)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": body})
}
