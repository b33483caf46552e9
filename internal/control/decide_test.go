package control

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// item is a job with one master that asks for cpus.
func item(seq int64, state job.State, cpus float64) *Item {
	it := &Item{}
	it.Job.Spec = job.Spec{Key: job.Key{Project: "p", ID: job.ID("j" + string(rune('a'+seq)))}, Primary: "master", Module: "m",
		Groups: []job.Group{{Role: job.Master, Count: 1, Need: job.Need{CPUs: cpus}}}, MaxRunning: 24 * time.Hour}
	it.Seq, it.State, it.Created = seq, state, t0
	return it
}

// running is a job whose attempt has a handle and one replica.
func running(seq int64, attempt, run int, state job.ReplicaState, exit *job.Exit) *Item {
	it := item(seq, job.Running, 1)
	it.Started, it.Attempt = t0, attempt
	it.Known = true
	it.Current = &job.Attempt{Job: it.Key, Number: attempt, State: job.AttemptLive, Created: t0, Running: t0, Handle: "h",
		Replicas: []job.ReplicaRun{{Replica: job.Replica{Role: job.Master}, Run: run, State: state, Started: t0, Exit: exit, Address: "127.0.0.1:20000"}}}
	if exit != nil || state == job.ReplicaLost {
		it.Current.Replicas[0].Ended = t0.Add(time.Minute)
	}
	return it
}

func one(t *testing.T, it *Item) Action {
	t.Helper()
	actions, _ := Decide(t0.Add(time.Hour), View{Items: []*Item{it}})
	if len(actions) != 1 {
		t.Fatalf("%d actions, want one: %+v", len(actions), actions)
	}
	return actions[0]
}

// TestExitsFollowTheRules is the table of spec 5.11.
func TestExitsFollowTheRules(t *testing.T) {
	const (
		succeed = "succeed"
		fail    = "fail"
		restart = "restart"
		retry   = "retry"
	)
	for _, tt := range []struct {
		name         string
		attempt, run int
		state        job.ReplicaState
		exit         *job.Exit
		want         string
	}{
		{"0 is success", 1, 0, job.ReplicaExited, &job.Exit{Code: 0, Step: "run"}, succeed},
		{"1 is permanent", 1, 0, job.ReplicaExited, &job.Exit{Code: 1, Step: "run"}, fail},
		{"127 is permanent", 1, 0, job.ReplicaExited, &job.Exit{Code: 127, Step: "run"}, fail},
		{"128 is not", 1, 0, job.ReplicaExited, &job.Exit{Code: 128, Step: "run"}, restart},
		{"255 is not", 1, 4, job.ReplicaExited, &job.Exit{Code: 255, Step: "run"}, restart},
		{"the sixth run is the last of an attempt", 1, 5, job.ReplicaExited, &job.Exit{Code: 255, Step: "run"}, retry},
		{"the third retry is the last", 4, 5, job.ReplicaExited, &job.Exit{Code: 255, Step: "run"}, fail},
		{"a status of 137 is no signal", 1, 0, job.ReplicaExited, &job.Exit{Code: 137, Step: "run"}, restart},
		{"SIGKILL is permanent", 1, 0, job.ReplicaExited, &job.Exit{Code: 137, Signal: "SIGKILL", Step: "run"}, fail},
		{"SIGTERM that we did not send is not", 1, 0, job.ReplicaExited, &job.Exit{Code: 143, Signal: "SIGTERM", Step: "run"}, restart},
		{"SIGSEGV restarts the job", 1, 0, job.ReplicaExited, &job.Exit{Code: 139, Signal: "SIGSEGV", Step: "run"}, retry},
		{"SIGABRT does so three times", 4, 0, job.ReplicaExited, &job.Exit{Code: 134, Signal: "SIGABRT", Step: "run"}, fail},
		{"out of memory is permanent", 1, 0, job.ReplicaExited, &job.Exit{Code: 137, Signal: "SIGKILL", OutOfMem: true, Step: "run"}, fail},
		{"an index that does not answer is asked again", 1, 0, job.ReplicaExited, &job.Exit{Code: 1, Step: "environment", Retry: true}, restart},
		{"a package that does not install is permanent", 1, 0, job.ReplicaExited, &job.Exit{Code: 1, Step: "install"}, fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := one(t, running(1, tt.attempt, tt.run, tt.state, tt.exit))
			got := ""
			switch c := a.Change; {
			case c.State == job.Succeeded && c.Error == "":
				got = succeed
			case c.State == job.Failed && strings.HasPrefix(c.Error, "The replica master 0 "):
				got = fail
			case c.State == "" && c.Attempt.State == job.AttemptDone && a.Kind == Remove:
				got = retry
			case c.State == "" && c.Attempt.Replicas[0].Run == tt.run+1 && c.Attempt.Replicas[0].State == job.ReplicaPending:
				got = restart
			}
			if got != tt.want {
				t.Errorf("got %q (%+v), want %s", got, a, tt.want)
			}
		})
	}
}

func TestALostRunIsReapedBeforeTheNext(t *testing.T) {
	it := running(1, 1, 0, job.ReplicaLost, nil)
	if a := one(t, it); a.Kind != Reap {
		t.Fatalf("first %+v, want reap", a)
	}
	it.Reaped = map[job.Replica]int{{Role: job.Master}: 1}
	if a := one(t, it); a.Kind != Write || a.Change.Attempt.Replicas[0].Run != 1 {
		t.Errorf("then %+v, want the next run", a)
	}
}

func TestCancelAndLimits(t *testing.T) {
	queued := item(1, job.Queued, 1)
	queued.Cancel = &job.Cancel{Time: t0, Reason: "by the user"}
	if a := one(t, queued); a.Change.State != job.Cancelled || a.Change.Error != "by the user" {
		t.Errorf("a queued job: %+v", a)
	}
	live := running(1, 1, 0, job.ReplicaRunning, nil)
	live.Status = executor.Status{Replicas: []executor.ReplicaStatus{{Replica: job.Replica{Role: job.Master}, State: job.ReplicaRunning, Started: t0}}}
	live.Cancel = &job.Cancel{Time: t0, Reason: "by the user"}
	if a := one(t, live); a.Kind != Stop {
		t.Errorf("a running job: %+v, want stop", a)
	}
	stopped := running(1, 1, 0, job.ReplicaExited, &job.Exit{Code: 143, Signal: "SIGTERM", Requested: true})
	stopped.Current.State = job.AttemptStopping
	stopped.Cancel = &job.Cancel{Time: t0, Reason: "by the user"}
	if a := one(t, stopped); a.Change.State != job.Cancelled || a.Change.Error != "by the user" {
		t.Errorf("a stopped job: %+v", a)
	}
	before := running(1, 1, 0, job.ReplicaExited, &job.Exit{Code: 0})
	before.Cancel = &job.Cancel{Time: t0.Add(2 * time.Minute), Reason: "too late"}
	if a := one(t, before); a.Change.State != job.Succeeded {
		t.Errorf("a program that had ended before the wish: %+v, want success", a)
	}
	long := running(1, 1, 0, job.ReplicaRunning, nil)
	long.MaxRunning = time.Minute
	if a := one(t, long); a.Kind != Stop {
		t.Errorf("past maxRunningTime: %+v, want stop", a)
	}
	waited := item(1, job.Queued, 1)
	waited.MaxWait = time.Minute
	if a := one(t, waited); a.Change.State != job.Cancelled || !strings.Contains(a.Change.Error, "maxWaitTime") {
		t.Errorf("past maxWaitTime: %+v, want cancelled", a)
	}
}

func TestJobsAreAdmittedInOrder(t *testing.T) {
	v := View{Capacity: executor.Capacity{CPUs: 4}, Items: []*Item{item(1, job.Queued, 2), item(2, job.Queued, 4), item(3, job.Queued, 1), item(4, job.Queued, 1)}}
	v.Items[3].Priority = 10
	actions, _ := Decide(t0, v)
	var got []string
	for _, a := range actions {
		got = append(got, string(a.Key.ID))
	}
	// The urgent one first; then the oldest; the next does not fit and holds
	// back the one behind it.
	if strings.Join(got, " ") != "je jb" {
		t.Errorf("admitted %v, want je jb", got)
	}
	why := standings(v)
	if s := why[v.Items[1].Key]; s.Before != 2 || !strings.Contains(s.Reason(), "waiting behind je") {
		t.Errorf("the third waits because %+v", s)
	}
	if s := why[v.Items[2].Key]; s.Before != 3 || !strings.Contains(s.Reason(), "waiting behind jc") {
		t.Errorf("the fourth waits because %+v", s)
	}
	// A job larger than the machine is scaled down to it.
	if actions, _ := Decide(t0, View{Capacity: executor.Capacity{CPUs: 2}, Items: []*Item{item(1, job.Queued, 64)}}); len(actions) != 1 {
		t.Errorf("a job larger than the machine: %+v, want it admitted", actions)
	}
	// max-parallel-jobs is the only limit where it is set.
	v.Settings.MaxParallel = 3
	if actions, _ := Decide(t0, v); len(actions) != 3 {
		t.Errorf("%d admitted with max-parallel-jobs 3", len(actions))
	}
}

// TestDecideKeepsItsPromises looks at random views.
func TestDecideKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := t0.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "now")) * time.Second)
		v := View{Capacity: executor.Capacity{CPUs: float64(rapid.IntRange(1, 8).Draw(t, "cpus"))}}
		v.Settings.MaxParallel = rapid.IntRange(0, 3).Draw(t, "parallel")
		for seq := range int64(rapid.IntRange(0, 6).Draw(t, "jobs")) {
			it := item(seq, rapid.SampledFrom([]job.State{job.Queued, job.Preparing, job.Running, job.Succeeded, job.Failed, job.Cancelled}).Draw(t, "state"), float64(rapid.IntRange(0, 10).Draw(t, "need")))
			it.Priority = rapid.IntRange(0, 2).Draw(t, "priority")
			if it.State != job.Queued {
				it.Attempt = rapid.IntRange(1, 4).Draw(t, "attempt")
				r := job.ReplicaRun{Replica: job.Replica{Role: job.Master}, Run: rapid.IntRange(0, 5).Draw(t, "run"), Address: "127.0.0.1:20000",
					State: rapid.SampledFrom([]job.ReplicaState{job.ReplicaPending, job.ReplicaPreparing, job.ReplicaRunning, job.ReplicaExited, job.ReplicaLost}).Draw(t, "replica")}
				if it.Attempt > maxRetries && it.State != job.Running {
					it.Attempt = maxRetries // the last attempt is never given up for another
				}
				if r.State == job.ReplicaExited {
					r.Exit = &job.Exit{Code: rapid.IntRange(0, 255).Draw(t, "code"), Step: "run", Requested: rapid.Bool().Draw(t, "requested"), OutOfMem: rapid.Bool().Draw(t, "oom")}
					r.Ended = t0
				}
				it.Current = &job.Attempt{Job: it.Key, Number: it.Attempt, Created: t0, Handle: rapid.SampledFrom([]string{"", "h"}).Draw(t, "handle"), Replicas: []job.ReplicaRun{r},
					State: rapid.SampledFrom([]job.AttemptState{job.AttemptCreated, job.AttemptStarted, job.AttemptLive, job.AttemptStopping, job.AttemptDone}).Draw(t, "attemptState")}
				if it.Attempt > maxRetries && it.Current.State == job.AttemptDone {
					it.Current.State = job.AttemptLive
				}
			}
			if rapid.Bool().Draw(t, "cancel") {
				it.Cancel = &job.Cancel{Time: t0, Reason: "wish"}
			}
			it.Busy = rapid.Bool().Draw(t, "busy")
			v.Items = append(v.Items, it)
		}
		actions, _ := Decide(now, v)
		seen := map[job.Key]bool{}
		admitted := 0
		for _, a := range actions {
			if seen[a.Key] {
				t.Fatalf("two actions for %s", a.Key)
			}
			seen[a.Key] = true
			var it *Item
			for _, x := range v.Items {
				if x.Key == a.Key {
					it = x
				}
			}
			if it.Busy {
				t.Fatalf("an action for %s, which is busy", a.Key)
			}
			if it.State.Final() && !a.Change.Cleaned {
				t.Fatalf("a final job gets %+v", a)
			}
			if s := a.Change.State; s != "" && s != it.State && !job.CanMove(it.State, s) {
				t.Fatalf("from %s to %s", it.State, s)
			}
			if at := a.Change.Attempt; at != nil {
				if at.Number > maxRetries+1 {
					t.Fatalf("attempt %d", at.Number)
				}
				for _, r := range at.Replicas {
					if r.Run > maxRestarts {
						t.Fatalf("run %d", r.Run)
					}
				}
			}
			if a.Change.State.Final() && a.Change.Ended.IsZero() {
				t.Fatalf("final without an end: %+v", a)
			}
			if a.Kind == Reserve {
				admitted++
			}
		}
		held := 0
		for _, it := range v.Items {
			if !it.State.Final() && !waits(it) {
				held++
			}
		}
		if m := v.Settings.MaxParallel; m > 0 && admitted > max(0, m-held) {
			t.Fatalf("%d admitted beside %d, of %d", admitted, held, m)
		}
		again, _ := Decide(now, v)
		if len(again) != len(actions) {
			t.Fatalf("deciding again gives %d actions, not %d", len(again), len(actions))
		}
	})
}

func BenchmarkDecideTenThousandQueued(b *testing.B) {
	v := View{Capacity: executor.Capacity{CPUs: 2}}
	for i := range int64(10_000) {
		it := item(1, job.Queued, 2)
		it.Seq = i
		v.Items = append(v.Items, it)
	}
	for b.Loop() {
		Decide(t0, v)
	}
}
