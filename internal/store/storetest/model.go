package storetest

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// model is what a store should hold of a job.
type model struct {
	state          job.State
	started, ended time.Time
	err            string
	version        int64
	labels         map[string]string
	cancel         bool
	attempts       map[int]job.AttemptState
	events         map[string]string
	cleaned        bool
}

func (m *model) apply(c job.Change) (ok bool) {
	visible := false
	if c.State != "" && c.State != m.state {
		if !job.CanMove(m.state, c.State) {
			return false
		}
		m.state, visible = c.State, true
	}
	if m.started.IsZero() && !c.Started.IsZero() {
		m.started, visible = c.Started, true
	}
	if m.ended.IsZero() && !c.Ended.IsZero() {
		m.ended, visible = c.Ended, true
	}
	if c.Error != "" && c.Error != m.err {
		m.err, visible = c.Error, true
	}
	if visible {
		m.version++
	}
	if c.Attempt != nil {
		m.attempts[c.Attempt.Number] = c.Attempt.State
	}
	for _, e := range c.Events {
		if _, there := m.events[e.Name]; !there {
			m.events[e.Name] = e.Text
		}
	}
	m.cleaned = m.cleaned || c.Cleaned && m.state.Final()
	return true
}

var round atomic.Int64

func (s suite) model() {
	ctx := s.t.Context()
	rapid.Check(s.t, func(t *rapid.T) {
		project := job.Project(fmt.Sprintf("m%d", round.Add(1)))
		models := map[job.ID]*model{}
		ids := []job.ID{"a", "b"}
		for _, id := range ids {
			s.create(job.Key{Project: project, ID: id})
			models[id] = &model{state: job.Queued, version: 1, labels: Spec(job.Key{}).Labels, attempts: map[int]job.AttemptState{}, events: map[string]string{"queued": "Job is queued."}}
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			id := rapid.SampledFrom(ids).Draw(t, "id")
			k, m := job.Key{Project: project, ID: id}, models[id]
			var j job.Job
			var err error
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				labels := map[string]string{"x": rapid.SampledFrom([]string{"1", "2"}).Draw(t, "label")}
				version := rapid.Int64Range(1, 4).Draw(t, "version")
				j, err = s.s.SetLabels(ctx, k, labels, &version)
				if version != m.version {
					if !fault.Is(err, fault.Conflict) {
						t.Fatalf("SetLabels with version %d of %d: %v", version, m.version, err)
					}
					continue
				}
				if !maps.Equal(labels, m.labels) {
					m.labels, m.version = labels, m.version+1
				}
			case 1:
				if j, err = s.s.RequestCancel(ctx, k, "r"); !m.cancel && !m.state.Final() {
					m.cancel, m.version = true, m.version+1
				}
			default:
				c := change(t, k)
				j, err = s.s.Apply(ctx, c)
				if !m.apply(c) {
					if !fault.Is(err, fault.Conflict) {
						t.Fatalf("Apply(%+v) from %s: %v", c, m.state, err)
					}
					continue
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if j.State != m.state || !j.Started.Equal(m.started) || !j.Ended.Equal(m.ended) || j.Error != m.err || j.Version != m.version ||
				!maps.Equal(j.Labels, m.labels) || (j.Cancel != nil) != m.cancel {
				t.Fatalf("the store has %+v, the model %+v", j, m)
			}
		}
		work, err := s.s.Unfinished(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for id, m := range models {
			k := job.Key{Project: project, ID: id}
			as, err := s.s.Attempts(ctx, k)
			if err != nil {
				t.Fatal(err)
			}
			got := map[int]job.AttemptState{}
			for _, a := range as {
				got[a.Number] = a.State
			}
			if !maps.Equal(got, m.attempts) {
				t.Fatalf("attempts %v, want %v", got, m.attempts)
			}
			events, err := s.s.Events(ctx, k, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			texts := map[string]string{}
			for _, e := range events {
				texts[e.Name] = e.Text
			}
			if len(events) != len(texts) || !maps.Equal(texts, m.events) {
				t.Fatalf("events %v, want %v", texts, m.events)
			}
			at := slices.IndexFunc(work, func(w job.Work) bool { return w.Key == k })
			if (at < 0) != m.cleaned {
				t.Fatalf("cleaned is %t, and it is among the unfinished: %t", m.cleaned, at >= 0)
			}
			if at >= 0 && len(m.attempts) > 0 {
				last := slices.Max(slices.Collect(maps.Keys(m.attempts)))
				if c := work[at].Current; c == nil || c.Number != last || work[at].Attempt != last {
					t.Fatalf("the current attempt is %+v, want number %d", c, last)
				}
			}
		}
	})
}

func change(t *rapid.T, k job.Key) job.Change {
	moment := func(name string) time.Time {
		return rapid.SampledFrom([]time.Time{{}, t0, t0.Add(1)}).Draw(t, name)
	}
	c := job.Change{
		Key: k, State: rapid.SampledFrom(append([]job.State{"", ""}, job.States...)).Draw(t, "state"),
		Started: moment("started"), Ended: moment("ended"), Error: rapid.SampledFrom([]string{"", "e", "f"}).Draw(t, "error"),
		Cleaned: rapid.IntRange(0, 9).Draw(t, "cleaned") == 0,
	}
	if n := rapid.IntRange(0, 3).Draw(t, "attempt"); n > 0 {
		c.Attempt = attempt(k, n, replica(job.Master, 0, 0))
		c.Attempt.State = rapid.SampledFrom([]job.AttemptState{job.AttemptCreated, job.AttemptLive, job.AttemptDone}).Draw(t, "attempt state")
	}
	for range rapid.IntRange(0, 2).Draw(t, "events") {
		c.Events = append(c.Events, job.Event{Name: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name"), Text: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "text")})
	}
	return c
}
