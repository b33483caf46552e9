package mlapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/server/mlapi"
)

// memory keeps jobs in a slice, in the order of creation.
type memory struct {
	mu     sync.Mutex
	jobs   []job.Job
	events map[job.Key][]job.Event
	fail   error // what Job answers, when set
}

var epoch = time.Date(2026, 11, 24, 10, 20, 30, 123456789, time.UTC)

func (m *memory) Create(_ context.Context, n mlapi.NewJob) (job.Job, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.jobs {
		if j.Key == n.Spec.Key {
			if n.RequestID != "" && j.RequestID == n.RequestID {
				return j, false, nil
			}
			return job.Job{}, false, fault.Errorf(fault.Conflict, "job %s exists", j.Key)
		}
	}
	seq := int64(len(m.jobs) + 1)
	j := job.Job{Spec: n.Spec, Seq: seq, Document: n.Document, Wire: n.Wire, State: job.Queued, RequestID: n.RequestID,
		Created: epoch.Add(time.Duration(seq-1) * time.Second), Version: 1}
	m.jobs = append(m.jobs, j)
	if m.events == nil {
		m.events = map[job.Key][]job.Event{}
	}
	m.events[j.Key] = n.Events
	return j, true, nil
}

func (m *memory) find(key job.Key) (*job.Job, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	for i := range m.jobs {
		if m.jobs[i].Key == key {
			return &m.jobs[i], nil
		}
	}
	return nil, fault.Errorf(fault.NotFound, "no job %s", key)
}

func (m *memory) Job(_ context.Context, key job.Key) (job.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, err := m.find(key)
	if err != nil {
		return job.Job{}, err
	}
	return *j, nil
}

func (m *memory) List(_ context.Context, project job.Project, before int64, limit int, match func(job.Job) bool) (page []job.Job, next int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.jobs) - 1; i >= 0; i-- {
		j := m.jobs[i]
		if j.Key.Project != project || before > 0 && j.Seq >= before || !match(j) {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].Seq, nil
		}
		page = append(page, j)
	}
	return page, 0, nil
}

func (m *memory) SetLabels(_ context.Context, key job.Key, labels map[string]string, ifVersion *int64) (job.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, err := m.find(key)
	if err != nil {
		return job.Job{}, err
	}
	if ifVersion != nil && *ifVersion != j.Version {
		return job.Job{}, fault.Errorf(fault.Precondition, "job %s has changed since", key)
	}
	j.Labels, j.Version = maps.Clone(labels), j.Version+1
	return *j, nil
}

func (m *memory) RequestCancel(_ context.Context, key job.Key, reason string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, err := m.find(key)
	if err == nil && !j.State.Final() && j.Cancel == nil {
		j.Cancel, j.Version = &job.Cancel{Time: epoch, Reason: reason}, j.Version+1
	}
	return err
}

// change sets a job's fields as the control loop would.
func (m *memory) change(t *testing.T, id job.ID, f func(*job.Job)) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	j, err := m.find(job.Key{Project: "demo", ID: id})
	if err != nil {
		t.Fatal(err)
	}
	f(j)
}

// shelf has every package but those whose name holds "missing".
type shelf struct{}

func (shelf) Stat(_ context.Context, uri string) (job.Package, error) {
	switch {
	case strings.Contains(uri, "missing"):
		return job.Package{}, fault.Errorf(fault.NotFound, "no such object").WithHint("upload it first")
	case strings.Contains(uri, "broken"):
		return job.Package{}, fault.Errorf(fault.Unavailable, "the bucket does not answer")
	}
	return job.Package{URI: uri, Generation: 7, Size: 42}, nil
}

func (shelf) HasBucket(_ context.Context, name string) (bool, error) { return name != "absent", nil }

func rules() mlv1.Rules {
	return mlv1.Rules{
		Regions: []string{"us-central1", "europe-west1"},
		Runtime: func(runtime, python string) (mlv1.Runtime, error) {
			switch runtime {
			case "":
				return mlv1.Runtime{Python: "3.13", Notes: []string{"The job gets Python 3.13.0."}}, nil
			case "2.11":
				return mlv1.Runtime{Python: "3.7", Warnings: []string{"Runtime version 2.11 runs without its pinned packages."}}, nil
			}
			return mlv1.Runtime{}, fault.Errorf(fault.Invalid, "This server has runtime version 2.11 for Python 3.7.").WithHint("leave --runtime-version out")
		},
		Accelerators: func(typ string, n int) error {
			return fault.Errorf(fault.Invalid, "This server has no %s accelerators; %d requested.", typ, n)
		},
	}
}

// start serves the API over an empty memory.
func start(t *testing.T) (*memory, string) {
	t.Helper()
	m := &memory{}
	s := httptest.NewServer(mlapi.New(mlapi.Options{
		Jobs: m, Packages: shelf{}, Rules: rules(),
		Position: func(k job.Key) (int64, bool) { return 3, k.ID == "waits" },
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
	}))
	t.Cleanup(s.Close)
	return m, s.URL
}

// document is a job that is right.
func document(id, more string) string {
	return fmt.Sprintf(`{"jobId": %q, "trainingInput": {"packageUris": ["gs://bucket/p.tar.gz"], "pythonModule": "trainer.task", "region": "us-central1"%s}}`, id, more)
}
