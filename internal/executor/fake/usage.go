package fake

import (
	"context"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

var _ executor.Meter = (*Executor)(nil)

// Usage says of every program that runs that it keeps one processor busy and
// uses a MiB.
func (e *Executor) Usage(_ context.Context, s string) ([]executor.Usage, error) {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	a, _, err := e.m.find(s)
	if err != nil {
		return nil, err
	}
	now := e.m.clock.Now()
	var list []executor.Usage
	for _, r := range a.order {
		runs := a.runs[r]
		n := len(runs) - 1
		if st := runs[n].status(now); st.State == job.ReplicaRunning {
			list = append(list, executor.Usage{Replica: r, Run: n, Time: now, CPU: 1, CPUSeconds: now.Sub(st.Started).Seconds(), Memory: 1 << 20, PeakMemory: 1 << 20, Processes: 1})
		}
	}
	return list, nil
}
