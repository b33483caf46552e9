package control

import (
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

var (
	reset   = &job.Exit{Code: 1, Step: "run", Traceback: "Traceback (most recent call last):\n  File \"t.py\", line 3, in <module>\n    dist.all_reduce(x)\nRuntimeError: [gloo/transport/tcp/pair.cc:575] Connection closed by peer [127.0.0.1]:20345"}
	never   = &job.Exit{Code: 1, Step: "run", Traceback: "Traceback (most recent call last):\n  File \"t.py\", line 3, in <module>\n    dist.init_process_group()\ntorch.distributed.DistStoreError: Timed out after 31 seconds waiting for clients. 1/3 clients joined."}
	crash   = &job.Exit{Code: 1, Step: "run", Traceback: "Traceback (most recent call last):\n  File \"t.py\", line 3, in <module>\n    1/0\nZeroDivisionError: division by zero"}
	segv    = &job.Exit{Code: 139, Signal: "SIGSEGV", Step: "run"}
	exit130 = &job.Exit{Code: 200, Step: "run"}
	stopped = &job.Exit{Code: 143, Signal: "SIGTERM", Requested: true, Step: "run"}
)

// band is a running job of a master and workers; one exit, or nil, for each.
func band(ends ...*job.Exit) *Item {
	it := running(1, 1, 0, job.ReplicaRunning, nil)
	it.Groups = append(it.Groups, job.Group{Role: job.Worker, Count: len(ends) - 1})
	it.Current.Replicas = nil
	it.Status = executor.Status{}
	for i, e := range ends {
		r := job.ReplicaRun{Replica: job.Replica{Role: job.Worker, Index: i - 1}, State: job.ReplicaRunning, Started: t0, Address: "127.0.0.1:2000"}
		if i == 0 {
			r.Replica = job.Replica{Role: job.Master}
		}
		if e != nil {
			r.State, r.Exit, r.Ended = job.ReplicaExited, e, t0.Add(time.Minute+time.Duration(i)*time.Millisecond)
		}
		it.Current.Replicas = append(it.Current.Replicas, r)
		it.Status.Replicas = append(it.Status.Replicas, executor.ReplicaStatus{Replica: r.Replica, State: r.State, Started: t0, Exit: e})
	}
	return it
}

func TestTheReplicaThatFailedFirstIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name string
		ends []*job.Exit
		want string
	}{
		{"one", []*job.Exit{nil, crash, nil}, "worker-replica-0"},
		{"its peer's record came first", []*job.Exit{reset, nil, crash}, "worker-replica-1"},
		{"others waited for it in vain", []*job.Exit{never, nil, crash}, "worker-replica-1"},
		{"only peers", []*job.Exit{nil, reset, reset}, "worker-replica-0"},
		{"one was stopped by us", []*job.Exit{stopped, crash}, "worker-replica-0"},
		{"all others were stopped for one that waited in vain", []*job.Exit{stopped, reset, stopped}, "worker-replica-0"},
		{"an early end with 0 is none", []*job.Exit{nil, {Code: 0, Step: "run"}, crash}, "worker-replica-1"},
	} {
		it := band(tt.ends...)
		// What is said while the others end is said afterwards, too.
		for _, state := range []job.AttemptState{job.AttemptStopping, job.AttemptDone} {
			it.Current.State = state
			if r := blame(it.Current); r == nil || task(r.Replica) != tt.want {
				t.Errorf("%s, %s: %+v, want %s", tt.name, state, r, tt.want)
			}
		}
	}
	// All were asked to end, and not by us.
	machine := band(stopped, stopped)
	for _, state := range []job.AttemptState{job.AttemptLive, job.AttemptDone} {
		machine.Current.State = state
		if r := blame(machine.Current); r == nil || task(r.Replica) != "master-replica-0" {
			t.Errorf("the machine is shut down, %s: %+v, want the first", state, r)
		}
	}
	if r := blame(band(nil, &job.Exit{Code: 0}).Current); r != nil {
		t.Errorf("nobody failed: %+v", r)
	}
}

func TestAGangEndsAsTheRulesSay(t *testing.T) {
	now := t0.Add(time.Hour)
	// A permanent failure stops the others.
	if a := one(t, band(nil, crash, nil)); a.Kind != Stop {
		t.Errorf("a worker failed: %+v, want the others stopped", a)
	}
	// The primary's success is the job's, and ends the others.
	if a := one(t, band(&job.Exit{Code: 0, Step: "run"}, nil)); a.Kind != Stop {
		t.Errorf("the primary succeeded: %+v, want the others stopped", a)
	}
	done := band(&job.Exit{Code: 0, Step: "run"}, stopped, crash)
	done.Current.State = job.AttemptStopping
	if a := one(t, done); a.Change.State != job.Succeeded {
		t.Errorf("the primary succeeded and a worker failed after: %+v, want success", a)
	}
	// A primary that ends with 0 because it was stopped has not succeeded: the
	// worker's failure is the job's, or its retry.
	yielded := &job.Exit{Code: 0, Step: "run", Requested: true}
	for end, want := range map[*job.Exit]Kind{crash: Write, segv: Remove} {
		gave := band(yielded, end)
		gave.Current.State = job.AttemptStopping
		if a := one(t, gave); a.Kind != want || a.Change.State == job.Succeeded {
			t.Errorf("stopped for a worker's %+v, the primary ended with 0: %+v, want %s", end, a, want)
		}
	}
	// A worker that ends well and early changes nothing.
	if actions, _ := Decide(now, View{Items: []*Item{band(nil, &job.Exit{Code: 0, Step: "run"})}}); len(actions) != 0 {
		t.Errorf("a worker ended well: %+v, want nothing", actions)
	}
	// A status that is tried again restarts that replica alone, and the same address is its.
	a := one(t, band(nil, exit130))
	if r := a.Change.Attempt.Replicas[1]; r.Run != 1 || r.Address == "" || a.Change.Attempt.Replicas[0].Run != 0 {
		t.Errorf("a worker with status 200: %+v, want it restarted alone", a.Change.Attempt)
	}
	// The peers of one that is restarted are no reason to give up: the job is tried again.
	lost := band(reset, nil)
	lost.Current.Replicas[1] = job.ReplicaRun{Replica: lost.Current.Replicas[1].Replica, Run: 1, State: job.ReplicaPending, Ended: t0.Add(time.Minute), Address: "127.0.0.1:2000"}
	lost.Status = executor.Status{}
	if a := one(t, lost); a.Change.Attempt == nil || a.Change.Attempt.State != job.AttemptDone || a.Kind != Remove {
		t.Errorf("a peer of a restarted replica: %+v, want the whole job tried again", a)
	} else if want := "The replica master 0 lost worker 0, which was being restarted."; a.Change.Attempt.Cause != want {
		t.Errorf("it is tried again because %q, want %q", a.Change.Attempt.Cause, want)
	}
	// Before it is restarted alone, its peers have a moment to fail with it.
	if actions, wake := Decide(t0.Add(time.Minute+time.Second), View{Items: []*Item{band(nil, exit130)}}); len(actions) != 0 || wake.IsZero() {
		t.Errorf("a worker with status 200, a second later: %+v, wake %v; want to wait for the others", actions, wake)
	}
	if a := one(t, band(reset, exit130)); a.Kind != Remove || !strings.HasPrefix(a.Change.Attempt.Cause, "The replica worker 0 exited with a non-zero status of 200") {
		t.Errorf("a worker with status 200 and its peer: %+v, want the job tried again for the worker", a)
	}
	// A segmentation fault is a retry of the job, also when its peers' records came first.
	both := band(reset, segv)
	if a := one(t, both); a.Kind != Remove || a.Change.Attempt.State != job.AttemptDone {
		t.Errorf("SIGSEGV and its peer: %+v, want the whole job tried again", a)
	}
	// Alone, the word that a peer is gone waits a little for the peer's own record.
	early := band(reset, nil)
	if actions, wake := Decide(t0.Add(time.Minute), View{Items: []*Item{early}}); len(actions) != 0 || wake.IsZero() {
		t.Errorf("a peer's word alone: %+v, wake %v; want to wait for the other's record", actions, wake)
	}
	if a := one(t, early); a.Kind != Stop {
		t.Errorf("a peer's word alone, later: %+v, want it to count", a)
	}
}

func TestATimeThatWasSpentWaitingIsNamed(t *testing.T) {
	for cpu, want := range map[float64]bool{0.2: true, 3000: false} {
		it := running(1, 1, 0, job.ReplicaExited, &job.Exit{Code: 143, Signal: "SIGTERM", Requested: true, Step: "run", CPUSeconds: cpu})
		it.MaxRunning, it.Current.State = 50*time.Minute, job.AttemptStopping
		it.Current.Replicas[0].Ended = t0.Add(50 * time.Minute)
		a := one(t, it)
		if a.Change.State != job.Cancelled || !strings.HasPrefix(a.Change.Error, "The job was cancelled because it ran longer than 50m0s (maxRunningTime).") || strings.Contains(a.Change.Error, "Cause: The job ran out of time while it was waiting") != want {
			t.Errorf("%v s of CPU: %s %q", cpu, a.Change.State, a.Change.Error)
		}
	}
}
