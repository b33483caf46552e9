package executortest

import (
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// usage has the replicas that run, and only these.
func usage(s suite) {
	m, ok := s.ex.(executor.Meter)
	if !ok {
		s.t.Skip("this executor does not measure")
	}
	if _, err := m.Usage(s.ctx(), `{"no":"handle"}`); err == nil {
		s.t.Error("an unknown handle has usage")
	} else if k := fault.KindOf(err); k != fault.NotFound && k != fault.Invalid {
		s.t.Errorf("an unknown handle is %v: %v", k, err)
	}
	a := s.attempt("run", "forever")
	worker := a.Replicas[0]
	worker.Replica = job.Replica{Role: job.Worker}
	a.Replicas = append(a.Replicas, worker)
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	var list []executor.Usage
	for deadline := time.Now().Add(20 * time.Second); ; {
		list, err = m.Usage(s.ctx(), h)
		s.must(err)
		up := 0
		for _, u := range list {
			if u.Processes > 0 && u.Memory > 0 {
				up++
			}
		}
		if up == 2 || time.Now().After(deadline) {
			break
		}
		select {
		case <-s.ctx().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	seen := map[job.Replica]bool{}
	for _, u := range list {
		seen[u.Replica] = true
		if u.Memory <= 0 || u.PeakMemory < u.Memory || u.Processes < 1 || u.Time.IsZero() || u.CPUSeconds < 0 {
			s.t.Errorf("%s %d uses %+v", u.Role, u.Index, u)
		}
	}
	if len(list) != 2 || !seen[a.Replicas[0].Replica] || !seen[worker.Replica] {
		s.t.Errorf("two programs run, and the usage is %+v", list)
	}
	s.must(s.ex.Stop(s.ctx(), h))
	s.untilAll(h, func(st executor.Status) bool {
		return len(st.Replicas) == 2 && st.Replicas[0].Exit != nil && st.Replicas[1].Exit != nil
	})
}
