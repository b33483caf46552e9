package mlapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// status is what a kind of error is on this wire.
type status struct {
	code int
	name string
}

var statuses = map[fault.Kind]status{
	fault.Internal:     {http.StatusInternalServerError, "INTERNAL"},
	fault.Invalid:      {http.StatusBadRequest, "INVALID_ARGUMENT"},
	fault.NotFound:     {http.StatusNotFound, "NOT_FOUND"},
	fault.Conflict:     {http.StatusConflict, "ALREADY_EXISTS"},
	fault.Precondition: {http.StatusBadRequest, "FAILED_PRECONDITION"},
	fault.Denied:       {http.StatusForbidden, "PERMISSION_DENIED"},
	fault.Exhausted:    {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	fault.Full:         {http.StatusInsufficientStorage, "RESOURCE_EXHAUSTED"},
	fault.Unavailable:  {http.StatusServiceUnavailable, "UNAVAILABLE"},
}

// statusError is an error whose status is not its kind's.
type statusError struct {
	error
	status
	allow string // of a 405
}

func (e statusError) Unwrap() error { return e.error }

// aborted turns a version that did not match into the status for it.
func aborted(err error) error {
	switch fault.KindOf(err) {
	case fault.Conflict, fault.Precondition:
		return statusError{error: err, status: status{http.StatusConflict, "ABORTED"}}
	}
	return err
}

func tooLarge(limit int64) error {
	return statusError{
		error:  fault.Errorf(fault.Invalid, "Request payload size exceeds the limit: %d bytes.", limit),
		status: status{http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT"},
	}
}

func methodError(r *http.Request, methods map[string]call) error {
	allow := slices.Sorted(maps.Keys(methods))
	return statusError{
		error:  fault.Errorf(fault.Invalid, "%s is not served at %s; %s is.", r.Method, r.URL.Path, strings.Join(allow, ", ")),
		status: status{http.StatusMethodNotAllowed, "UNIMPLEMENTED"},
		allow:  strings.Join(allow, ", "),
	}
}

// notServed is for what the original API has and this server has not, and for
// what neither has. It is never a 5xx: clients repeat those.
func notServed(path string) error {
	return fault.Errorf(fault.NotFound, "%s is not served here. Of the ml v1 API this server serves projects.getConfig, projects.jobs, projects.locations and projects.operations.", path)
}

// atField says err of one field, in the original's form.
func atField(field string, err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	v := []fault.Violation{{Field: field, Description: e.Msg}}
	return &fault.Error{Kind: e.Kind, Msg: fault.Fields(v), Hint: fault.HintOf(err), Violations: v, Err: err}
}

func invalid(field, format string, args ...any) error {
	return atField(field, fault.Errorf(fault.Invalid, format, args...))
}

// refuse writes an error. Of an internal one the caller sees an id, and the log
// has the cause.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	st := statuses[fault.KindOf(err)]
	msg := err.Error()
	var details []any
	own, isOwn := errors.AsType[statusError](err)
	e, isFault := errors.AsType[*fault.Error](err)
	switch {
	case isOwn:
		st = own.status
		if own.allow != "" {
			w.Header().Set("Allow", own.allow)
		}
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		st, msg = status{499, "CANCELLED"}, "the request was cancelled"
	case st.code == http.StatusInternalServerError:
		id := rand.Text()
		a.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "request", id, "err", causes(err))
		msg = "internal error (request " + id + ")"
	case st.code == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	if isFault && st.code != http.StatusInternalServerError {
		details = detailsOf(e)
	}
	body := map[string]any{"code": st.code, "message": msg, "status": st.name}
	if len(details) > 0 {
		body["details"] = details
	}
	raw, _ := json.MarshalIndent(map[string]any{"error": body}, "", "  ")
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(st.code)
	_, _ = w.Write(append(raw, '\n'))
}

// detailsOf are the violations as google.rpc.BadRequest, and the hint.
func detailsOf(e *fault.Error) []any {
	var details []any
	if len(e.Violations) > 0 {
		vs := make([]any, len(e.Violations))
		for i, v := range e.Violations {
			vs[i] = map[string]any{"field": v.Field, "description": v.Description}
		}
		details = append(details, map[string]any{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": vs})
	}
	if hint := fault.HintOf(e); hint != "" {
		details = append(details, map[string]any{"@type": "type.googleapis.com/trainyard.v1.Hint", "hint": hint})
	}
	return details
}

// causes is every message of the chain that adds something.
func causes(err error) string {
	text := err.Error()
	for e := errors.Unwrap(err); e != nil; e = errors.Unwrap(e) {
		if s := e.Error(); !strings.Contains(text, s) {
			text += ": " + s
		}
	}
	return text
}
