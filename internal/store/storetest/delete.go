package storetest

import (
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
)

func (s suite) deleted() {
	ctx, k := s.t.Context(), key("a")
	s.create(k)
	if err := s.s.Delete(ctx, k); !fault.Is(err, fault.Precondition) || fault.HintOf(err) == "" {
		s.t.Errorf("deleting a queued job: %v", err)
	}
	s.apply(job.Change{Key: k, State: job.Running, Attempt: &job.Attempt{Number: 1, Replicas: []job.ReplicaRun{{Replica: job.Replica{Role: job.Master}}}}})
	s.apply(job.Change{Key: k, State: job.Succeeded, Ended: time.Now()})
	if err := s.s.Delete(ctx, k); !fault.Is(err, fault.Unavailable) {
		s.t.Errorf("deleting a job that is being cleaned up: %v", err)
	}
	other := key("b")
	s.create(other)
	j := s.apply(job.Change{Key: k, Cleaned: true})
	changed, stop := s.s.Watch(k)
	defer stop()
	if err := s.s.Delete(ctx, k); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		s.t.Error("who watched the job was not told")
	}
	if _, err := s.s.Job(ctx, k); !fault.Is(err, fault.NotFound) {
		s.t.Errorf("the deleted job: %v", err)
	}
	if events, err := s.s.Events(ctx, k, 0, 10); len(events) > 0 || err != nil {
		s.t.Errorf("it has events %v, %v", events, err)
	}
	if err := s.s.Delete(ctx, k); !fault.Is(err, fault.NotFound) {
		s.t.Errorf("deleting it again: %v", err)
	}
	for range 2 { // also as the second of a batch
		if _, made, err := s.s.Create(ctx, store.New{Spec: Spec(k), RequestID: "r"}); made || !fault.Is(err, fault.Conflict) {
			s.t.Errorf("its id is free again: %t, %v", made, err)
		}
	}
	left, err := s.s.Deleted(ctx, 10)
	if err != nil {
		s.t.Fatal(err)
	}
	s.same(left, []job.Deleted{{Key: k, Seq: j.Seq, Packages: j.Packages}})
	named := func(want bool) {
		s.t.Helper()
		if got, _, err := s.s.Names(ctx, "gs://b/p.tar.gz", 0); got != want || err != nil {
			s.t.Errorf("a job names the package: %t, %v; want %t", got, err, want)
		}
	}
	named(true)
	if got, upTo, err := s.s.Names(ctx, "gs://b/p.tar.gz", s.job(other).Seq); got || upTo != s.job(other).Seq || err != nil {
		s.t.Errorf("of the jobs after the last, one names the package: %t, up to %d, %v", got, upTo, err)
	}
	s.apply(job.Change{Key: other, State: job.Failed, Ended: time.Now(), Cleaned: true})
	if err := s.s.Delete(ctx, other); err != nil {
		s.t.Fatal(err)
	}
	named(false)
	if err := s.s.Forget(ctx, j.Seq); err != nil {
		s.t.Fatal(err)
	}
	if left, err := s.s.Deleted(ctx, 10); err != nil || len(left) != 1 || left[0].Key != other {
		s.t.Errorf("left to remove is %v, %v", left, err)
	}
	if next := s.create(key("c")); next.Seq <= j.Seq {
		s.t.Errorf("number %d is used again", next.Seq)
	}
}

func (s suite) ended() {
	now := time.Now()
	for i, id := range []string{"a", "b", "c", "d"} {
		s.create(key(id))
		if id != "d" {
			s.apply(job.Change{Key: key(id), State: job.Failed, Ended: now.Add(-time.Duration(i) * time.Hour), Cleaned: id != "c"})
		}
	}
	keys, err := s.s.Ended(s.t.Context(), now, 10)
	if err != nil {
		s.t.Fatal(err)
	}
	s.same(keys, []job.Key{key("b"), key("a")})
	if keys, err = s.s.Ended(s.t.Context(), now.Add(-30*time.Minute), 10); err != nil {
		s.t.Fatal(err)
	}
	s.same(keys, []job.Key{key("b")})
}
