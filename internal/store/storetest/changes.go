package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC)

func attempt(k job.Key, number int, replicas ...job.ReplicaRun) *job.Attempt {
	return &job.Attempt{Job: k, Number: number, State: job.AttemptStarted, Created: t0, Running: t0.Add(1), Handle: "h", Owner: "o", Lease: t0.Add(2), Cause: "c", Replicas: replicas}
}

func replica(r job.Role, index, run int) job.ReplicaRun {
	return job.ReplicaRun{Replica: job.Replica{Role: r, Index: index}, Run: run, Address: "127.0.0.1:1", State: job.ReplicaExited, Started: t0, Ended: t0.Add(1),
		Exit: &job.Exit{Code: 137, Signal: "SIGKILL", Step: "run", Tail: []string{"ü"}, Time: t0}}
}

func (s suite) moves() {
	states := append([]job.State{"OTHER"}, job.States...)
	n := 0
	for _, from := range []job.State{job.Queued, job.Preparing, job.Running, job.Succeeded, job.Failed, job.Cancelled} {
		for _, to := range states {
			n++
			k := key(fmt.Sprintf("j%d", n))
			before := s.create(k)
			if from != job.Queued {
				before = s.apply(job.Change{Key: k, State: from})
			}
			j, err := s.s.Apply(s.t.Context(), job.Change{Key: k, State: to, Error: "e", Events: []job.Event{{Name: "moved"}}, Attempt: attempt(k, 1)})
			if from == to || job.CanMove(from, to) {
				if err != nil || j.State != to || j.Error != "e" || j.Version != before.Version+1 {
					s.t.Errorf("from %s to %s: %s, version %d, %v", from, to, j.State, j.Version, err)
				}
				continue
			}
			if !fault.Is(err, fault.Conflict) {
				s.t.Errorf("from %s to %s: %v, want a conflict", from, to, err)
			}
			s.same(s.job(k), before)
			if as, err := s.s.Attempts(s.t.Context(), k); err != nil || len(as) != 0 {
				s.t.Errorf("a refused change wrote an attempt: %v, %v", as, err)
			}
			if ev, err := s.s.Events(s.t.Context(), k, 0, 10); err != nil || len(ev) != 1 {
				s.t.Errorf("a refused change wrote an event: %v, %v", ev, err)
			}
		}
	}
}

func (s suite) idempotent() {
	k := key("a")
	s.create(k)
	c := job.Change{Key: k, State: job.Failed, Started: t0, Ended: t0.Add(time.Minute), Error: "why", Usage: &job.Usage{CPUSeconds: 1.5, PeakMemory: 1 << 40},
		Attempt: attempt(k, 1, replica(job.Master, 0, 0), replica(job.Worker, 1, 2)), Events: []job.Event{{Name: "x", Time: t0}, {Name: "y"}}, Cleaned: true}
	first := s.apply(c)
	if !first.Started.Equal(t0) || !first.Ended.Equal(t0.Add(time.Minute)) || first.Attempt != 1 || first.Usage != *c.Usage || first.Version != 2 {
		s.t.Errorf("applied: %+v", first)
	}
	s.same(s.apply(c), first)
	if ev, err := s.s.Events(s.t.Context(), k, 0, 10); err != nil || len(ev) != 3 {
		s.t.Errorf("events: %v, %v", ev, err)
	}
	// What happened is not moved to another time, and nothing is taken back.
	s.same(s.apply(job.Change{Key: k, Started: t0.Add(time.Hour), Ended: t0.Add(time.Hour)}), first)
	if w, err := s.s.Unfinished(s.t.Context()); err != nil || len(w) != 0 {
		s.t.Errorf("a cleaned job is unfinished: %v, %v", w, err)
	}
}

func (s suite) replaced() {
	k := key("a")
	s.create(k)
	s.apply(job.Change{Key: k, Attempt: attempt(k, 1, replica(job.Master, 0, 0), replica(job.Worker, 0, 0), replica(job.Worker, 1, 0))})
	second := attempt(k, 1, replica(job.Master, 0, 1))
	second.State, second.Ended, second.Replicas[0].Exit = job.AttemptDone, t0.Add(9), nil
	s.apply(job.Change{Key: k, Attempt: second})
	got, err := s.s.Attempts(s.t.Context(), k)
	s.must(err)
	s.same(got, []job.Attempt{*second})
}

func (s suite) events() {
	k := key("a")
	s.create(k)
	e := job.Event{Time: t0, Name: "fetched", Step: "fetch", Text: "Fetched ü.", Service: true, Severity: "WARNING", Took: 3 * time.Second, Attempt: 2, Task: "master-replica-0"}
	s.apply(job.Change{Key: k, Events: []job.Event{e, {Name: "now"}}})
	twice := e
	twice.Text = "another"
	s.apply(job.Change{Key: k, Events: []job.Event{twice, {Name: "later", Time: t0.Add(-time.Hour)}}})
	all, err := s.s.Events(s.t.Context(), k, 0, 100)
	s.must(err)
	var names []string
	for i, ev := range all {
		if names = append(names, ev.Name); i > 0 && ev.Seq <= all[i-1].Seq {
			s.t.Errorf("event %s has number %d after %d", ev.Name, ev.Seq, all[i-1].Seq)
		}
		if ev.Time.IsZero() {
			s.t.Errorf("event %s has no time", ev.Name)
		}
	}
	s.same(names, []string{"queued", "fetched", "now", "later"})
	e.Seq = all[1].Seq
	s.same(all[1], e)
	page, err := s.s.Events(s.t.Context(), k, all[0].Seq, 2)
	s.must(err)
	s.same(page, all[1:3])
}

func (s suite) unfinished() {
	for _, id := range []string{"none", "one", "three", "final", "gone", "early"} {
		s.create(key(id))
	}
	s.apply(job.Change{Key: key("one"), State: job.Running, Attempt: attempt(key("one"), 1, replica(job.Master, 0, 0))})
	for n := range 3 {
		s.apply(job.Change{Key: key("three"), Attempt: attempt(key("three"), n+1, replica(job.Evaluator, 0, n), replica(job.Master, 0, n))})
	}
	s.apply(job.Change{Key: key("final"), State: job.Failed, Attempt: attempt(key("final"), 1)})
	s.apply(job.Change{Key: key("gone"), State: job.Failed, Attempt: attempt(key("gone"), 1), Cleaned: true})
	s.apply(job.Change{Key: key("early"), State: job.Running, Cleaned: true}) // it goes on
	work, err := s.s.Unfinished(s.t.Context())
	s.must(err)
	want := map[job.ID]*job.Attempt{
		"none":  nil,
		"one":   attempt(key("one"), 1, replica(job.Master, 0, 0)),
		"three": attempt(key("three"), 3, replica(job.Master, 0, 2), replica(job.Evaluator, 0, 2)), // the master first
		"final": attempt(key("final"), 1),
		"early": nil,
	}
	if len(work) != len(want) {
		s.t.Errorf("%d jobs are unfinished, want %d", len(work), len(want))
	}
	for _, w := range work {
		s.same(w.Job, s.job(w.Key))
		s.same(w.Current, want[w.Key.ID])
	}
}

func (s suite) attempts() {
	k := key("a")
	s.create(k)
	s.create(key("b"))
	s.apply(job.Change{Key: key("b"), Attempt: attempt(key("b"), 1, replica(job.Worker, 7, 0))})
	one, two := attempt(k, 1, replica(job.Master, 0, 0)), attempt(k, 2, replica(job.Master, 0, 0), replica(job.Worker, 0, 0), replica(job.Worker, 10, 0))
	s.apply(job.Change{Key: k, Attempt: two})
	j := s.apply(job.Change{Key: k, Attempt: one}) // late news of an earlier one
	if j.Attempt != 2 {
		s.t.Errorf("the current attempt is %d, want 2", j.Attempt)
	}
	got, err := s.s.Attempts(s.t.Context(), k)
	s.must(err)
	if d := cmp.Diff([]job.Attempt{*one, *two}, got, cmpopts.EquateEmpty()); d != "" {
		s.t.Errorf("attempts (-want +got):\n%s", d)
	}
}
