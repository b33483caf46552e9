package logapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/server/logapi"
)

// source is a store with one job.
type source struct {
	mu     sync.Mutex
	job    job.Job
	events []job.Event
}

func (s *source) say(at time.Time, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, job.Event{Seq: int64(len(s.events) + 1), Time: at, Name: text, Text: text, Service: true})
}

func (s *source) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.job.State, s.job.Ended = job.Succeeded, time.Now()
}

func (s *source) Job(_ context.Context, k job.Key) (job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k != s.job.Key {
		return job.Job{}, fault.Errorf(fault.NotFound, "job %s is not found", k)
	}
	return s.job, nil
}

func (s *source) Events(_ context.Context, _ job.Key, after int64, max int) ([]job.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.events[min(int(after), len(s.events)):]
	return list[:min(len(list), max)], nil
}

func (s *source) Watch(job.Key) (<-chan struct{}, func()) { return nil, func() {} }

func (s *source) EachJob(ctx context.Context, p job.Project, fn func(job.Job) error) error {
	if p != s.job.Key.Project {
		return nil
	}
	j, err := s.Job(ctx, s.job.Key)
	if err != nil {
		return err
	}
	return fn(j)
}

// poller does what gcloud's log streaming does (spec 7.4), text comparisons
// and all.
type poller struct {
	timestamp, insertID string
	same                bool // the last two entries had one timestamp
}

func (p *poller) accept(timestamp, id string) bool {
	switch {
	case timestamp < p.timestamp:
		return false
	case timestamp == p.timestamp:
		if id <= p.insertID {
			return false
		}
		p.insertID, p.same = id, true
	default:
		p.timestamp, p.insertID, p.same = timestamp, id, false
	}
	return true
}

func (p *poller) request() string {
	lower := fmt.Sprintf(`timestamp>="%s"`, p.timestamp)
	if p.same {
		lower = fmt.Sprintf(`((timestamp="%s" AND insertId>"%s") OR timestamp>"%s")`, p.timestamp, p.insertID, p.timestamp)
	}
	filter := `(resource.type="ml_job" OR resource.type="cloudml_job") AND resource.labels.job_id="k1" AND ` + lower +
		` AND timestamp<"` + time.Now().UTC().Add(-5*time.Second).Format("2006-01-02T15:04:05.000000Z") + `"`
	b, err := json.Marshal(map[string]any{"filter": filter, "orderBy": "timestamp asc", "pageSize": 1000, "resourceNames": []string{"projects/proj"}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestAPollerLikeGcloudSeesEveryLineOnceWhileTheyAreWritten(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		src := &source{job: job.Job{Spec: job.Spec{Key: job.Key{Project: "proj", ID: "k1"}}, Seq: 1, State: job.Running}}
		h := logapi.New(logs.NewReader(dir, src), slog.New(slog.DiscardHandler))
		const tasks, rounds = 3, 100
		wrote := make([]int, tasks+1)
		var writers sync.WaitGroup
		for i := range tasks {
			s := spool(t, dir, fmt.Sprintf("worker-replica-%d", i), i)
			writers.Go(func() {
				for round := range rounds {
					n := rand.IntN(5)
					if round == 50 {
						n = 1700 // at one moment: the clock stands still meanwhile
					}
					for range n {
						if err := s.Append(time.Now(), logs.Info, fmt.Sprint(wrote[i]), nil); err != nil {
							t.Error(err)
						}
						wrote[i]++
					}
					<-time.After(rand.N(20 * time.Millisecond)) // an agent flushes that often
					s.Flush()
					<-time.After(rand.N(500 * time.Millisecond))
				}
			})
		}
		writers.Go(func() {
			for range rounds {
				src.say(time.Now(), fmt.Sprint(wrote[tasks]))
				wrote[tasks]++
				<-time.After(rand.N(500 * time.Millisecond))
			}
		})
		ended := make(chan struct{})
		go func() {
			writers.Wait()
			src.end()
			close(ended)
		}()

		p := poller{timestamp: "1970-01-01T01:00:00.000000000Z"}
		next := map[string]int{}
		for empty := 0; empty < 8; {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v2/entries:list?alt=json", strings.NewReader(p.request())))
			var answer struct {
				Entries []struct {
					Timestamp, InsertID string
					Resource            struct{ Labels map[string]string }
					JSONPayload         struct{ Message string }
				}
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != 200 {
				t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
			}
			if len(answer.Entries) > 1000 {
				t.Fatalf("%d entries in a page", len(answer.Entries))
			}
			fresh := 0
			for _, e := range answer.Entries {
				if !p.accept(e.Timestamp, e.InsertID) {
					continue
				}
				fresh++
				task := e.Resource.Labels["task_name"]
				if e.JSONPayload.Message != fmt.Sprint(next[task]) {
					t.Fatalf("line %s of %s came where %d was due", e.JSONPayload.Message, task, next[task])
				}
				next[task]++
			}
			if fresh > 0 {
				empty = 0
			} else if empty++; empty == 1 {
				select {
				case <-ended:
				default:
					empty = 0
				}
			}
			<-time.After(time.Second)
		}
		for i := range tasks {
			if got := next[fmt.Sprintf("worker-replica-%d", i)]; got != wrote[i] {
				t.Errorf("%d lines of task %d were seen, %d written", got, i, wrote[i])
			}
		}
		if next["service"] != wrote[tasks] {
			t.Errorf("%d lines of the service were seen, %d written", next["service"], wrote[tasks])
		}
	})
}
