package executortest

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// attempt is an attempt of one master that does what the arguments say.
func (s suite) attempt(args ...string) executor.Attempt {
	n := seq.Add(1)
	return executor.Attempt{
		Name: fmt.Sprintf("j%d-a1", n), Job: job.Key{Project: "suite", ID: job.ID(fmt.Sprintf("job_%d", n))}, Seq: n, Number: 1,
		Replicas: []executor.Replica{{
			Replica: job.Replica{Role: job.Master}, Module: s.Module, Args: args, Grace: 20 * time.Second,
		}},
	}
}

func (s suite) start(args ...string) string {
	s.t.Helper()
	h, err := s.ex.Start(s.ctx(), s.attempt(args...))
	s.must(err)
	return h
}

func (s suite) ctx() context.Context { return s.t.Context() }

func (s suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// untilAll follows an attempt until its status is as wanted.
func (s suite) untilAll(h string, want func(executor.Status) bool) executor.Status {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx(), time.Minute)
	defer cancel()
	var seen executor.Status
	for {
		st, err := s.ex.Wait(ctx, h, seen)
		if err != nil {
			s.t.Fatalf("%v; the last status was %+v", err, seen)
		}
		if want(st) {
			return st
		}
		seen = st
	}
}

func (s suite) until(h string, want func(executor.ReplicaStatus) bool) executor.ReplicaStatus {
	s.t.Helper()
	st := s.untilAll(h, func(st executor.Status) bool { return len(st.Replicas) > 0 && want(st.Replicas[0]) })
	return st.Replicas[0]
}

// end waits for the only replica's exit record.
func (s suite) end(h string) executor.ReplicaStatus {
	s.t.Helper()
	rs := s.until(h, func(rs executor.ReplicaStatus) bool {
		return rs.State == job.ReplicaExited || rs.State == job.ReplicaLost
	})
	if rs.Exit == nil {
		s.t.Fatalf("the run is %s without an exit record", rs.State)
	}
	return rs
}

// running waits until the program runs and has left its mark: whatever stands
// before the mark in its arguments is done.
func (s suite) running(h string) executor.ReplicaStatus {
	s.t.Helper()
	rs := s.until(h, func(rs executor.ReplicaStatus) bool { return rs.State == job.ReplicaRunning || rs.Exit != nil })
	if rs.State != job.ReplicaRunning {
		s.t.Fatalf("the program ended: %+v", *rs.Exit)
	}
	s.untilRan(1)
	// What was done meanwhile may have changed the status.
	st, err := s.ex.Wait(s.ctx(), h, executor.Status{})
	s.must(err)
	return st.Replicas[0]
}

// untilRan waits for the marks of other processes: there is no event to wait for.
func (s suite) untilRan(n int) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); s.marked() < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d programs left a mark, want %d", s.marked(), n)
		}
	}
}

func (s suite) ran(n int) {
	s.t.Helper()
	if got := s.marked(); got != n {
		b, _ := os.ReadFile(s.marks)
		s.t.Errorf("programs ran %d times, want %d: %q", got, n, b)
	}
}

func (s suite) nothingLeft(h string) {
	s.t.Helper()
	if n := s.Left(s.t, h); n != 0 {
		s.t.Errorf("%d processes are left", n)
	}
}
