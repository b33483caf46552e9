// Package executortest is the specification of executor.Executor as a suite of
// tests. An executor that passes it can be driven by control.
//
// The programs that the suite runs do what their arguments say, in order:
//
//	mark FILE        append a line to FILE
//	run D            go on for a duration, "forever" without end
//	exit N           end with a status; 0 at the end of the arguments
//	die SIGNAL       end by a signal, "SIGKILL"
//	trap N           from here on, SIGTERM ends it with a status
//	ignore SIGTERM   from here on
//	need FILE        exit with 9 unless FILE exists
//	child            leave a process behind that ignores SIGTERM
package executortest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Harness is what the suite needs of an implementation.
type Harness struct {
	// New returns an executor. Called again it returns another one that works
	// on the same attempts, as a server does that was started again.
	New func(t *testing.T) executor.Executor
	// Module is the program of the package comment.
	Module string
	// Lose ends what stands between the executor and the program, as a crashed
	// machine would, but leaves the program running where that can happen.
	Lose func(t *testing.T, handle string, r job.Replica)
	// Left counts the processes that are left of an attempt.
	Left func(t *testing.T, handle string) int
	// Prepares says that environments are made, and that Until and Never mean
	// what they say.
	Prepares bool
}

var seq atomic.Int64

type suite struct {
	Harness
	t     *testing.T
	ex    executor.Executor
	marks string
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(s suite)
	}{
		{"the exit status is reported", exitStatus},
		{"a program that dies by a signal is told from one that exits", signalled},
		{"Start called again starts nothing again", startOnce},
		{"Stop lets a program end in its own way", stopTrapped},
		{"Stop ends a program by SIGTERM", stopDefault},
		{"a program that ignores SIGTERM is killed after its grace period", stopIgnored},
		{"Stop ends the whole process tree", stopTree},
		{"Stop may be called twice, and after the end", stopTwice},
		{"a program's end is the end of what it left behind", treeEnds},
		{"another executor finds the attempt again", reattach},
		{"a lost run is lost, reaped, and run again under the next number", lost},
		{"replicas of a gang have their own statuses", gang},
		{"no program of a gang starts before all are ready", preparing(togetherOrNot)},
		{"where one cannot get ready, no program starts", preparing(noneWithout)},
		{"a replica that was lost while it waited is not ready", preparing(lostBefore)},
		{"a restarted replica does not wait for the others", restartedAlone},
		{"a cancelled Wait leaves the attempt running", cancelledWait},
		{"List names what is held and Remove frees it", listAndRemove},
		{"an attempt that runs cannot be removed", removeRunning},
		{"unknown handles are not found, and nothing to stop, reap or remove", unknown},
		{"Reserve gives every replica an address of its own", reserve},
		{"there is capacity", capacity},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(suite{Harness: h, t: t, ex: h.New(t), marks: filepath.Join(t.TempDir(), "marks")})
		})
	}
}

func preparing(test func(suite)) func(suite) {
	return func(s suite) {
		if !s.Prepares {
			s.t.Skip("this executor prepares nothing")
		}
		test(s)
	}
}

func exitStatus(s suite) {
	for _, code := range []int{0, 1, 7, 127, 255} {
		rs := s.end(s.start("mark", s.marks, "exit", fmt.Sprint(code)))
		if rs.Exit.Code != code || rs.Exit.Signal != "" || rs.Exit.Requested || rs.Exit.Step != "run" || rs.Exit.Time.IsZero() {
			s.t.Errorf("a program that exits with %d has the record %+v", code, *rs.Exit)
		}
		if rs.Started.IsZero() {
			s.t.Error("a program that ran has no time of its start")
		}
	}
	s.ran(5)
}

func signalled(s suite) {
	rs := s.end(s.start("die", "SIGKILL"))
	if rs.Exit.Code != 137 || rs.Exit.Signal != "SIGKILL" || rs.Exit.Requested {
		s.t.Errorf("a program that was killed has the record %+v, want 137 by SIGKILL", *rs.Exit)
	}
	if rs := s.end(s.start("exit", "137")); rs.Exit.Code != 137 || rs.Exit.Signal != "" {
		s.t.Errorf("a program that exits with 137 has the record %+v, want no signal", *rs.Exit)
	}
}

func startOnce(s suite) {
	a := s.attempt("mark", s.marks, "run", "200ms")
	first, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	again := s.New(s.t)
	for _, ex := range []executor.Executor{s.ex, again, s.ex} {
		h, err := ex.Start(s.ctx(), a)
		s.must(err)
		if h != first {
			s.t.Errorf("Start called again returned %s, want %s", h, first)
		}
	}
	s.end(first)
	_, err = again.Start(s.ctx(), a)
	s.must(err)
	if rs := s.end(first); rs.Run != 0 {
		s.t.Errorf("the run is %d, want 0", rs.Run)
	}
	s.ran(1)
}

func stopTrapped(s suite) {
	h := s.start("trap", "3", "mark", s.marks, "run", "forever")
	s.running(h)
	s.must(s.ex.Stop(s.ctx(), h))
	if rs := s.end(h); rs.Exit.Code != 3 || !rs.Exit.Requested {
		s.t.Errorf("a stopped program that exits with 3 has the record %+v", *rs.Exit)
	}
}

func stopDefault(s suite) {
	h := s.start("mark", s.marks, "run", "forever")
	s.running(h)
	s.must(s.ex.Stop(s.ctx(), h))
	if rs := s.end(h); rs.Exit.Code != 143 || rs.Exit.Signal != "SIGTERM" || !rs.Exit.Requested {
		s.t.Errorf("a stopped program has the record %+v, want 143 by SIGTERM, requested", *rs.Exit)
	}
}

func stopIgnored(s suite) {
	a := s.attempt("ignore", "SIGTERM", "mark", s.marks, "run", "forever")
	a.Replicas[0].Grace = 300 * time.Millisecond
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	s.running(h)
	asked := time.Now()
	s.must(s.ex.Stop(s.ctx(), h))
	if rs := s.end(h); rs.Exit.Code != 137 || rs.Exit.Signal != "SIGKILL" || !rs.Exit.Requested {
		s.t.Errorf("a program that ignores SIGTERM has the record %+v, want 137 by SIGKILL, requested", *rs.Exit)
	}
	if d := time.Since(asked); d < 300*time.Millisecond {
		s.t.Errorf("it was killed after %v, before its grace period", d)
	}
}

func stopTree(s suite) {
	a := s.attempt("child", "child", "mark", s.marks, "run", "forever")
	a.Replicas[0].Grace = 200 * time.Millisecond
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	s.running(h)
	if n := s.Left(s.t, h); n < 3 {
		s.t.Errorf("a program with two children has %d processes", n)
	}
	s.must(s.ex.Stop(s.ctx(), h))
	s.end(h)
	s.nothingLeft(h)
}

func stopTwice(s suite) {
	h := s.start("mark", s.marks, "run", "forever")
	s.running(h)
	s.must(s.ex.Stop(s.ctx(), h))
	s.must(s.New(s.t).Stop(s.ctx(), h))
	first := s.end(h)
	s.must(s.ex.Stop(s.ctx(), h))
	if rs := s.end(h); !rs.Exit.Time.Equal(first.Exit.Time) {
		s.t.Errorf("a Stop after the end changed the record to %+v", *rs.Exit)
	}
	h = s.start("exit", "0")
	s.end(h)
	s.must(s.ex.Stop(s.ctx(), h))
	if rs := s.end(h); rs.Exit.Requested {
		s.t.Error("a run that had ended counts as stopped")
	}
}

func treeEnds(s suite) {
	h := s.start("child", "exit", "0")
	if rs := s.end(h); rs.Exit.Code != 0 {
		s.t.Errorf("the record is %+v", *rs.Exit)
	}
	s.nothingLeft(h)
}

func reattach(s suite) {
	h := s.start("mark", s.marks, "run", "600ms", "exit", "4")
	s.running(h)
	s.ex = s.New(s.t)
	st, err := s.ex.Wait(s.ctx(), h, executor.Status{})
	s.must(err)
	if st.Replicas[0].State != job.ReplicaRunning {
		s.t.Errorf("found again, the program is %s", st.Replicas[0].State)
	}
	if rs := s.end(h); rs.Exit.Code != 4 {
		s.t.Errorf("the record is %+v, want 4", *rs.Exit)
	}
	s.ex = s.New(s.t)
	if rs := s.end(h); rs.Exit.Code != 4 {
		s.t.Errorf("read once more, the record is %+v, want 4", *rs.Exit)
	}
	s.ran(1)
}

func lost(s suite) {
	a := s.attempt("child", "mark", s.marks, "run", "forever")
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	s.running(h)
	s.Lose(s.t, h, a.Replicas[0].Replica)
	rs := s.until(h, func(rs executor.ReplicaStatus) bool { return rs.State != job.ReplicaRunning })
	if rs.State != job.ReplicaLost || rs.Exit != nil {
		s.t.Fatalf("a run without its agent is %s with the record %v, want lost", rs.State, rs.Exit)
	}
	_, err = s.ex.Start(s.ctx(), a)
	s.must(err)
	s.ran(1)
	s.must(s.ex.Reap(s.ctx(), h))
	s.nothingLeft(h)
	s.must(s.ex.Reap(s.ctx(), h))

	a.Replicas[0].Run, a.Replicas[0].Args = 1, []string{"mark", s.marks, "exit", "0"}
	next, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	if next != h {
		s.t.Errorf("a restart has the handle %s, want %s", next, h)
	}
	if rs := s.end(h); rs.Run != 1 || rs.Exit.Code != 0 {
		s.t.Errorf("the restart is run %d with the record %+v", rs.Run, *rs.Exit)
	}
	s.ran(2)
}

func gang(s suite) {
	a := s.attempt("mark", s.marks, "exit", "5")
	w := a.Replicas[0]
	w.Replica, w.Args = job.Replica{Role: job.Worker, Index: 0}, []string{"mark", s.marks, "run", "forever"}
	a.Replicas = append(a.Replicas, w)
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	st := s.untilAll(h, func(st executor.Status) bool {
		return len(st.Replicas) == 2 && st.Replicas[0].State == job.ReplicaExited && st.Replicas[1].State == job.ReplicaRunning
	})
	if st.Replicas[0].Role != job.Master || st.Replicas[0].Exit.Code != 5 {
		s.t.Errorf("the master's status is %+v", st.Replicas[0])
	}
	s.untilRan(2)
	s.must(s.ex.Stop(s.ctx(), h))
	st = s.untilAll(h, ended)
	if st.Replicas[0].Exit.Requested || !st.Replicas[1].Exit.Requested {
		s.t.Errorf("after Stop the records are %+v and %+v", *st.Replicas[0].Exit, *st.Replicas[1].Exit)
	}
	s.ran(2)
}

func cancelledWait(s suite) {
	h := s.start("mark", s.marks, "run", "forever")
	rs := s.running(h)
	ctx, cancel := context.WithCancelCause(s.ctx())
	why := errors.New("the server goes")
	cancel(why)
	if _, err := s.ex.Wait(ctx, h, executor.Status{Replicas: []executor.ReplicaStatus{rs}}); !errors.Is(err, why) {
		s.t.Errorf("a cancelled Wait says %v, want its cause", err)
	}
	st, err := s.ex.Wait(s.ctx(), h, executor.Status{})
	s.must(err)
	if st.Replicas[0].State != job.ReplicaRunning {
		s.t.Errorf("after it the program is %s", st.Replicas[0].State)
	}
	s.must(s.ex.Stop(s.ctx(), h))
	s.end(h)
}

func listAndRemove(s suite) {
	a := s.attempt("exit", "1")
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	s.end(h)
	held, err := s.New(s.t).List(s.ctx())
	s.must(err)
	if held[a.Name] != h {
		s.t.Errorf("List says %q for %s, want %s", held[a.Name], a.Name, h)
	}
	s.must(s.ex.Remove(s.ctx(), h, 0))
	s.must(s.ex.Remove(s.ctx(), h, 0))
	held, err = s.ex.List(s.ctx())
	s.must(err)
	if _, ok := held[a.Name]; ok {
		s.t.Error("a removed attempt is listed")
	}
	if _, err := s.ex.Wait(s.ctx(), h, executor.Status{}); !fault.Is(err, fault.NotFound) {
		s.t.Errorf("Wait for a removed attempt says %v, want not found", err)
	}
}

func removeRunning(s suite) {
	h := s.start("mark", s.marks, "run", "forever")
	s.running(h)
	if err := s.ex.Remove(s.ctx(), h, 0); !fault.Is(err, fault.Precondition) {
		s.t.Errorf("Remove of a running attempt says %v, want a precondition", err)
	}
	s.must(s.ex.Stop(s.ctx(), h))
	s.end(h)
	s.must(s.ex.Remove(s.ctx(), h, 0))
}

func unknown(s suite) {
	a := s.attempt("exit", "0")
	h, err := s.ex.Start(s.ctx(), a)
	s.must(err)
	s.end(h)
	s.must(s.ex.Remove(s.ctx(), h, 0))
	for _, h := range []string{h, "", "nonsense", "{}"} {
		if _, err := s.ex.Wait(s.ctx(), h, executor.Status{}); !fault.Is(err, fault.NotFound) {
			s.t.Errorf("Wait(%q) says %v, want not found", h, err)
		}
	}
	if err := s.ex.Stop(s.ctx(), h); err != nil && !fault.Is(err, fault.NotFound) {
		s.t.Errorf("Stop of a removed attempt says %v", err)
	}
	s.must(s.ex.Reap(s.ctx(), h))
	s.must(s.ex.Remove(s.ctx(), h, 0))
}

func reserve(s suite) {
	var all []string
	for range 3 {
		a := s.attempt("exit", "0")
		w := a.Replicas[0]
		w.Replica = job.Replica{Role: job.Worker, Index: 0}
		a.Replicas = append(a.Replicas, w)
		got, err := s.New(s.t).Reserve(s.ctx(), a)
		s.must(err)
		for _, r := range a.Replicas {
			addr := got[r.Replica]
			if addr == "" || slices.Contains(all, addr) {
				s.t.Errorf("%v has the address %q, given: %q", r.Replica, addr, all)
			}
			all = append(all, addr)
		}
	}
}

func capacity(s suite) {
	c, err := s.ex.Capacity(s.ctx())
	s.must(err)
	if c.CPUs < 0 || c.Memory < 0 || c.GPUs < 0 {
		s.t.Errorf("the capacity is %+v", c)
	}
}

func ended(st executor.Status) bool {
	return len(st.Replicas) > 0 && !slices.ContainsFunc(st.Replicas, func(rs executor.ReplicaStatus) bool { return rs.State != job.ReplicaExited })
}

// marked counts the lines of the marks file.
func (s suite) marked() int {
	b, err := os.ReadFile(s.marks)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	return strings.Count(string(b), "\n")
}
