package yardapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/server/yardapi"
)

type repeats struct{ asked, request, client string }

func (r *repeats) Rerun(_ context.Context, was job.Job, q yardapi.Rerun, requestID, client string) (job.Job, []string, error) {
	b, _ := json.Marshal(q)
	r.asked, r.request, r.client = string(b), requestID, client
	if q.JobID == "taken" {
		return job.Job{}, nil, fault.Errorf(fault.Conflict, "taken").WithHint("choose another")
	}
	was.Key.ID = "j1_2"
	return was, []string{"a note"}, nil
}

func TestAJobIsRepeatedDeletedAndTracedBack(t *testing.T) {
	y := newYard()
	y.job.Origin = job.Origin{Client: "gcloud/1", Commit: "0123456", Branch: "main", Dirty: true, Repeats: "j0"}
	y.job.Lock = &job.Lock{}
	y.job.Packages = []job.Package{{URI: "gs://b/p", Generation: 7, MD5: []byte{1}}}
	r := &repeats{}
	var deleted []job.Key
	s := httptest.NewServer(yardapi.New(yardapi.Options{
		Jobs: y, Repeat: r, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Render: func(j job.Job) ([]byte, error) { return json.Marshal(map[string]string{"jobId": string(j.Key.ID)}) },
		Made:   func(job.Job) ([]byte, error) { return []byte(`{"python":"3.11.7"}`), nil },
		Delete: func(_ context.Context, k job.Key) error {
			if len(deleted) > 0 {
				return fault.Errorf(fault.Precondition, "runs").WithHint("cancel it")
			}
			deleted = append(deleted, k)
			return nil
		},
	}))
	t.Cleanup(s.Close)
	ask := func(method, path, body string, status int, parts ...string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/v1/projects/p/jobs/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Trainyard-Request-Id", "r1")
		req.Header.Set("User-Agent", "trainyard/9")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status {
			t.Errorf("%s %s %s: %s, %v\n%s", method, path, body, resp.Status, err, b)
		}
		for _, p := range parts {
			if !strings.Contains(strings.Join(strings.Fields(string(b)), ""), p) {
				t.Errorf("%s %s answers %s, without %s", method, path, b, p)
			}
		}
	}
	ask("POST", "j1:rerun", "", 200, `"jobId":"j1_2"`, `"notes":["anote"]`)
	if r.asked != "{}" || r.request != "r1" || r.client != "trainyard/9" {
		t.Errorf("asked for %+v", r)
	}
	ask("POST", "j1:rerun", `{"jobId":"x","args":[],"jobDir":"gs://b/o","labels":{"a":"b"},"newEnvironment":true}`, 200)
	if r.asked != `{"jobId":"x","args":[],"jobDir":"gs://b/o","labels":{"a":"b"},"newEnvironment":true}` {
		t.Errorf("asked for %s", r.asked)
	}
	ask("POST", "j1:rerun", `{"id":"x"}`, 400, "jobId,args")
	ask("POST", "j1:rerun", `{"jobId":"1-x"}`, 400, "job_1_x")
	ask("POST", "j1:rerun", `{"jobId":"taken"}`, 409, "chooseanother")
	ask("POST", "nope:rerun", `{}`, 404)
	ask("GET", "j1:rerun", "", 404, "POSTis")
	ask("GET", "j1:provenance", "", 200, `"repeats":"j0"`, `"client":"gcloud/1"`, `"commit":"0123456"`, `"branch":"main"`, `"dirty":true`, `"locked":true`, `"uri":"gs://b/p"`, `"generation":"7"`, `"md5":"AQ=="`, `"python":"3.11.7"`)
	ask("DELETE", "nope", "", 404)
	ask("DELETE", "j1", "", 200, "{}")
	ask("DELETE", "j1", "", 400, "FAILED_PRECONDITION", "cancelit")
	if len(deleted) != 1 || deleted[0] != y.job.Key {
		t.Errorf("deleted %v", deleted)
	}
}
