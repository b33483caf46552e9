package fake

import (
	"context"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Stop sends SIGTERM to all programs that run.
func (e *Executor) Stop(_ context.Context, s string) error {
	return e.each(s, func(n *run, now time.Time) {
		if st := n.status(now); n.stopped.IsZero() && st.State == job.ReplicaRunning {
			n.stopped = now
		}
	})
}

// Reap ends what lost runs left.
func (e *Executor) Reap(_ context.Context, s string) error {
	err := e.each(s, func(n *run, now time.Time) {
		if n.status(now).State == job.ReplicaLost {
			n.reaped = true
		}
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Lose makes the agent of a replica's latest run be gone.
func (m *Machine) Lose(s string, r job.Replica) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, _, err := m.find(s)
	if err != nil {
		return err
	}
	runs := a.runs[r]
	if len(runs) == 0 {
		return fault.Errorf(fault.NotFound, "%s has no replica %v", s, r)
	}
	if n := runs[len(runs)-1]; n.lost.IsZero() {
		n.lost = m.clock.Now()
	}
	a.change()
	return nil
}

// Left counts the processes that an attempt would have.
func (m *Machine) Left(s string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, _, err := m.find(s)
	if err != nil {
		return 0
	}
	left, now := 0, m.clock.Now()
	for _, runs := range a.runs {
		for _, n := range runs {
			if st := n.status(now); st.Exit == nil && !n.reaped {
				left += 1 + n.plan.children
			}
		}
	}
	return left
}

// Remove forgets an attempt that has ended.
func (e *Executor) Remove(_ context.Context, s string, _ time.Duration) error {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	a, name, err := e.m.find(s)
	if err != nil {
		return nil //nolint:nilerr // removed before
	}
	now := e.m.clock.Now()
	for _, runs := range a.runs {
		for _, n := range runs {
			if n.status(now).State == job.ReplicaRunning {
				return fault.Errorf(fault.Precondition, "attempt %s still runs", name)
			}
		}
	}
	delete(e.m.attempts, name)
	a.change()
	return nil
}

// each acts on all runs of an attempt and tells whoever waits.
func (e *Executor) each(s string, act func(*run, time.Time)) error {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	a, _, err := e.m.find(s)
	if err != nil {
		return err
	}
	now := e.m.clock.Now()
	for _, runs := range a.runs {
		for _, n := range runs {
			act(n, now)
		}
	}
	a.change()
	return nil
}
