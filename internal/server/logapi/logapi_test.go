package logapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/logging/v2"
	"google.golang.org/api/option"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/server/logapi"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 120000000, time.UTC)

func spool(t *testing.T, dir, task string, index int) *logs.Spool {
	t.Helper()
	s, err := logs.OpenSpool(filepath.Join(dir, "1", "logs", fmt.Sprintf("a1-worker-%d.0.log", index)), task, "3", fmt.Sprintf("0001w%03d00", index))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// finished serves a job k1 of project proj that has ended, with two tasks.
func finished(t *testing.T) (*logging.Service, string) {
	t.Helper()
	dir := t.TempDir()
	src := &source{job: job.Job{Spec: job.Spec{Key: job.Key{Project: "proj", ID: "k1"}}, Seq: 1, State: job.Succeeded}}
	src.say(t0.Add(-time.Second), "Job k1 is queued.")
	for i, task := range []string{"master-replica-0", "worker-replica-0"} {
		s := spool(t, dir, task, i)
		for l := range 3 {
			if err := s.Append(t0.Add(time.Duration(l)), logs.Warning, fmt.Sprintf("%s <%d> ü", task, l), json.RawMessage(`{"levelname":"WARNING","lineno":7,"message":"not this"}`)); err != nil {
				t.Fatal(err)
			}
		}
		s.Flush()
	}
	srv := httptest.NewServer(logapi.New(logs.NewReader(dir, src), slog.New(slog.NewTextHandler(t.Output(), nil))))
	t.Cleanup(srv.Close)
	service, err := logging.NewService(t.Context(), option.WithEndpoint(srv.URL), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	return service, srv.URL
}

func TestGooglesGoClientReadsTheEntriesThatGcloudAsksFor(t *testing.T) {
	service, _ := finished(t)
	filter := `(resource.type="ml_job" OR resource.type="cloudml_job") AND resource.labels.job_id="k1" AND timestamp>="1970-01-01T01:00:00.000000000Z" AND timestamp<"2026-11-22T22:04:48.239411Z"`
	got, err := service.Entries.List(&logging.ListLogEntriesRequest{Filter: filter, OrderBy: "timestamp asc", PageSize: 1000, ResourceNames: []string{"projects/proj"}}).Do()
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range got.Entries {
		var payload struct {
			Message, Levelname string
			Lineno             int
		}
		if err := json.Unmarshal(e.JsonPayload, &payload); err != nil {
			t.Fatal(err)
		}
		said = append(said, payload.Message)
		task := e.Resource.Labels["task_name"]
		if e.Resource.Type != "ml_job" || e.Resource.Labels["job_id"] != "k1" || e.Resource.Labels["project_id"] != "proj" || e.LogName != "projects/proj/logs/"+task ||
			len(e.Timestamp) != len("2006-01-02T15:04:05.000000000Z") || e.InsertId == "" || e.Labels["ml.googleapis.com/task_name"] != task {
			t.Errorf("entry %+v", e)
		}
		if task == "service" && e.Severity != "INFO" || task != "service" && (e.Severity != "WARNING" || payload.Levelname != "WARNING" || payload.Lineno != 7 || e.Labels["ml.googleapis.com/trial_id"] != "3") {
			t.Errorf("entry %+v", e)
		}
	}
	want := "Job k1 is queued.|master-replica-0 <0> ü|worker-replica-0 <0> ü|master-replica-0 <1> ü|worker-replica-0 <1> ü|master-replica-0 <2> ü|worker-replica-0 <2> ü"
	if strings.Join(said, "|") != want || got.NextPageToken != "" {
		t.Errorf("entries %q", said)
	}

	task := strings.Replace(filter, " AND timestamp>=", ` AND (resource.labels.task_name="worker-replica-0" OR labels.task_name="worker-replica-0") AND timestamp>=`, 1)
	got, err = service.Entries.List(&logging.ListLogEntriesRequest{Filter: task, OrderBy: "timestamp asc", PageSize: 1000, ResourceNames: []string{"projects/proj"}}).Do()
	if err != nil || len(got.Entries) != 3 || got.Entries[0].Resource.Labels["task_name"] != "worker-replica-0" {
		t.Errorf("one task: %+v, %v", got, err)
	}
	for _, order := range []string{"", "timestamp asc", "timestamp desc"} {
		n := 0
		req := &logging.ListLogEntriesRequest{ResourceNames: []string{"projects/proj"}, PageSize: 2, OrderBy: order}
		if err := service.Entries.List(req).Pages(t.Context(), func(p *logging.ListLogEntriesResponse) error { n += len(p.Entries); return nil }); err != nil || n != 7 {
			t.Errorf("pages, %q: %d entries, %v", order, n, err)
		}
	}
	got, err = service.Entries.List(&logging.ListLogEntriesRequest{ResourceNames: []string{"projects/another"}}).Do()
	if err != nil || len(got.Entries) != 0 {
		t.Errorf("another project: %+v, %v", got, err)
	}
}

func post(t *testing.T, base, path, body string) (int, string) {
	t.Helper()
	res, err := http.Post(base+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		t.Errorf("%s is of type %q", path, ct)
	}
	return res.StatusCode, strings.TrimSpace(string(b))
}

func TestNothingFoundIsAnEmptyObject(t *testing.T) {
	_, base := finished(t)
	code, body := post(t, base, "/v2/entries:list?alt=json", `{"filter": "resource.labels.job_id=\"none\"", "resourceNames": ["projects/proj"]}`)
	if code != 200 || body != "{}" {
		t.Errorf("%d %s", code, body)
	}
}

func TestTimesHaveNineDigitsAndIdsSortAsText(t *testing.T) {
	_, base := finished(t)
	code, body := post(t, base, "/v2/entries:list", `{"filter": "resource.labels.task_name=\"master-replica-0\"", "resourceNames": ["projects/proj"]}`)
	if code != 200 || strings.Count(body, `"timestamp":"2026-01-02T03:04:05.12000000`) != 3 || !strings.Contains(body, `"jsonPayload":{"levelname":"WARNING","lineno":7,"message":"master-replica-0 `) {
		t.Errorf("%d %s", code, body)
	}
}

func TestOddRequestsAreRefusedInGooglesForm(t *testing.T) {
	_, base := finished(t)
	for _, tt := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"/v2/entries:list", ``, 400, "Invalid JSON payload"},
		{"/v2/entries:list", `{`, 400, "Invalid JSON payload"},
		{"/v2/entries:list", `{"resourceNames": "x"}`, 400, "Invalid JSON payload"},
		{"/v2/entries:list", `{}`, 400, "resourceNames is required"},
		{"/v2/entries:list", `{"resourceNames": ["organizations/1"]}`, 400, "organizations/1"},
		{"/v2/entries:list", `{"resourceNames": ["projects/"]}`, 400, "projects/PROJECT"},
		{"/v2/entries:list", `{"resourceNames": ["projects/p"], "orderBy": "severity"}`, 400, "orderBy"},
		{"/v2/entries:list", `{"resourceNames": ["projects/p"], "filter": "severity=LOUD"}`, 400, "LOUD"},
		{"/v2/entries:list", `{"resourceNames": ["projects/p"], "filter": "("}`, 400, "at 2"},
		{"/v2/entries:list", `{"resourceNames": ["projects/p"], "pageToken": "x"}`, 400, "page token"},
		{"/v2/entries:list", `{"filter": "` + strings.Repeat("x", 2<<20) + `"}`, 400, "too large"},
		{"/v2/entries:write", `{}`, 404, "entries:list is"},
		{"/v2/projects/p/logs", `{}`, 404, "/v2/projects/p/logs"},
	} {
		code, body := post(t, base, tt.path, tt.body)
		var e struct {
			Error struct {
				Code            int
				Message, Status string
			}
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil || code != tt.code || e.Error.Code != code || e.Error.Status == "" || !strings.Contains(e.Error.Message, tt.want) {
			t.Errorf("%s %.80s: %d %.300s, want %d with %q", tt.path, tt.body, code, body, tt.code, tt.want)
		}
	}
	service, _ := finished(t)
	_, err := service.Entries.List(&logging.ListLogEntriesRequest{ResourceNames: []string{"projects/p"}, Filter: "severity"}).Do()
	if e, ok := errors.AsType[*googleapi.Error](err); !ok || e.Code != 400 || !strings.Contains(e.Message, "expected one of") {
		t.Errorf("Google's client reads the error as %v", err)
	}
}

type failing struct{ err error }

func (f failing) Query(context.Context, logs.Query) ([]logs.Record, string, error) {
	return nil, "", f.err
}

func TestErrorsHaveTheirStatusAndKeepTheirCause(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		want string
	}{
		{errors.New("secret path"), 500, "internal error (request "},
		{fault.Errorf(fault.Full, "the disk is full"), 507, "the disk is full"},
		{fault.Errorf(fault.Unavailable, "busy").WithHint("try again"), 503, "busy (try again)"},
		{context.Canceled, 503, "stopping"},
	} {
		srv := httptest.NewServer(logapi.New(failing{tt.err}, slog.New(slog.DiscardHandler)))
		code, body := post(t, srv.URL, "/v2/entries:list", `{"resourceNames": ["projects/p"]}`)
		if code != tt.code || !strings.Contains(body, tt.want) || strings.Contains(body, "secret") {
			t.Errorf("%v: %d %s", tt.err, code, body)
		}
		srv.Close()
	}
}
