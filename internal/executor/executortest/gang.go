package executortest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// Runtime versions of the suite's replicas, where the implementation prepares
// environments.
const (
	// Until stands before the name of a file: there is no environment before it
	// exists.
	Until = "until:"
	// Never is a runtime version of which no environment can be made.
	Never = "never"
)

// team is an attempt of a master and workers, each with its arguments.
func (s suite) team(args ...[]string) executor.Attempt {
	a := s.attempt(args[0]...)
	for i, more := range args[1:] {
		w := a.Replicas[0]
		w.Replica, w.Args = job.Replica{Role: job.Worker, Index: i}, more
		a.Replicas = append(a.Replicas, w)
	}
	return a
}

// prepared waits until a replica has its environment.
func (s suite) prepared(h string, replica int) {
	s.t.Helper()
	s.untilAll(h, func(st executor.Status) bool {
		return len(st.Replicas) > replica && slices.ContainsFunc(st.Replicas[replica].Steps, func(x executor.Step) bool { return x.Name == "environment" })
	})
}

// quiet is the status when it has not changed for a while. What must not happen
// has no event to wait for.
func (s suite) quiet(h string) executor.Status {
	s.t.Helper()
	var st executor.Status
	for {
		ctx, cancel := context.WithTimeout(s.ctx(), 300*time.Millisecond)
		now, err := s.ex.Wait(ctx, h, st)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return st
		}
		s.must(err)
		st = now
	}
}

func togetherOrNot(s suite) {
	file := filepath.Join(s.t.TempDir(), "go")
	// Whoever starts before the last is ready finds no file.
	a := s.team([]string{"need", file, "mark", s.marks, "run", "forever"}, []string{"need", file, "mark", s.marks, "run", "forever"}, []string{"mark", s.marks, "run", "forever"})
	a.Replicas[2].Runtime = Until + file
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	s.prepared(h, 0)
	s.prepared(h, 1)
	for _, rs := range s.quiet(h).Replicas {
		if rs.State != job.ReplicaPreparing || !rs.Started.IsZero() {
			s.t.Errorf("before all are ready, %v is %s", rs.Replica, rs.State)
		}
	}
	s.must(os.WriteFile(file, nil, 0o600))
	st := s.untilAll(h, func(st executor.Status) bool {
		return !slices.ContainsFunc(st.Replicas, func(rs executor.ReplicaStatus) bool { return rs.State == job.ReplicaPreparing })
	})
	for _, rs := range st.Replicas {
		if rs.State != job.ReplicaRunning {
			s.t.Errorf("when all are ready, %v is %s: %+v", rs.Replica, rs.State, rs.Exit)
		}
	}
	s.untilRan(3)
	s.must(s.ex.Stop(s.ctx(), h))
	s.untilAll(h, ended)
	s.ran(3)
}

func noneWithout(s suite) {
	a := s.team([]string{"mark", s.marks}, []string{"mark", s.marks})
	a.Replicas[1].Runtime = Never
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	st := s.untilAll(h, func(st executor.Status) bool {
		return len(st.Replicas) == 2 && st.Replicas[1].State == job.ReplicaExited
	})
	if x := st.Replicas[1].Exit; x.Code == 0 || x.Step == "run" {
		s.t.Errorf("a replica without an environment has the record %+v", *x)
	}
	s.prepared(h, 0)
	s.must(s.ex.Stop(s.ctx(), h))
	st = s.untilAll(h, ended)
	if !st.Replicas[0].Exit.Requested || !st.Replicas[0].Started.IsZero() {
		s.t.Errorf("the other one has the status %+v", st.Replicas[0])
	}
	s.ran(0)
}

func lostBefore(s suite) {
	file := filepath.Join(s.t.TempDir(), "go")
	a := s.team([]string{"mark", s.marks}, []string{"mark", s.marks}, []string{"mark", s.marks})
	a.Replicas[2].Runtime = Until + file
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	s.prepared(h, 0)
	s.prepared(h, 1)
	s.Lose(s.t, h, a.Replicas[1].Replica)
	s.untilAll(h, func(st executor.Status) bool { return st.Replicas[1].State == job.ReplicaLost })
	s.must(s.ex.Reap(s.ctx(), h))
	s.must(os.WriteFile(file, nil, 0o600))
	s.prepared(h, 2)
	s.quiet(h)
	s.ran(0)
	a.Replicas[1].Run = 1
	_, err = s.ex.Start(s.ctx(), a)
	s.must(err)
	for _, rs := range s.untilAll(h, ended).Replicas {
		if rs.Exit.Code != 0 {
			s.t.Errorf("%v ended as %+v", rs.Replica, *rs.Exit)
		}
	}
	s.ran(3)
}

func restartedAlone(s suite) {
	a := s.team([]string{"mark", s.marks, "exit", "0"}, []string{"mark", s.marks, "run", "forever"})
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	s.untilAll(h, func(st executor.Status) bool {
		return len(st.Replicas) == 2 && st.Replicas[0].State == job.ReplicaExited && st.Replicas[1].State == job.ReplicaRunning
	})
	s.untilRan(2)
	s.Lose(s.t, h, a.Replicas[1].Replica)
	s.untilAll(h, func(st executor.Status) bool { return st.Replicas[1].State == job.ReplicaLost })
	s.must(s.ex.Reap(s.ctx(), h))
	a.Replicas[1].Run, a.Replicas[1].Args = 1, []string{"mark", s.marks, "exit", "0"}
	_, err = s.ex.Start(s.ctx(), a)
	s.must(err)
	st := s.untilAll(h, ended)
	if rs := st.Replicas[1]; rs.Run != 1 || rs.Exit.Code != 0 {
		s.t.Errorf("beside a master that has ended, the restart is %+v with %+v", rs, *rs.Exit)
	}
	s.ran(3)
}
