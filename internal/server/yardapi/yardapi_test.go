package yardapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/server/yardapi"
)

// yard is one job that a test moves on, and its log.
type yard struct {
	mu      sync.Mutex
	job     job.Job
	changed chan struct{}
	lines   chan string // closed when the job has ended
	cursors []string    // that Follow was asked to begin after
}

func newYard() *yard {
	y := &yard{changed: make(chan struct{}), lines: make(chan string, 10)}
	y.job.Key = job.Key{Project: "p", ID: "j1"}
	y.job.State = job.Queued
	y.job.Version = 1
	return y
}

func (y *yard) move(s job.State) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.job.State = s
	y.job.Version++
	close(y.changed)
	y.changed = make(chan struct{})
}

func (y *yard) Job(_ context.Context, key job.Key) (job.Job, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if key != y.job.Key {
		return job.Job{}, fault.Errorf(fault.NotFound, "no job %s", key)
	}
	return y.job, nil
}

func (y *yard) Attempts(context.Context, job.Key) ([]job.Attempt, error) {
	first := job.ReplicaRun{Replica: job.Replica{Role: job.Master}, Exit: &job.Exit{Code: 130, Step: "run"}}
	last := job.ReplicaRun{Replica: job.Replica{Role: job.Master}, Exit: &job.Exit{Code: 7, Step: "run"}}
	return []job.Attempt{{Number: 1, Replicas: []job.ReplicaRun{first}}, {Number: 2, Replicas: []job.ReplicaRun{last}}}, nil
}

func (y *yard) Watch(job.Key) (<-chan struct{}, func()) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.changed, func() {}
}

func (y *yard) Events(_ context.Context, _ job.Key, after int64, _ int) ([]job.Event, error) {
	if after > 0 {
		return nil, nil
	}
	return []job.Event{{Seq: 1, Name: "queued", Step: "queue", Text: "Job j1 is queued.", Took: 1500 * time.Millisecond}}, nil
}

func (y *yard) Follow(ctx context.Context, _ job.Key, cursor, task string, fn func(logs.Entry, string) error) error {
	y.mu.Lock()
	y.cursors = append(y.cursors, cursor)
	y.mu.Unlock()
	for n := 1; ; n++ {
		select {
		case line, ok := <-y.lines:
			if !ok {
				return nil
			}
			if err := fn(logs.Entry{Task: "master-replica-0", Message: line, Severity: logs.Info}, fmt.Sprint("c", n)); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (y *yard) serve(t *testing.T) *httptest.Server {
	s := httptest.NewServer(yardapi.New(yardapi.Options{
		Info: yardapi.Info{Version: "1.2.3", DefaultBucket: "trainyard-default"}, Jobs: y, Lines: y,
		Render: func(j job.Job) ([]byte, error) {
			return json.Marshal(map[string]string{"jobId": string(j.Key.ID), "state": string(j.State)})
		},
		Waiting: func(job.Key) string { return "waiting for 2 CPUs" },
		Why: func(_ context.Context, j job.Job) (any, error) {
			return map[string]string{"sentence": "It is " + string(j.State) + "."}, nil
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}))
	t.Cleanup(s.Close)
	return s
}

type sse struct{ name, id, data string }

func next(t *testing.T, sc *bufio.Scanner) sse {
	t.Helper()
	var e sse
	for sc.Scan() {
		line := sc.Text()
		switch {
		case line == "" && e.name != "":
			return e
		case strings.HasPrefix(line, "event: "):
			e.name = line[7:]
		case strings.HasPrefix(line, "id: "):
			e.id = line[4:]
		case strings.HasPrefix(line, "data: "):
			e.data = line[6:]
		}
	}
	t.Fatalf("the stream ended: %v", sc.Err())
	return e
}

func TestFollowSendsStatesAndLinesAndThenTheJob(t *testing.T) {
	y := newYard()
	s := y.serve(t)
	req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/v1/projects/p/jobs/j1:follow", nil)
	req.Header.Set("Last-Event-ID", "c7")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sc := bufio.NewScanner(resp.Body)
	if e := next(t, sc); e.name != "state" || !strings.Contains(e.data, `"state":"QUEUED"`) || !strings.Contains(e.data, "waiting for 2 CPUs") {
		t.Fatalf("first event = %+v, want the state and why it waits", e)
	}
	y.move(job.Running)
	if e := next(t, sc); e.name != "state" || !strings.Contains(e.data, `"state":"RUNNING"`) {
		t.Fatalf("event = %+v, want RUNNING", e)
	}
	y.lines <- "hello"
	if e := next(t, sc); e.name != "log" || e.id != "c1" || !strings.Contains(e.data, `"message":"hello"`) {
		t.Fatalf("event = %+v, want the line with its cursor", e)
	}
	close(y.lines)
	y.move(job.Succeeded)
	if e := next(t, sc); e.name != "state" || !strings.Contains(e.data, `"state":"SUCCEEDED"`) {
		t.Fatalf("event = %+v, want SUCCEEDED", e)
	}
	if e := next(t, sc); e.name != "exit" || e.data != `{"code":7,"step":"run"}` {
		t.Fatalf("event = %+v, want how the last attempt's program ended", e)
	}
	if e := next(t, sc); e.name != "end" || e.data != `{"jobId":"j1","state":"SUCCEEDED"}` {
		t.Fatalf("event = %+v, want the end", e)
	}
	if sc.Scan() && sc.Text() != "" {
		t.Errorf("after the end: %q", sc.Text())
	}
	if len(y.cursors) != 1 || y.cursors[0] != "c7" {
		t.Errorf("the stream began after %q, want c7", y.cursors)
	}
}

func TestServerInfoTimelineAndMistakes(t *testing.T) {
	s := newYard().serve(t)
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/v1/server":                       {200, `"version": "1.2.3"`},
		"/v1/projects/p/jobs/j1:timeline":  {200, `"seconds": 1.5`},
		"/v1/projects/p/jobs/j2:timeline":  {404, "no job p/j2"},
		"/v1/projects/p/jobs/j1:why":       {200, `"sentence": "It is `},
		"/v1/projects/p/jobs/j2:why":       {404, "no job p/j2"},
		"/v1/projects/p/jobs/j2:follow":    {404, "no job p/j2"},
		"/v1/projects/p/models/j1:follow":  {404, "nothing is served"},
		"/v1/projects/p/jobs/a/b:timeline": {404, "nothing is served"},
	} {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		_, _ = bufio.NewReader(resp.Body).WriteTo(&b)
		resp.Body.Close()
		if resp.StatusCode != want.code || !strings.Contains(b.String(), want.text) {
			t.Errorf("GET %s = %d %s, want %d and %q", path, resp.StatusCode, b.String(), want.code, want.text)
		}
	}
}
