// Package server is the one port behind which everything is: it checks who may
// call, routes a request to the wire it belongs to, and tells health. The
// wires themselves are in sub-packages and do not know each other.
package server

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"encoding/xml"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// Options are what a server is made of.
type Options struct {
	ML      http.Handler // /v1/projects/… and the discovery document
	Logging http.Handler // /v2/…
	Storage http.Handler // the JSON API, and XML for every first segment that nobody else has
	Own     http.Handler // /v1/server, /v1/runtimes, /v1/environments and verbs of a job that the original had not
	// Token, when not empty, must come with every request but those for
	// health.
	Token string
	// Admit knows the tokens of jobs, which are as good as Token: whoever shows
	// one is who the context it returns says. known is false for other tokens; a
	// fault.Denied means that this one is no longer good. It may be nil.
	Admit func(ctx context.Context, token string) (as context.Context, known bool, err error)
	// Account tells a bearer token that an account of this server signed itself;
	// nil where there is none.
	Account func(bearer string) bool
	// Tokens is where accounts exchange what they signed for a token; nil where
	// there is none.
	Tokens http.Handler
	// Proven tells a request that proves to Storage that it is allowed; nil where
	// none can.
	Proven func(*http.Request) bool
	// Hosts are names beyond loopback's that requests may be addressed to.
	// They are checked only where there is no token: a token already proves
	// that no web page made the request.
	Hosts []string
	// Ready says why nothing can be accepted now, or nil.
	Ready func(ctx context.Context) error
	// BodyPause is how long a request's body may pause; 0 for as long as is good.
	BodyPause time.Duration
	Log       *slog.Logger
}

// wires are the first path segments that are not bucket names. "" is the root.
var wires = map[string]func(*Options) http.Handler{
	"":            func(*Options) http.Handler { return http.HandlerFunc(welcome) },
	"v1":          func(o *Options) http.Handler { return o.ML },
	"$discovery":  func(o *Options) http.Handler { return o.ML },
	"discovery":   func(o *Options) http.Handler { return o.ML },
	"v2":          func(o *Options) http.Handler { return o.Logging },
	"storage":     func(o *Options) http.Handler { return o.Storage },
	"upload":      func(o *Options) http.Handler { return o.Storage },
	"resumable":   func(o *Options) http.Handler { return o.Storage },
	"download":    func(o *Options) http.Handler { return o.Storage },
	"batch":       batch,
	"metrics":     func(*Options) http.Handler { return http.HandlerFunc(nothing) },
	"console":     func(*Options) http.Handler { return http.HandlerFunc(nothing) },
	"favicon.ico": func(*Options) http.Handler { return http.HandlerFunc(nothing) },
}

// Taken reports whether a name is a first path segment of this server's own,
// and so no name for a bucket: /NAME/OBJECT would not reach it.
func Taken(name string) bool {
	_, known := wires[name]
	return known || name == "healthz" || name == "readyz"
}

// New is the handler of the whole port.
func New(o Options) http.Handler {
	routes := make(map[string]http.Handler, len(wires))
	for segment, wire := range wires {
		routes[segment] = wire(&o)
	}
	health := http.NewServeMux()
	health.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	health.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := o.Ready(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("not ready: " + err.Error() + "\n"))
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})

	apis := asMeant(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := segment(r)
		if first == "v1" && own(r.Method, r.URL.EscapedPath()) {
			o.Own.ServeHTTP(w, r)
			return
		}
		routes[first].ServeHTTP(w, r)
	}))
	route := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch first := segment(r); {
		case first == "healthz" || first == "readyz":
			health.ServeHTTP(w, r)
		case routes[first] != nil:
			apis.ServeHTTP(w, r)
		default:
			o.Storage.ServeHTTP(w, r)
		}
	})
	return logged(o.Log, patient(o, guarded(o, route)))
}

// TokenPath is where accounts get tokens. Names of buckets are longer than its
// first segment.
const TokenPath = "/o/token"

// segment is the first of a path.
func segment(r *http.Request) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	return first
}

// own tells our additions to /v1 from the original's.
func own(method, escaped string) bool {
	for _, room := range []string{"/v1/runtimes", "/v1/environments"} {
		if rest, ok := strings.CutPrefix(escaped, room); ok && (rest == "" || rest[0] == '/' || rest[0] == ':') {
			return true
		}
	}
	if escaped == "/v1/server" || escaped == "/v1/usage" {
		return true
	}
	rest, jobs := strings.CutPrefix(escaped, "/v1/projects/")
	parts := strings.Split(rest, "/")
	if !jobs || len(parts) != 3 || parts[1] != "jobs" {
		return false
	}
	i := strings.LastIndexByte(parts[2], ':')
	if i < 0 {
		return method == http.MethodDelete
	}
	return !slices.Contains(originals, parts[2][i+1:])
}

// originals are the verbs of a job that the original had.
var originals = []string{"cancel", "getIamPolicy", "setIamPolicy", "testIamPermissions"}

func welcome(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Trainyard. Jobs are at /v1/projects/PROJECT/jobs, logs at /v2/entries:list, storage at /storage/v1.\n"))
}

func nothing(w http.ResponseWriter, r *http.Request) {
	Refuse(w, fault.NotFound, "nothing is served at "+r.URL.Path)
}

// guarded refuses what may not call: without the token where there is one,
// else whatever was not addressed to this server by a program of this machine.
// A web page can make a browser send requests to loopback, and a job is code.
func guarded(o Options, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		as, job, err := r.Context(), false, error(nil)
		if o.Admit != nil {
			as, job, err = o.Admit(r.Context(), tokenOf(r))
		}
		switch path := r.URL.EscapedPath(); {
		case path == "/healthz" || path == "/readyz":
		case path == TokenPath && o.Tokens != nil:
			o.Tokens.ServeHTTP(w, r)
			return
		case o.Proven != nil && wires[segment(r)] == nil && o.Proven(r):
			o.Storage.ServeHTTP(w, r)
			return
		case fault.Is(err, fault.Denied):
			unauthenticated(w, r, err.Error())
			return
		case err != nil:
			o.Log.Error("a job's token cannot be checked", "err", err)
			Refuse(w, fault.Unavailable, "the token cannot be checked now")
			return
		case job:
			r = r.WithContext(as)
		case o.Token != "":
			token := tokenOf(r)
			if subtle.ConstantTimeCompare([]byte(token), []byte(o.Token)) != 1 && (o.Account == nil || !o.Account(token)) {
				unauthenticated(w, r, "this server asks for a token: send it as a bearer token (trainyard: TRAINYARD_TOKEN_FILE; gcloud: CLOUDSDK_AUTH_ACCESS_TOKEN_FILE)")
				return
			}
		case !knownHost(r.Host, o.Hosts):
			Refuse(w, fault.Denied, "the request is addressed to "+r.Host+", which is not this server's name; use 127.0.0.1 or localhost")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r.Host) {
			Refuse(w, fault.Denied, "requests made by web pages of "+origin+" are refused")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// tokenOf is what a request shows, empty for nothing.
func tokenOf(r *http.Request) string {
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		got = r.URL.Query().Get("access_token")
	}
	return strings.TrimSpace(got)
}

// unauthenticated refuses in the form of the API that was spoken.
func unauthenticated(w http.ResponseWriter, r *http.Request, msg string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="trainyard"`)
	if _, wire := wires[segment(r)]; !wire {
		refuseXML(w, http.StatusUnauthorized, "AuthenticationRequired", "Authentication required.", msg)
		return
	}
	refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED", "authError", msg)
}

func knownHost(host string, more []string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || contains(more, host)
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || contains(more, host)
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// Refuse answers with an error that every client of every wire can read.
func Refuse(w http.ResponseWriter, kind fault.Kind, msg string) {
	switch kind {
	case fault.Invalid:
		refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", "invalid", msg)
	case fault.NotFound:
		refuse(w, http.StatusNotFound, "NOT_FOUND", "notFound", msg)
	case fault.Denied:
		refuse(w, http.StatusForbidden, "PERMISSION_DENIED", "forbidden", msg)
	case fault.Unavailable:
		refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "backendError", msg)
	default:
		refuse(w, http.StatusInternalServerError, "INTERNAL", "backendError", msg)
	}
}

func refuse(w http.ResponseWriter, code int, status, reason, msg string) {
	type item struct {
		Message string `json:"message"`
		Domain  string `json:"domain"`
		Reason  string `json:"reason"`
	}
	body, _ := json.Marshal(map[string]any{"error": map[string]any{
		"code": code, "message": msg, "status": status, "errors": []item{{msg, "global", reason}},
	}})
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}

// refuseXML answers as the XML API does, whose paths begin with a bucket.
func refuseXML(w http.ResponseWriter, status int, code, msg, details string) {
	body, _ := xml.Marshal(struct {
		XMLName                xml.Name `xml:"Error"`
		Code, Message, Details string
	}{Code: code, Message: msg, Details: details})
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), body...))
}

// logged writes a line per request at debug level, and turns a panic into a
// 500 and an error line.
func logged(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				id := rand.Text()
				log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "request", id)
				if rec.code == 0 {
					Refuse(rec, fault.Internal, "internal error (request "+id+")")
				}
			}
			if log.Enabled(r.Context(), slog.LevelDebug) {
				log.Debug("request", "method", r.Method, "path", r.URL.EscapedPath(), "code", rec.code, "took", time.Since(start))
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// ReadFrom keeps sendfile for downloads.
func (r *recorder) ReadFrom(src ioReader) (int64, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	return copyTo(r.ResponseWriter, src)
}
