// Package storetest is the specification of a job store as a suite of tests.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
)

type suite struct {
	t *testing.T
	s *store.Store
}

// Run runs the suite; open makes an empty store that is closed with the test.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, c := range []struct {
		name string
		test func(s suite)
	}{
		{"a created job is read back as it was given", suite.created},
		{"an id is used once", suite.conflict},
		{"a repeated request is the same job", suite.repeated},
		{"creates at the same time are all there, one for each id", suite.concurrent},
		{"a state only makes the moves that are allowed", suite.moves},
		{"the same change twice does no harm", suite.idempotent},
		{"an attempt is replaced as a whole", suite.replaced},
		{"of events with one name the first stays", suite.events},
		{"unfinished work has its current attempt and replicas", suite.unfinished},
		{"attempts are listed in order", suite.attempts},
		{"how long jobs take is told by the last that succeeded", suite.typical},
		{"pages are complete and newest first", suite.pages},
		{"a page has what matches", suite.matching},
		{"labels are replaced if the version is the present one", suite.labels},
		{"a wish to cancel is stored once", suite.cancel},
		{"a deleted job leaves its id and what is to be removed", suite.deleted},
		{"jobs that ended by a time are listed", suite.ended},
		{"projects do not see each other", suite.projects},
		{"what is not there is not found", suite.missing},
		{"a watch misses nothing and leaves nothing behind", suite.watch},
		{"news misses nothing", suite.news},
		{"any sequence of changes does what the model does", suite.model},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(suite{t, open(t)}) })
	}
}

func key(id string) job.Key { return job.Key{Project: "p", ID: job.ID(id)} }

// Spec is a job's specification with something in every kind of field.
func Spec(k job.Key) job.Spec {
	return job.Spec{
		Key: k, Labels: map[string]string{"team": "a"}, Module: "trainer.task", Args: []string{"--x", "ü\x00"},
		Packages: []job.Package{{URI: "gs://b/p.tar.gz", Generation: 7, MD5: []byte{1, 2}}},
		Region:   "us-central1", Tier: job.Basic, Groups: job.Basic.Groups(), MaxRunning: time.Hour, Primary: "chief", Opaque: []byte(`{"a":1}`),
	}
}

func (s suite) create(k job.Key) job.Job {
	s.t.Helper()
	j, made, err := s.s.Create(s.t.Context(), store.New{Spec: Spec(k), Document: []byte(`{"jobId": "x"}`), Wire: "ml/v1",
		Events: []job.Event{{Name: "queued", Step: "queue", Text: "Job is queued.", Service: true}}})
	if err != nil || !made {
		s.t.Fatalf("Create(%s) = %t, %v", k, made, err)
	}
	return j
}

func (s suite) job(k job.Key) job.Job {
	s.t.Helper()
	j, err := s.s.Job(s.t.Context(), k)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

func (s suite) apply(c job.Change) job.Job {
	s.t.Helper()
	j, err := s.s.Apply(s.t.Context(), c)
	if err != nil {
		s.t.Fatalf("Apply(%+v): %v", c, err)
	}
	return j
}

func (s suite) same(got, want any) {
	s.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		s.t.Errorf("not as it was (-want +got):\n%s", d)
	}
}

func (s suite) created() {
	before := time.Now()
	j := s.create(key("a"))
	if j.State != job.Queued || j.Version != 1 || j.Seq <= 0 || j.Wire != "ml/v1" || string(j.Document) != `{"jobId": "x"}` || j.Attempt != 0 || j.Cancel != nil {
		s.t.Errorf("created: %+v", j)
	}
	if j.Created.Before(before) || j.Created.After(time.Now()) || !j.Started.IsZero() || !j.Ended.IsZero() {
		s.t.Errorf("times: created %s, started %s, ended %s", j.Created, j.Started, j.Ended)
	}
	s.same(j.Spec, Spec(key("a")))
	s.same(s.job(key("a")), j)
}

func (s suite) conflict() {
	first := s.create(key("a"))
	_, made, err := s.s.Create(s.t.Context(), store.New{Spec: Spec(key("a")), RequestID: "r"})
	if made || !fault.Is(err, fault.Conflict) {
		s.t.Errorf("a second create: %t, %v", made, err)
	}
	s.same(s.job(key("a")), first)
	s.apply(job.Change{Key: key("a"), State: job.Failed, Cleaned: true})
	if _, _, err := s.s.Create(s.t.Context(), store.New{Spec: Spec(key("a"))}); !fault.Is(err, fault.Conflict) {
		s.t.Errorf("create with the id of a job that has ended: %v", err)
	}
}

func (s suite) repeated() {
	n := store.New{Spec: Spec(key("a")), RequestID: "r1", Events: []job.Event{{Name: "queued"}}}
	first, made, err := s.s.Create(s.t.Context(), n)
	if err != nil || !made {
		s.t.Fatal(made, err)
	}
	again, made, err := s.s.Create(s.t.Context(), n)
	if err != nil || made || !reflect.DeepEqual(again, first) {
		s.t.Errorf("the same request: %+v, %t, %v", again, made, err)
	}
	n.RequestID = "r2"
	if _, _, err := s.s.Create(s.t.Context(), n); !fault.Is(err, fault.Conflict) {
		s.t.Errorf("another request: %v", err)
	}
}

func (s suite) concurrent() {
	const ids, each = 60, 4
	var mu sync.Mutex
	made := map[job.ID]int{}
	var wg sync.WaitGroup
	for i := range ids * each {
		wg.Go(func() {
			k := key(fmt.Sprintf("j%d", i%ids))
			j, ok, err := s.s.Create(s.t.Context(), store.New{Spec: Spec(k)})
			switch {
			case ok && err == nil:
				mu.Lock()
				defer mu.Unlock()
				made[j.Key.ID]++
			case !fault.Is(err, fault.Conflict):
				s.t.Errorf("Create(%s): %t, %v", k, ok, err)
			}
		})
	}
	wg.Wait()
	seqs := map[int64]bool{}
	for i := range ids {
		id := job.ID(fmt.Sprintf("j%d", i))
		if made[id] != 1 {
			s.t.Errorf("%s was made %d times", id, made[id])
		}
		seqs[s.job(key(string(id))).Seq] = true
	}
	if len(seqs) != ids {
		s.t.Errorf("%d jobs have %d numbers", ids, len(seqs))
	}
}

func (s suite) labels() {
	j := s.create(key("a"))
	stale := j.Version
	j, err := s.s.SetLabels(s.t.Context(), key("a"), map[string]string{"x": "1"}, &stale)
	if err != nil || j.Version != stale+1 || !reflect.DeepEqual(j.Labels, map[string]string{"x": "1"}) {
		s.t.Errorf("SetLabels: %+v, %v", j, err)
	}
	if _, err := s.s.SetLabels(s.t.Context(), key("a"), nil, &stale); !fault.Is(err, fault.Conflict) {
		s.t.Errorf("SetLabels with an old version: %v", err)
	}
	s.same(s.job(key("a")), j)
	same, err := s.s.SetLabels(s.t.Context(), key("a"), map[string]string{"x": "1"}, nil)
	if err != nil || same.Version != j.Version {
		s.t.Errorf("the same labels: version %d, %v; want %d", same.Version, err, j.Version)
	}
	if j, err = s.s.SetLabels(s.t.Context(), key("a"), nil, nil); err != nil || len(j.Labels) != 0 {
		s.t.Errorf("no labels: %v, %v", j.Labels, err)
	}
}

func (s suite) cancel() {
	j := s.create(key("a"))
	first, err := s.s.RequestCancel(s.t.Context(), key("a"), "why")
	if err != nil || first.Cancel == nil || first.Cancel.Reason != "why" || first.Version != j.Version+1 || first.State != job.Queued || first.Shown() != job.Cancelling {
		s.t.Fatalf("RequestCancel: %+v, %v", first, err)
	}
	again, err := s.s.RequestCancel(s.t.Context(), key("a"), "another")
	if err != nil {
		s.t.Fatal(err)
	}
	s.same(again, first)
	s.create(key("b"))
	ended := s.apply(job.Change{Key: key("b"), State: job.Succeeded})
	after, err := s.s.RequestCancel(s.t.Context(), key("b"), "late")
	if err != nil {
		s.t.Fatal(err)
	}
	s.same(after, ended)
}

func (s suite) projects() {
	a, b := job.Key{Project: "one", ID: "j"}, job.Key{Project: "two", ID: "j"}
	ja, jb := s.create(a), s.create(b)
	if ja.Seq == jb.Seq {
		s.t.Errorf("two jobs have the number %d", ja.Seq)
	}
	s.apply(job.Change{Key: a, State: job.Running, Events: []job.Event{{Name: "only one"}}})
	s.same(s.job(b), jb)
	for _, k := range []job.Key{a, b} {
		page, next, err := s.s.List(s.t.Context(), k.Project, store.ListQuery{Max: 10})
		if err != nil || next != 0 || len(page) != 1 || page[0].Key != k {
			s.t.Errorf("List(%s) = %v, %d, %v", k.Project, page, next, err)
		}
	}
	if ev, err := s.s.Events(s.t.Context(), b, 0, 10); err != nil || len(ev) != 1 {
		s.t.Errorf("Events(%s) = %v, %v", b, ev, err)
	}
}

func (s suite) missing() {
	ctx, k := s.t.Context(), key("none")
	_, err1 := s.s.Job(ctx, k)
	_, err2 := s.s.Apply(ctx, job.Change{Key: k, State: job.Running})
	_, err3 := s.s.SetLabels(ctx, k, nil, nil)
	_, err4 := s.s.RequestCancel(ctx, k, "")
	_, err5 := s.s.Attempts(ctx, k)
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !fault.Is(err, fault.NotFound) {
			s.t.Errorf("method %d of a job that is not there: %v", i+1, err)
		}
	}
	if ev, err := s.s.Events(ctx, k, 0, 10); err != nil || len(ev) != 0 {
		s.t.Errorf("Events: %v, %v", ev, err)
	}
}

func (s suite) pages() {
	const n = 25
	for i := range n {
		s.create(key(fmt.Sprintf("j%02d", i)))
	}
	for _, size := range []int{1, 7, 24, 25, 26, 0} {
		var ids []string
		for before := int64(0); ; {
			page, next, err := s.s.List(s.t.Context(), "p", store.ListQuery{Before: before, Max: size})
			if err != nil || size > 0 && len(page) > size || next != 0 && len(page) != size {
				s.t.Fatalf("List(%d) = %d jobs, %d, %v", size, len(page), next, err)
			}
			for _, j := range page {
				ids = append(ids, string(j.Key.ID))
			}
			if before = next; next == 0 {
				break
			}
		}
		if len(ids) != n || ids[0] != "j24" || !slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(b, a) }) {
			s.t.Errorf("pages of %d: %v", size, ids)
		}
	}
}

func (s suite) matching() {
	for i := range 20 {
		s.create(key(fmt.Sprintf("j%02d", i)))
	}
	even := func(j job.Job) bool { return (j.Key.ID[2]-'0')%2 == 0 }
	page, next, err := s.s.List(s.t.Context(), "p", store.ListQuery{Max: 6, Match: even})
	if err != nil || len(page) != 6 || next == 0 {
		s.t.Fatalf("first page: %d jobs, %d, %v", len(page), next, err)
	}
	rest, next, err := s.s.List(s.t.Context(), "p", store.ListQuery{Before: next, Max: 6, Match: even})
	if err != nil || len(rest) != 4 || next != 0 || rest[0].Key.ID != "j06" {
		s.t.Errorf("second page: %d jobs, %d, %v", len(rest), next, err)
	}
}

func (s suite) watch() {
	s.create(key("a"))
	changed, stop := s.s.Watch(key("a"))
	other, stopOther := s.s.Watch(key("b"))
	defer stopOther()
	for what, change := range map[string]func(){
		"a state":  func() { s.apply(job.Change{Key: key("a"), State: job.Running}) },
		"an event": func() { s.apply(job.Change{Key: key("a"), Events: []job.Event{{Name: "e"}}}) },
		"labels": func() {
			_, err := s.s.SetLabels(s.t.Context(), key("a"), map[string]string{"n": "1"}, nil)
			s.must(err)
		},
		"a wish": func() { _, err := s.s.RequestCancel(s.t.Context(), key("a"), ""); s.must(err) },
	} {
		change()
		select {
		case <-changed:
		default:
			s.t.Errorf("the watch was not told of %s", what)
		}
		stop()
		changed, stop = s.s.Watch(key("a"))
		select {
		case <-changed:
			s.t.Errorf("a new watch is told of %s before it", what)
		default:
		}
	}
	stop()
	select {
	case <-other:
		s.t.Error("a watch was told of another job")
	default:
	}
	s.create(key("b"))
	select {
	case <-other:
	default:
		s.t.Error("a watch was not told of the job's creation")
	}

	// Nobody misses the last of many changes.
	const n = 50
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				changed, stop := s.s.Watch(key("b"))
				j, err := s.s.Job(s.t.Context(), key("b"))
				if err != nil || j.Usage.PeakMemory == n {
					stop()
					return
				}
				select {
				case <-changed:
				case <-time.After(10 * time.Second):
					s.t.Error("a change was missed")
				}
				stop()
			}
		})
	}
	for i := range n {
		s.apply(job.Change{Key: key("b"), Usage: &job.Usage{PeakMemory: int64(i + 1)}})
	}
	wg.Wait()
}

func (s suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s suite) news() {
	ctx := s.t.Context()
	const n = 40
	go func() {
		for i := range n {
			if _, _, err := s.s.Create(ctx, store.New{Spec: Spec(key(fmt.Sprintf("j%d", i)))}); err != nil {
				s.t.Error(err)
			}
		}
	}()
	heard := map[job.Key]bool{}
	for len(heard) < n {
		keys, err := s.s.News(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, k := range keys {
			s.job(k) // it is there when it is told of
			heard[k] = true
		}
	}
	s.apply(job.Change{Key: key("j1"), State: job.Running}) // the loop's own writing is no news
	_, err := s.s.RequestCancel(ctx, key("j2"), "")
	s.must(err)
	if keys, err := s.s.News(ctx); err != nil || !slices.Equal(keys, []job.Key{key("j2")}) {
		s.t.Errorf("News after a cancel: %v, %v", keys, err)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if keys, err := s.s.News(short); !errors.Is(err, short.Err()) || keys != nil {
		s.t.Errorf("News when cancelled: %v, %v", keys, err)
	}
}
