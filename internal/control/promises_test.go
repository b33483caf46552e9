package control

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// TestAnyHistoryKeepsThePromises lives through exits, losses, cancels, other
// capacities, deaths of the server at any call, and time. What must hold of
// each decision and each row, past checks; at the end every job has ended and
// nothing is left of it.
func TestAnyHistoryKeepsThePromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		machine := executor.Capacity{CPUs: 8, Memory: 16 << 30, GPUs: rapid.IntRange(0, 2).Draw(t, "GPUs")}
		p := newPast(t, machine)
		p.v.Settings.MaxParallel = rapid.SampledFrom([]int{0, 0, 2}).Draw(t, "parallel")
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { p.rest() },
			"submit": func(t *rapid.T) {
				spec := drawSpec(t, machine)
				spec.MaxRunning = time.Duration(rapid.SampledFrom([]int{0, 60, 600}).Draw(t, "maxRunning")) * time.Second
				spec.MaxWait = time.Duration(rapid.SampledFrom([]int{0, 0, 60}).Draw(t, "maxWait")) * time.Second
				p.submit(spec)
			},
			"a program moves": func(t *rapid.T) {
				if it := draw(t, p.v.Items); it != nil && it.Current != nil && it.Current.Handle != "" {
					p.move(t, it)
				}
			},
			"the loop hears of it": func(t *rapid.T) {
				if it := draw(t, p.v.Items); it != nil {
					p.news(it)
				}
			},
			"an action is done": func(t *rapid.T) {
				if n := len(p.underway); n > 0 {
					p.finish(rapid.IntRange(0, n-1).Draw(t, "action"), true)
				}
			},
			"cancel": func(t *rapid.T) {
				if it := draw(t, p.v.Items); it != nil && it.Cancel == nil && !it.State.Final() {
					it.Cancel = &job.Cancel{Time: p.now, Reason: "by the user"}
				}
			},
			"time passes": func(t *rapid.T) {
				p.now = p.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
			},
			"the server dies": func(t *rapid.T) {
				for len(p.underway) > 0 && rapid.Bool().Draw(t, "done") {
					p.finish(0, false)
				}
				p.die()
				p.v.Capacity.CPUs = float64(rapid.IntRange(2, 8).Draw(t, "CPUs of the next"))
			},
		})
		// From now on every program comes to the same end.
		p.v.Capacity = machine
		fate := rapid.SampledFrom([]*job.Exit{{}, {Code: 1}, {Code: 130}, {Code: 139, Signal: "SIGSEGV"}, nil}).Draw(t, "fate")
		for round := 0; len(p.v.Items) > 0; round++ {
			if round > 500 {
				it := p.v.Items[0]
				t.Fatalf("%s is still %s: %+v", it.Key, it.State, it.Current)
			}
			for len(p.underway) > 0 {
				p.finish(0, true)
			}
			for _, it := range p.v.Items {
				if it.Current != nil {
					p.comeTo(fate, it)
					p.news(it)
				}
			}
			p.now = p.now.Add(10 * time.Second)
			p.rest()
		}
		if len(p.machine) > 0 {
			t.Fatalf("the machine still has %v", p.machine)
		}
	})
}

func draw(t *rapid.T, items []*Item) *Item {
	if len(items) == 0 {
		return nil
	}
	return items[rapid.IntRange(0, len(items)-1).Draw(t, "job")]
}

// move lets a replica of a job take its next step, which may be its end.
func (p *past) move(t *rapid.T, it *Item) {
	g := p.machine[it.name(it.Current)]
	if g == nil || len(g.runs) == 0 {
		return
	}
	r := &g.runs[rapid.IntRange(0, len(g.runs)-1).Draw(t, "replica")]
	if r.State != job.ReplicaPreparing && r.State != job.ReplicaRunning {
		return
	}
	exit := func(e job.Exit) {
		e.Time, e.Requested = p.now, g.asked
		if e.Step = "run"; r.State == job.ReplicaPreparing {
			e.Step = "environment"
		}
		r.State, r.Exit = job.ReplicaExited, &e
		delete(g.live, r.Replica)
	}
	switch n := rapid.IntRange(0, 9).Draw(t, "move"); {
	case g.asked:
		exit(rapid.SampledFrom([]job.Exit{{}, {Code: 143, Signal: "SIGTERM"}, {Code: 137, Signal: "SIGKILL"}, {Code: 1}}).Draw(t, "exit"))
	case r.State == job.ReplicaPreparing && n < 7:
		r.State, r.Started = job.ReplicaRunning, p.now
	case n == 9:
		r.State = job.ReplicaLost // something of it may be left, until it is reaped
	case n > 3:
		exit(rapid.SampledFrom([]job.Exit{{}, {}, {Code: 1}, {Code: 130}, {Code: 255}, {Code: 139, Signal: "SIGSEGV"}, {Code: 137, Signal: "SIGKILL"},
			{Code: 137, Signal: "SIGKILL", OutOfMem: true}, {Code: 143, Signal: "SIGTERM"}, {Code: 1, Retry: true}}).Draw(t, "exit"))
	}
}

// comeTo lets every replica of a job come to an end; nil is its agent's.
// Parameter servers end when they are asked to.
func (p *past) comeTo(fate *job.Exit, it *Item) {
	g := p.machine[it.name(it.Current)]
	if g == nil {
		return
	}
	for i := range g.runs {
		r := &g.runs[i]
		if r.State != job.ReplicaPreparing && r.State != job.ReplicaRunning {
			continue
		}
		if r.Started.IsZero() {
			r.State, r.Started = job.ReplicaRunning, p.now
		}
		if r.Role == job.ParameterServer && !g.asked {
			continue
		}
		if fate == nil {
			r.State = job.ReplicaLost
			continue
		}
		e := *fate
		e.Step, e.Time, e.Requested = "run", p.now, g.asked
		r.State, r.Exit = job.ReplicaExited, &e
		delete(g.live, r.Replica)
	}
}

// TestNoLaterJobDelaysAnEarlierOne gives the same jobs to two machines, one of
// which has a stream of later ones to do besides: the first ones start at the
// same instants on both. So nobody is passed for ever.
func TestNoLaterJobDelaysAnEarlierOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		machine := executor.Capacity{CPUs: 16, Memory: 32 << 30, GPUs: 2}
		parallel := rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "parallel")
		first := rapid.SliceOfN(rapid.Custom(drawLength(machine)), 1, 8).Draw(t, "first")
		later := rapid.SliceOfN(rapid.Custom(drawLength(machine)), 0, 20).Draw(t, "later")
		for i := range first {
			first[i].spec.Priority += 2
			first[i].at = 0
		}
		slices.SortStableFunc(later, func(a, b length) int { return int(a.at - b.at) })
		alone, beside := starts(t, machine, parallel, first), starts(t, machine, parallel, append(slices.Clone(first), later...))
		for i := range first {
			if !alone[i].Equal(beside[i]) {
				t.Fatalf("job %d starts %s after the first alone, and %s with later ones", i+1, alone[i].Sub(t0), beside[i].Sub(t0))
			}
		}
		for i, s := range beside {
			if s.IsZero() {
				t.Fatalf("job %d never starts", i+1)
			}
		}
	})
}

// TestTheEstimateIsRightWhenTheLengthsAre asks at the beginning when each job
// will start, and looks when it does.
func TestTheEstimateIsRightWhenTheLengthsAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		machine := executor.Capacity{CPUs: 16, Memory: 32 << 30, GPUs: 2}
		p := newPast(t, machine)
		p.v.Settings.MaxParallel = rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "parallel")
		lengths := map[job.Key]length{}
		var keys []job.Key
		for _, l := range rapid.SliceOfN(rapid.Custom(drawLength(machine)), 1, 12).Draw(t, "jobs") {
			l.attempts = l.attempts[:1]
			key := p.submit(l.spec).Key
			lengths[key], keys = l, append(keys, key)
		}
		guess := map[job.Key]time.Time{}
		for _, key := range keys {
			at, ok, doubt := forecast(p.now, p.v, key, func(k job.Key) (time.Duration, bool) { return lengths[k].attempts[0], true })
			if !ok {
				t.Fatalf("no estimate for %s: of %s nothing is known", key, doubt)
			}
			guess[key] = at
		}
		for len(p.v.Items) > 0 {
			p.play(lengths)
			p.now = p.now.Add(time.Second)
		}
		for _, key := range keys {
			if !guess[key].Equal(p.admitted[key]) {
				t.Fatalf("%s was to start after %s, and did after %s", key, guess[key].Sub(t0), p.admitted[key].Sub(t0))
			}
		}
	})
}

// length is a job whose attempts take their time; all but the last end by a
// signal after which the whole job is tried again.
type length struct {
	spec     job.Spec
	at       time.Duration
	attempts []time.Duration
}

func drawLength(c executor.Capacity) func(*rapid.T) length {
	return func(t *rapid.T) length {
		l := length{spec: drawSpec(t, c), at: time.Duration(rapid.IntRange(0, 300).Draw(t, "at")) * time.Second}
		for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "attempts") {
			l.attempts = append(l.attempts, time.Duration(rapid.IntRange(1, 120).Draw(t, "seconds"))*time.Second)
		}
		return l
	}
}

// starts says when each job was admitted first.
func starts(t *rapid.T, c executor.Capacity, parallel int, jobs []length) []time.Time {
	p := newPast(t, c)
	p.v.Settings.MaxParallel = parallel
	lengths := map[job.Key]length{}
	var keys []job.Key
	todo := jobs
	for range 4000 { // seconds; all of them together take less
		for len(todo) > 0 && !p.now.Before(t0.Add(todo[0].at)) {
			it := p.submit(todo[0].spec)
			lengths[it.Key], keys, todo = todo[0], append(keys, it.Key), todo[1:]
		}
		if len(todo) == 0 && len(p.v.Items) == 0 {
			break
		}
		p.play(lengths)
		p.now = p.now.Add(time.Second)
	}
	var at []time.Time
	for _, k := range keys {
		at = append(at, p.admitted[k])
	}
	return at
}

// play brings everything up to now: actions are done at once, programs run for
// as long as they should.
func (p *past) play(lengths map[job.Key]length) {
	for changed := true; changed; {
		p.rest()
		changed = len(p.underway) > 0
		for len(p.underway) > 0 {
			p.finish(0, true)
		}
		for _, it := range p.v.Items {
			if it.Current == nil || it.Current.Handle == "" || it.State.Final() {
				continue
			}
			g := p.machine[it.name(it.Current)]
			if g == nil {
				continue
			}
			attempts := lengths[it.Key].attempts
			for i := range g.runs {
				r := &g.runs[i]
				switch {
				case r.State == job.ReplicaPreparing:
					r.State, r.Started, changed = job.ReplicaRunning, p.now, true
				case r.State == job.ReplicaRunning && (g.asked || !p.now.Before(r.Started.Add(attempts[it.Attempt-1]))):
					e := job.Exit{Step: "run", Time: p.now, Requested: g.asked}
					if it.Attempt < len(attempts) {
						e.Code, e.Signal = 139, "SIGSEGV"
					}
					r.State, r.Exit, changed = job.ReplicaExited, &e, true
					delete(g.live, r.Replica)
				}
			}
			p.news(it)
		}
	}
}
