// Package logapi serves the part of the Cloud Logging v2 API that reads:
// entries:list, as gcloud's log streaming and Google's clients send it. What
// lines there are is package logs' knowledge.
package logapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
)

// Lines answers queries.
type Lines interface {
	Query(ctx context.Context, q logs.Query) (page []logs.Record, next string, err error)
}

// New is the handler for /v2/….
func New(l Lines, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/entries:list" || r.Method != http.MethodPost {
			refuse(w, log, fault.Errorf(fault.NotFound, "%s %s is not served; of the logging API, POST /v2/entries:list is", r.Method, r.URL.Path))
			return
		}
		answer, err := list(r, l)
		if err != nil {
			refuse(w, log, err)
			return
		}
		write(w, http.StatusOK, answer)
	})
}

type request struct {
	ResourceNames []string `json:"resourceNames"`
	ProjectIDs    []string `json:"projectIds"`
	Filter        string   `json:"filter"`
	OrderBy       string   `json:"orderBy"`
	PageSize      int      `json:"pageSize"`
	PageToken     string   `json:"pageToken"`
}

type response struct {
	Entries       []entry `json:"entries,omitempty"`
	NextPageToken string  `json:"nextPageToken,omitempty"`
}

// entry is a LogEntry. Times have nine digits of fraction always: gcloud
// compares them as text.
type entry struct {
	LogName          string                     `json:"logName"`
	InsertID         string                     `json:"insertId"`
	Timestamp        string                     `json:"timestamp"`
	ReceiveTimestamp string                     `json:"receiveTimestamp"`
	Severity         logs.Severity              `json:"severity"`
	Resource         resource                   `json:"resource"`
	Labels           map[string]string          `json:"labels"`
	JSONPayload      map[string]json.RawMessage `json:"jsonPayload"`
}

type resource struct {
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels"`
}

const timestamp = "2006-01-02T15:04:05.000000000Z"

// maxPage is the original's limit and ours when none is asked for.
const maxPage = 1000

func list(r *http.Request, l Lines) (response, error) {
	var q request
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 1<<20))
	if err != nil {
		return response{}, fault.Errorf(fault.Invalid, "the request's body cannot be read: %w", err)
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return response{}, fault.Errorf(fault.Invalid, "Invalid JSON payload received. %w", err)
	}
	query := logs.Query{PageSize: q.PageSize, PageToken: q.PageToken}
	if query.PageSize <= 0 || query.PageSize > maxPage {
		query.PageSize = maxPage
	}
	switch order := strings.Join(strings.Fields(q.OrderBy), " "); order {
	case "", "timestamp", "timestamp asc":
	case "timestamp desc":
		query.Descending = true
	default:
		return response{}, fault.Errorf(fault.Invalid, "orderBy %q is not served; \"timestamp asc\" and \"timestamp desc\" are", q.OrderBy)
	}
	for _, name := range q.ResourceNames {
		p, ok := strings.CutPrefix(name, "projects/")
		p, _, _ = strings.Cut(p, "/")
		if !ok || p == "" {
			return response{}, fault.Errorf(fault.Invalid, "resource name %q is not of the form projects/PROJECT", name)
		}
		query.Projects = append(query.Projects, job.Project(p))
	}
	for _, p := range q.ProjectIDs {
		query.Projects = append(query.Projects, job.Project(p))
	}
	if len(query.Projects) == 0 {
		return response{}, fault.Errorf(fault.Invalid, "resourceNames is required: projects/PROJECT")
	}
	if query.Filter, err = logs.ParseFilter(q.Filter); err != nil {
		return response{}, err
	}
	records, next, err := l.Query(r.Context(), query)
	if err != nil {
		return response{}, err
	}
	out := response{NextPageToken: next}
	for i := range records {
		out.Entries = append(out.Entries, render(&records[i]))
	}
	return out, nil
}

func render(r *logs.Record) entry {
	at := r.Time.UTC().Format(timestamp)
	e := entry{
		LogName: logs.LogName(r.Key.Project, r.Task), InsertID: r.InsertID, Timestamp: at, ReceiveTimestamp: at, Severity: r.Severity,
		Resource: resource{"ml_job", map[string]string{"project_id": string(r.Key.Project), "job_id": string(r.Key.ID), "task_name": r.Task}},
		Labels:   map[string]string{"ml.googleapis.com/job_id": string(r.Key.ID), "ml.googleapis.com/task_name": r.Task},
	}
	if r.Trial != "" {
		e.Labels["ml.googleapis.com/trial_id"] = r.Trial
	}
	if attempt, run := r.Try(); attempt > 0 {
		e.Labels[logs.AttemptLabel], e.Labels[logs.RunLabel] = strconv.Itoa(attempt), strconv.Itoa(run)
	}
	if len(r.Fields) == 0 || json.Unmarshal(r.Fields, &e.JSONPayload) != nil || e.JSONPayload == nil {
		e.JSONPayload = map[string]json.RawMessage{}
	}
	message, err := json.Marshal(r.Message)
	if err != nil {
		message = []byte(`""`)
	}
	e.JSONPayload["message"] = message
	return e
}

// statuses is how a kind is answered. The original's table, but 507 for a full
// disk.
var statuses = map[fault.Kind]struct {
	code int
	name string
}{
	fault.Internal:     {500, "INTERNAL"},
	fault.Invalid:      {400, "INVALID_ARGUMENT"},
	fault.NotFound:     {404, "NOT_FOUND"},
	fault.Conflict:     {409, "ABORTED"},
	fault.Precondition: {400, "FAILED_PRECONDITION"},
	fault.Denied:       {403, "PERMISSION_DENIED"},
	fault.Exhausted:    {429, "RESOURCE_EXHAUSTED"},
	fault.Full:         {507, "RESOURCE_EXHAUSTED"},
	fault.Unavailable:  {503, "UNAVAILABLE"},
}

func refuse(w http.ResponseWriter, log *slog.Logger, err error) {
	if errors.Is(err, context.Canceled) {
		err = fault.Errorf(fault.Unavailable, "the server is stopping: %w", err) // or the client has gone
	}
	kind, msg := fault.KindOf(err), err.Error()
	if kind == fault.Internal {
		id := rand.Text()
		log.Error("listing log entries failed", "request", id, "err", err)
		msg = "internal error (request " + id + ")"
	}
	if hint := fault.HintOf(err); hint != "" && kind != fault.Internal {
		msg += " (" + hint + ")"
	}
	s := statuses[kind]
	write(w, s.code, map[string]any{"error": map[string]any{"code": s.code, "message": msg, "status": s.name}})
}

func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
