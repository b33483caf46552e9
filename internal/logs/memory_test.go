package logs

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// memory is a Source without a database.
type memory struct {
	mu      sync.Mutex
	jobs    []job.Job
	events  map[job.Key][]job.Event
	seq     int64
	watches map[job.Key][]chan struct{}
	watched int
}

func newMemory() *memory {
	return &memory{events: map[job.Key][]job.Event{}, watches: map[job.Key][]chan struct{}{}}
}

// set makes a job, or gives one another state.
func (m *memory) set(k job.Key, s job.State) job.Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.tell(k)
	for i := range m.jobs {
		if m.jobs[i].Key == k {
			if m.jobs[i].State = s; s.Final() {
				m.jobs[i].Ended = time.Now()
			}
			return m.jobs[i]
		}
	}
	j := job.Job{Spec: job.Spec{Key: k}, Seq: int64(len(m.jobs) + 1), State: s}
	m.jobs = append(m.jobs, j)
	return j
}

func (m *memory) say(k job.Key, at time.Time, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq++
	m.events[k] = append(m.events[k], job.Event{Seq: m.seq, Time: at, Name: text, Text: text, Service: text != "hidden"})
	m.tell(k)
}

// tell is called with mu held.
func (m *memory) tell(k job.Key) {
	for _, c := range m.watches[k] {
		close(c)
	}
	delete(m.watches, k)
}

func (m *memory) Job(_ context.Context, k job.Key) (job.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.jobs {
		if j.Key == k {
			return j, nil
		}
	}
	return job.Job{}, fault.Errorf(fault.NotFound, "job %s is not found", k)
}

func (m *memory) Events(_ context.Context, k job.Key, after int64, max int) ([]job.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []job.Event
	for _, e := range m.events[k] {
		if e.Seq > after && len(list) < max {
			list = append(list, e)
		}
	}
	return list, nil
}

func (m *memory) Watch(k job.Key) (<-chan struct{}, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan struct{})
	m.watches[k] = append(m.watches[k], c)
	m.watched++
	return c, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.watched--
	}
}

func (m *memory) EachJob(_ context.Context, p job.Project, fn func(job.Job) error) error {
	m.mu.Lock()
	jobs := append([]job.Job(nil), m.jobs...)
	m.mu.Unlock()
	for i := len(jobs) - 1; i >= 0; i-- {
		if jobs[i].Key.Project == p {
			if err := fn(jobs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// spool opens a spool of a job for a replica.
func spool(t testing.TB, dir string, j job.Job, task string, index int) *Spool {
	t.Helper()
	s, err := OpenSpool(filepath.Join(dir, fmt.Sprint(j.Seq), "logs", fmt.Sprintf("a1-worker-%d.0.log", index)), task, "", fmt.Sprintf("0001w%03d00", index))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var k1 = job.Key{Project: "proj", ID: "k1"}

// counting calls before at every reading of a timeline.
type counting struct {
	*memory
	before func()
}

func (c *counting) Events(ctx context.Context, k job.Key, after int64, max int) ([]job.Event, error) {
	c.before()
	return c.memory.Events(ctx, k, after, max)
}
