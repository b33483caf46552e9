package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// needing is a queued job that asks for processors and accelerators.
func needing(seq int64, cpus float64, gpus int) *Item {
	it := item(seq, job.Queued, cpus)
	it.Groups[0].Accelerator = job.Accelerator{Type: "NVIDIA_TESLA_T4", Count: gpus}
	return it
}

// holding is a running job that began to hold its share at a time.
func holding(seq int64, cpus float64, gpus int, since time.Time) *Item {
	it := running(seq, 1, 0, job.ReplicaRunning, nil)
	it.Groups = needing(seq, cpus, gpus).Groups
	it.Current.Created = since
	return it
}

func TestWhatDoesNotFitKeepsItsShareFromThoseBehind(t *testing.T) {
	v := View{Capacity: executor.Capacity{CPUs: 8, GPUs: 1}, Items: []*Item{holding(1, 2, 1, t0), needing(2, 3, 1), needing(3, 2, 0), needing(4, 2, 0), needing(5, 1, 0)}}
	actions, _ := Decide(t0, v)
	var started []string
	for _, a := range actions {
		if a.Kind == Reserve {
			started = append(started, string(a.Key.ID))
		}
	}
	// Of 6 free processors 3 are kept for the job that waits for the GPU, and what
	// the next leaves for the one behind it.
	if got := strings.Join(started, " "); got != "jd" {
		t.Errorf("started %q, want jd: what leaves the first its 3 processors", got)
	}
	all := standings(v)
	if s := all[v.Items[1].Key]; s.Lacks.GPUs != 1 || s.Lacks.CPUs != 0 || !strings.Contains(s.Reason(), "1 GPUs: 6 vCPUs") || len(s.Holders) != 1 {
		t.Errorf("the job that waits for the GPU: %+v", s)
	}
	if s := all[v.Items[3].Key]; !strings.Contains(s.Reason(), "waiting behind jc") || s.Before != 2 {
		t.Errorf("the job behind it: %+v", s)
	}
}

// TestWhatCanNeverStartHoldsNothingBack has a job that was accepted when the
// machine had more GPUs.
func TestWhatCanNeverStartHoldsNothingBack(t *testing.T) {
	v := View{Capacity: executor.Capacity{CPUs: 4, GPUs: 1}, Items: []*Item{needing(1, 4, 2), needing(2, 4, 0), needing(3, 4, 0)}}
	actions, _ := Decide(t0, v)
	if len(actions) != 1 || actions[0].Key != v.Items[1].Key {
		t.Errorf("%+v, want the second started", actions)
	}
	all := standings(v)
	if s := all[v.Items[0].Key]; s.Reason() != "waiting for 2 GPUs, and there are 1: it cannot start here" {
		t.Errorf("the first is %s", s.Reason())
	}
	if s := all[v.Items[2].Key]; s.Behind != v.Items[1].Key || s.Never {
		t.Errorf("the third is %s", s.Reason())
	}
	s := all[v.Items[0].Key]
	if w := Explain(t0, Facts{Job: v.Items[0].Job, Standing: &s}); w.Sentence != "It is "+s.Reason()+"." || w.Hint == "" {
		t.Errorf("why: %+v", w)
	}
	hour := func(job.Key) (time.Duration, bool) { return time.Hour, true }
	if at, ok, _ := forecast(t0, v, v.Items[2].Key, hour); !ok || !at.Equal(t0.Add(time.Hour)) {
		t.Errorf("the third may start at %v, %t; want in an hour", at, ok)
	}
}

// TestARetryHoldsItsShare has a job that waits behind one that is about to be
// tried again, while the machine is empty.
func TestARetryHoldsItsShare(t *testing.T) {
	again := holding(1, 4, 0, t0)
	again.Current.State, again.Current.Number, again.Current.Ended, again.Attempt = job.AttemptDone, 3, t0, 3
	v := View{Capacity: executor.Capacity{CPUs: 4}, Items: []*Item{again, needing(2, 4, 0)}}
	if actions, wake := Decide(t0, v); len(actions) != 0 || !wake.Equal(t0.Add(backoff(3))) {
		t.Errorf("%+v until %v, want nothing until the retry is due", actions, wake)
	}
	if s := standings(v)[v.Items[1].Key]; s.Behind != again.Key {
		t.Errorf("it is %s, want behind the retry", s.Reason())
	}
}

// TestTriesAreTold has what a job took in its sentence.
func TestTriesAreTold(t *testing.T) {
	for _, tt := range []struct {
		state job.State
		exit  job.Exit
		runs  int
		want  string
	}{
		{job.Succeeded, job.Exit{}, 2, " That was attempt 4, with 2 restarts of replicas."},
		{job.Failed, job.Exit{Code: 200, Step: "run"}, 0, "It failed: The replica master 0 exited with a non-zero status of 200. That was attempt 4."},
	} {
		it := running(1, 4, tt.runs, job.ReplicaExited, &tt.exit)
		it.State, it.Ended = tt.state, t0.Add(time.Hour)
		if w := Explain(t0, Facts{Job: it.Job, Attempts: []job.Attempt{*it.Current}}); !strings.HasSuffix(w.Sentence, tt.want) {
			t.Errorf("%q lacks %q", w.Sentence, tt.want)
		}
	}
}

// TestOnlyThoseThatHoldWhatItLacksAreNamed has a job that waits for a GPU.
func TestOnlyThoseThatHoldWhatItLacksAreNamed(t *testing.T) {
	v := View{Capacity: executor.Capacity{CPUs: 8, GPUs: 1}, Items: []*Item{holding(1, 2, 0, t0), holding(2, 2, 1, t0), needing(3, 1, 1)}}
	s := standings(v)[v.Items[2].Key]
	if w := Explain(t0, Facts{Job: v.Items[2].Job, Standing: &s}); len(w.Holders) != 1 || w.Holders[0].Job != "jc" || !strings.Contains(w.Sentence, "held by jc;") {
		t.Errorf("why: %+v, want jc as the holder", w)
	}
}

// TestNobodyIsPassedForEver has small jobs come without end while a large one
// waits: it starts when what ran before it came has ended.
func TestNobodyIsPassedForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := executor.Capacity{CPUs: float64(rapid.IntRange(2, 16).Draw(t, "cpus")), Memory: 1 << 30, GPUs: rapid.IntRange(0, 4).Draw(t, "gpus")}
		draw := func(seq int64) *Item {
			it := needing(seq, float64(rapid.IntRange(1, int(total.CPUs)).Draw(t, "need")), rapid.IntRange(0, total.GPUs).Draw(t, "accelerators"))
			it.Groups[0].Need.Memory = int64(rapid.IntRange(0, 1<<30).Draw(t, "memory"))
			return it
		}
		v := View{Capacity: total}
		seq, now := int64(0), t0
		left := map[*Item]int{} // steps until it ends
		place := map[*Item]int{}
		for step := range 60 {
			now = now.Add(time.Second)
			for range rapid.IntRange(0, 2).Draw(t, "come") {
				it := draw(seq % 20)
				it.Seq, it.Key.ID = seq, job.ID(fmt.Sprintf("j%d", seq))
				seq++
				v.Items = append(v.Items, it)
				place[it] = len(place)
			}
			actions, _ := Decide(now, v)
			for _, a := range actions {
				if a.Kind != Reserve {
					continue
				}
				for _, it := range v.Items {
					if it.Key == a.Key {
						it.State, it.Current, it.Attempt = job.Preparing, a.Change.Attempt, 1
						it.Current.Handle, it.Current.State = "h", job.AttemptStarted
						left[it] = rapid.IntRange(1, 5).Draw(t, "runs")
					}
				}
			}
			// No more is given out than there is.
			var sum job.Need
			for it := range left {
				n := need(it, v)
				sum.CPUs, sum.Memory, sum.GPUs = sum.CPUs+n.CPUs, sum.Memory+n.Memory, sum.GPUs+n.GPUs
			}
			if sum.CPUs > total.CPUs+1e-6 || sum.Memory > total.Memory || sum.GPUs > total.GPUs {
				t.Fatalf("step %d: %+v are given out of %+v", step, sum, total)
			}
			// Whoever is first of those that wait lacks something that runs, not
			// something that a later job took while it waited.
			var first *Item
			for _, it := range v.Items {
				if waits(it) && (first == nil || it.Seq < first.Seq) {
					first = it
				}
			}
			if first != nil {
				var older job.Need
				for it := range left {
					if it.Seq < first.Seq {
						n := need(it, v)
						older.CPUs, older.Memory, older.GPUs = older.CPUs+n.CPUs, older.Memory+n.Memory, older.GPUs+n.GPUs
					}
				}
				n := need(first, v)
				if older.CPUs+n.CPUs <= total.CPUs-1e-6 && older.Memory+n.Memory <= total.Memory && older.GPUs+n.GPUs <= total.GPUs {
					t.Fatalf("step %d: %s waits, though what came before it leaves enough: %+v of %+v, it needs %+v", step, first.Key.ID, older, total, n)
				}
			}
			for it := range left {
				if left[it]--; left[it] == 0 {
					delete(left, it)
					it.State = job.Succeeded
				}
			}
		}
	})
}

func TestAForecastGoesByEarlierRuns(t *testing.T) {
	now := t0.Add(time.Minute)
	v := View{Capacity: executor.Capacity{CPUs: 4}, Items: []*Item{holding(1, 4, 0, t0), item(2, job.Queued, 4), item(3, job.Queued, 2), item(4, job.Queued, 2)}}
	typical := func(d time.Duration) Typical { return func(job.Key) (time.Duration, bool) { return d, true } }
	for i, want := range []time.Duration{0, 9, 19, 19} {
		if i == 0 {
			continue
		}
		at, ok, _ := forecast(now, v, v.Items[i].Key, typical(10*time.Minute))
		if want *= time.Minute; !ok || at.Sub(now) != want {
			t.Errorf("%s is to start in %v (%v), want %v", v.Items[i].Key.ID, at.Sub(now), ok, want)
		}
	}
	// What is over its time may end any moment.
	if at, ok, _ := forecast(now, v, v.Items[1].Key, typical(time.Second)); !ok || !at.Equal(now) {
		t.Errorf("a holder that is over its time: %v, %v", at, ok)
	}
	// Nothing is known of the one that runs.
	if _, ok, doubt := forecast(now, v, v.Items[3].Key, func(k job.Key) (time.Duration, bool) { return time.Minute, k.ID != "jb" }); ok || doubt.ID != "jb" {
		t.Errorf("with a holder that nobody knows: %v, doubt %v", ok, doubt)
	}
	// With a count as the limit.
	v.Settings.MaxParallel = 1
	if at, ok, _ := forecast(now, v, v.Items[3].Key, typical(10*time.Minute)); !ok || at.Sub(now) != 29*time.Minute {
		t.Errorf("one at a time: %v, %v", at.Sub(now), ok)
	}
}

func TestWhyAnswersAtEveryInstant(t *testing.T) {
	now := t0.Add(10 * time.Minute)
	gang := func(state job.ReplicaState) []job.Attempt {
		a := job.Attempt{Number: 1, State: job.AttemptStarted, Created: t0, Handle: "h"}
		for _, r := range []job.Replica{{Role: job.Master}, {Role: job.Worker}, {Role: job.Worker, Index: 1}} {
			run := job.ReplicaRun{Replica: r, State: state}
			if state == job.ReplicaRunning {
				run.Started = t0.Add(time.Minute)
			}
			a.Replicas = append(a.Replicas, run)
		}
		if state == job.ReplicaRunning {
			a.Running, a.State = t0.Add(time.Minute), job.AttemptLive
		}
		return []job.Attempt{a}
	}
	base := func(s job.State) job.Job { return item(1, s, 1).Job }
	crashing := gang(job.ReplicaRunning)
	crashing[0].Replicas[2].Run = 2
	again := []job.Event{
		{Task: "worker-replica-0", Text: "The replica worker 0 exited with a non-zero status of 137. Restarting it (1 of 5)."},
		{Task: "worker-replica-1", Text: "The replica worker 1 was lost. Restarting it (1 of 5)."},
	}
	waiting := gang(job.ReplicaRunning)
	waiting[0].Replicas[1] = job.ReplicaRun{Replica: job.Replica{Role: job.Worker}, Run: 2, State: job.ReplicaPending, Ended: now}
	failed := gang(job.ReplicaExited)
	for i := range failed[0].Replicas {
		failed[0].Replicas[i].Exit = &job.Exit{Code: 143, Signal: "SIGTERM", Requested: true, Step: "run"}
		failed[0].Replicas[i].Ended = now
	}
	failed[0].Replicas[2].Exit = &job.Exit{Code: 1, Step: "run", Traceback: "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nModuleNotFoundError: No module named 'lightgbm'"}
	failed[0].State = job.AttemptStopping
	retried := gang(job.ReplicaExited)
	retried[0].State, retried[0].Ended, retried[0].Cause, retried[0].Number = job.AttemptDone, now, "The replica worker 1 exited with a non-zero status of 11(SIGSEGV).", 2
	cancelling := base(job.Running)
	cancelling.Cancel = &job.Cancel{Time: now.Add(-3 * time.Second), Reason: "x"}
	cancelled, over, succeeded := base(job.Cancelled), base(job.Failed), base(job.Succeeded)
	cancelled.Error, cancelled.Ended = "The job was cancelled by the user.", now
	over.Ended, succeeded.Ended, succeeded.Started = now, now, t0
	standing := standings(View{Capacity: executor.Capacity{CPUs: 1}, Items: []*Item{holding(0, 1, 0, t0), {Work: job.Work{Job: base(job.Queued)}}}})[base(job.Queued).Key]
	for _, tt := range []struct {
		name string
		f    Facts
		want []string
	}{
		{"queued", Facts{Job: base(job.Queued), Standing: &standing, Estimate: now.Add(4 * time.Minute)},
			[]string{"waiting for 1 vCPUs, 0 GiB: 0 vCPUs, 0 GiB free of 1 vCPUs", "held by ja", "it is next", "may start in about 4 min"}},
		{"queued, no history", Facts{Job: base(job.Queued), Standing: &standing, Doubt: job.Key{Project: "p", ID: "ja"}}, []string{"no earlier run tells how long ja takes"}},
		{"preparing", Facts{Job: base(job.Preparing), Attempts: gang(job.ReplicaPreparing), Step: "environment"}, []string{"preparing for 10 min", "master-replica-0, worker-replica-0, worker-replica-1", "environment"}},
		{"running", Facts{Job: base(job.Running), Attempts: gang(job.ReplicaRunning)}, []string{"running for 9 min with 3 replicas, and may for 24.0 h"}},
		{"restarting", Facts{Job: base(job.Running), Attempts: waiting, Again: again}, []string{"worker-replica-0 is restarted in 1 s (restart 2 of 5): The replica worker 0 exited with a non-zero status of 137."}},
		{"restarted", Facts{Job: base(job.Running), Attempts: crashing, Again: again}, []string{"with 2 restarts of replicas, the last because: The replica worker 1 was lost."}},
		{"stopping", Facts{Job: base(job.Running), Attempts: failed}, []string{"lightgbm"}},
		{"retry", Facts{Job: base(job.Running), Attempts: retried, Standing: &standing}, []string{"tried again in 1 s (retry 2 of 3)", "SIGSEGV"}},
		{"cancelling", Facts{Job: cancelling, Attempts: gang(job.ReplicaRunning)}, []string{"being cancelled: its replicas were asked to end 3 s ago"}},
		{"cancelled", Facts{Job: cancelled}, []string{"It was cancelled by the user."}},
		{"failed", Facts{Job: over, Attempts: failed}, []string{"It failed: The program imports lightgbm"}},
		{"succeeded", Facts{Job: succeeded, Attempts: gang(job.ReplicaRunning)}, []string{"It succeeded", "after 9 min"}},
		{"about to start", Facts{Job: base(job.Queued)}, []string{"about to start"}},
	} {
		w := Explain(now, tt.f)
		for _, want := range tt.want {
			if !strings.Contains(w.Sentence, want) {
				t.Errorf("%s: %q lacks %q", tt.name, w.Sentence, want)
			}
		}
		if w.Since.IsZero() || strings.Count(w.Sentence, "\n") > 0 || !strings.HasSuffix(w.Sentence, ".") {
			t.Errorf("%s: %+v", tt.name, w)
		}
	}
	if w := Explain(now, Facts{Job: over, Attempts: failed}); w.Failure == nil || w.Failure.Replica != "worker-replica-1" || w.Hint == "" {
		t.Errorf("the failure is %+v", w.Failure)
	}
}

// TestWhoAsksDoesNotHoldTheLoopUp asks where a job stands while the loop is at
// another job, whose attempt it takes note of.
func TestWhoAsksDoesNotHoldTheLoopUp(t *testing.T) {
	c := New(Options{})
	waiting := needing(2, 1, 0)
	c.add(waiting)
	answer := make(chan bool)
	go func() {
		_, waits := c.Standing(t.Context(), waiting.Key)
		answer <- waits
	}()
	question := <-c.inbox
	c.goesOn(item(1, job.Running, 1).Key, &job.Attempt{})
	question()
	if !<-answer {
		t.Error("the loop and who asks it wait for each other")
	}
}
