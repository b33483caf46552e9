// Package storageapi serves the Cloud Storage JSON API v1, and the XML API as
// far as readers and uploaders use it, over a bucket.Store. Paths are taken
// apart while they are still escaped: %2F, "//" and ".." in an object's name
// are part of the name.
package storageapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/signurl"
)

// Options are what the handler is made of.
type Options struct {
	Store bucket.Store
	// Room refuses what the disk has no room for; nil where nobody knows.
	Room func(need int64) error
	// URLs checks signed URLs; where it is nil they are refused.
	URLs *signurl.Verifier
	// Project is the one that buckets belong to when a request names none.
	Project string
	// Taken says which bucket names the server has another use for; it may be
	// nil.
	Taken func(name string) bool
	Log   *slog.Logger
}

type api struct{ Options }

// New is the handler for /storage, /upload, /resumable, /download and, as the
// XML API, every other path /BUCKET/OBJECT.
func New(o Options) http.Handler {
	a := &api{o}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.route(w, r); err != nil {
			a.refuse(w, r, err)
		}
	})
}

// call is a request taken apart.
type call struct {
	*http.Request
	q            url.Values
	bucket, name string
	rest         []string // further segments, unescaped
	fields       mask     // of the answer
}

// route finds the method that a path asks for.
func (a *api) route(w http.ResponseWriter, r *http.Request) error {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if signurl.Claimed(r) {
		if err := a.verify(r); err != nil {
			return err
		}
	}
	c := &call{Request: r, q: r.URL.Query()}
	if err := c.plain(); err != nil {
		return err
	}
	if !isXML(r) {
		// Before anything is done: an answer that cannot be given must not follow
		// an effect.
		var err error
		if c.fields, err = parseFields(c.q.Get("fields")); err != nil {
			return err
		}
		if p := c.q.Get("projection"); p != "" && !strings.EqualFold(p, "full") && !strings.EqualFold(p, "noAcl") {
			return fault.Errorf(fault.Invalid, "parameter projection is %q; full and noAcl are known", p)
		}
	}
	for _, upload := range []string{"upload/storage/v1/", "resumable/upload/storage/v1/"} {
		if rest, ok := strings.CutPrefix(path, upload); ok {
			return a.upload(w, c, rest)
		}
	}
	if rest, ok := strings.CutPrefix(path, "download/storage/v1/"); ok {
		c.q.Set("alt", "media")
		path = "storage/v1/" + rest
	}
	rest, ok := strings.CutPrefix(path, "storage/v1/")
	if !ok {
		return a.xml(w, c, path)
	}
	parts := strings.Split(rest, "/")
	segments := make([]string, len(parts))
	for i, p := range parts {
		s, err := url.PathUnescape(p)
		if err != nil {
			return fault.Errorf(fault.Invalid, "the path is not escaped rightly: %w", err)
		}
		segments[i] = s
	}
	if segments[0] == "projects" && len(segments) == 3 && segments[2] == "serviceAccount" && r.Method == http.MethodGet {
		return a.write(w, c, map[string]string{"kind": "storage#serviceAccount", "email_address": "trainyard@" + segments[1]})
	}
	if segments[0] != "b" {
		return notServed(r)
	}
	if len(segments) == 1 {
		return a.buckets(w, c)
	}
	c.bucket = segments[1]
	switch {
	case len(segments) == 2:
		return a.oneBucket(w, c)
	case segments[2] != "o":
		return a.bucketPart(w, c, segments[2:])
	case len(segments) == 3:
		return a.objects(w, c)
	}
	c.name, c.rest = segments[3], segments[4:]
	// Some clients leave the slashes of a name as they are.
	if len(c.rest) > 0 && !isVerb(c.rest) {
		c.name, c.rest = strings.Join(segments[3:], "/"), nil
	}
	if len(c.rest) > 0 {
		return a.objectVerb(w, c)
	}
	return a.object(w, c)
}

// isVerb tells what may follow an object's name in a path.
func isVerb(rest []string) bool {
	switch rest[0] {
	case "rewriteTo", "copyTo":
		return len(rest) >= 5 && rest[1] == "b" && rest[3] == "o"
	case "moveTo":
		return len(rest) >= 3 && rest[1] == "o"
	case "compose", "restore":
		return len(rest) == 1
	case "iam", "acl":
		return true
	}
	return false
}

func notServed(r *http.Request) error {
	return fault.Errorf(fault.NotFound, "%s %s is not served", r.Method, r.URL.Path)
}

// write answers with JSON, cut down to the fields that were asked for.
func (a *api) write(w http.ResponseWriter, c *call, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		b, err = c.fields.cut(b)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
	_, _ = w.Write(append(b, '\n'))
	return nil
}

type kind struct {
	code   int
	reason string
}

var kinds = map[fault.Kind]kind{
	fault.Internal:     {500, "backendError"},
	fault.Invalid:      {400, "invalid"},
	fault.NotFound:     {404, "notFound"},
	fault.Conflict:     {409, "conflict"},
	fault.Precondition: {412, "conditionNotMet"},
	fault.Denied:       {403, "forbidden"},
	fault.Exhausted:    {429, "rateLimitExceeded"},
	fault.Full:         {507, "insufficientStorage"},
	fault.Unavailable:  {503, "backendError"},
}

// refuse answers with an error in the form of the API that was spoken.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the client has gone
	}
	k, msg := kinds[fault.KindOf(err)], err.Error()
	if e, ok := errors.AsType[*responded](err); ok {
		k = e.kind
	} else if k.code == http.StatusInternalServerError {
		id := rand.Text()
		a.Log.Error("storage request failed", "method", r.Method, "path", r.URL.EscapedPath(), "request", id, "err", err)
		msg = "internal error (request " + id + ")"
	}
	if hint := fault.HintOf(err); hint != "" && k.code != 500 {
		msg += "; " + hint
	}
	if errors.Is(err, bucket.ErrNotModified) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if k.code == http.StatusNotModified {
		w.WriteHeader(k.code)
		return
	}
	// What is left of a body is read up, within reason, so that a client that
	// still writes hears the answer.
	if r.Body != nil {
		_, _ = io.CopyN(io.Discard, r.Body, 256<<10)
	}
	if isXML(r) {
		a.writeXMLError(w, r, k, err, msg)
		return
	}
	if r.URL.Query().Get("alt") == "media" {
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		w.WriteHeader(k.code)
		_, _ = io.WriteString(w, msg)
		return
	}
	b, _ := json.Marshal(map[string]any{"error": map[string]any{"code": k.code, "message": msg,
		"errors": []map[string]string{{"message": msg, "domain": "global", "reason": k.reason}}}})
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(k.code)
	_, _ = w.Write(append(b, '\n'))
}

// responded is an error with a status of its own.
type responded struct {
	kind
	msg string
}

func (e *responded) Error() string { return e.msg }

// method answers with what a verb has, or says which verbs there are.
func method(c *call, verbs map[string]func() error) error {
	if fn, ok := verbs[c.Method]; ok {
		return fn()
	}
	return &responded{kind{405, "methodNotAllowed"}, c.Method + " is not served at " + c.URL.Path}
}
