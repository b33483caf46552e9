package control

import (
	"context"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Usage is what a job's replicas use now; nothing where none runs, or where the
// executor cannot tell.
func (c *Controller) Usage(ctx context.Context, key job.Key) ([]executor.Usage, error) {
	list, _, err := c.uses(ctx, key)
	return list, err
}

func (c *Controller) uses(ctx context.Context, key job.Key) ([]executor.Usage, *job.Attempt, error) {
	m, ok := c.o.Executor.(executor.Meter)
	c.mu.Lock()
	a := c.live[key]
	c.mu.Unlock()
	if !ok || a == nil {
		return nil, a, nil
	}
	list, err := m.Usage(ctx, a.Handle)
	if fault.Is(err, fault.NotFound) { // it has just ended
		err = nil
	}
	return list, a, err
}

// Consumed is a job's usage until now: what the store has of ended attempts and
// of runs that were followed by others, what the current attempt's ended runs
// used, and what those use that go on.
func (c *Controller) Consumed(ctx context.Context, j job.Job) job.Usage {
	if j.State.Final() {
		return j.Usage
	}
	list, a, err := c.uses(ctx, j.Key)
	if err != nil {
		c.o.Log.Warn("what a job uses is not known", "job", j.Key, "err", err)
	}
	u := j.Usage
	if a != nil {
		u = *usage(u, a)
	}
	for _, x := range list {
		if a != nil && ended(a, x) {
			continue
		}
		u.CPUSeconds += x.CPUSeconds
		u.PeakMemory = max(u.PeakMemory, x.PeakMemory)
	}
	return u
}

// ended reports whether a run has its record, which counts instead of samples.
func ended(a *job.Attempt, x executor.Usage) bool {
	for _, r := range a.Replicas {
		if r.Replica == x.Replica {
			return r.Run != x.Run || r.Exit != nil
		}
	}
	return true
}

// goesOn notes a job's attempt that goes on, or with none that there is no such
// attempt.
func (c *Controller) goesOn(key job.Key, a *job.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a == nil {
		delete(c.live, key)
		return
	}
	c.live[key] = a
}
