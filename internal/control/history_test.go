package control

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// past is a server, its rows and a machine, all in memory and by hand: what
// happens when is the test's to say.
type past struct {
	t        fataler
	now      time.Time
	v        View
	machine  map[string]*gang // by the attempt's name
	underway []Action         // of items that are busy
	admitted map[job.Key]time.Time
	seq      int64
	cleaned  map[job.Key]bool
	begun    map[string]bool // every run that was ever started
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// gang is what the machine has of an attempt.
type gang struct {
	runs  []executor.ReplicaStatus
	asked bool // to end
	live  map[job.Replica]bool
}

func newPast(t fataler, c executor.Capacity) *past {
	return &past{t: t, now: t0, v: View{Capacity: c, Items: []*Item{}}, machine: map[string]*gang{}, admitted: map[job.Key]time.Time{}, cleaned: map[job.Key]bool{}, begun: map[string]bool{}}
}

func (p *past) submit(spec job.Spec) *Item {
	p.seq++
	it := &Item{Work: job.Work{Job: job.Job{Spec: spec, Seq: p.seq, State: job.Queued, Created: p.now}}}
	it.Key = job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%d", it.Seq))}
	it.Primary, it.Module = "master", "m"
	p.v.Items = append(p.v.Items, it)
	return it
}

// rest decides until there is nothing more to do at this instant.
func (p *past) rest() {
	p.t.Helper()
	for range 100 {
		before := copies(p.v.Items)
		actions, wake := Decide(p.now, p.v)
		if !reflect.DeepEqual(before, p.v.Items) {
			p.t.Fatalf("Decide changed what it looks at")
		}
		if again, w := Decide(p.now, p.v); !reflect.DeepEqual(actions, again) || !wake.Equal(w) {
			p.t.Fatalf("the same view gives %+v and then %+v", actions, again)
		}
		if len(actions) == 0 {
			return
		}
		for _, a := range actions {
			p.begin(a)
		}
		p.promised()
	}
	p.t.Fatalf("a hundred decisions, and it does not come to rest")
}

// begin takes an action up, as the loop does.
func (p *past) begin(a Action) {
	p.t.Helper()
	it := p.item(a.Key)
	switch {
	case it == nil || p.cleaned[a.Key]:
		p.t.Fatalf("an action for %s, which is over: %+v", a.Key, a)
	case it.Busy:
		p.t.Fatalf("an action for %s, which is busy: %+v", a.Key, a)
	case a.Kind == Write:
		p.store(it, a)
		it.Noted = a.Noted
		return
	case a.Kind == Reserve:
		if _, ok := p.admitted[a.Key]; !ok {
			p.admitted[a.Key] = p.now
		}
		p.whole(it, a.Attempt)
		p.holds(it)
	}
	it.Busy = true
	p.underway = append(p.underway, a)
}

// whole checks that the executor is asked for a whole gang.
func (p *past) whole(it *Item, a executor.Attempt) {
	p.t.Helper()
	n := 0
	for _, g := range it.Groups {
		n += g.Count
	}
	if len(a.Replicas) != n {
		p.t.Fatalf("%s has %d replicas, and %d are asked for", it.Key, n, len(a.Replicas))
	}
}

// holds checks that there is room for a job beside those that hold some.
func (p *past) holds(it *Item) {
	p.t.Helper()
	sum, jobs := need(it, p.v), 1
	for _, o := range p.v.Items {
		if o != it && !p.cleaned[o.Key] && !o.State.Final() && (!waits(o) || p.isUnderway(o.Key, Reserve)) {
			n := need(o, p.v)
			sum.CPUs, sum.Memory, sum.GPUs, jobs = sum.CPUs+n.CPUs, sum.Memory+n.Memory, sum.GPUs+n.GPUs, jobs+1
		}
	}
	c := p.v.Capacity
	if m := p.v.Settings.MaxParallel; m > 0 {
		if jobs > m {
			p.t.Fatalf("%s is admitted as number %d of %d", it.Key, jobs, m)
		}
		return
	}
	if c.CPUs > 0 && sum.CPUs > c.CPUs+1e-6 || c.Memory > 0 && sum.Memory > c.Memory || sum.GPUs > c.GPUs {
		p.t.Fatalf("with %s %+v is given out of %+v", it.Key, sum, c)
	}
}

func (p *past) isUnderway(key job.Key, kind Kind) bool {
	return slices.ContainsFunc(p.underway, func(a Action) bool { return a.Key == key && a.Kind == kind })
}

// finish ends the i-th action under way; heard is false when the server dies
// before it can write it down.
func (p *past) finish(i int, heard bool) {
	p.t.Helper()
	a := p.underway[i]
	p.underway = slices.Delete(p.underway, i, i+1)
	it := p.item(a.Key)
	name := a.Attempt.Name
	if it.Current != nil && a.Handle != "" {
		name = it.name(it.Current)
	}
	g := p.machine[name]
	switch a.Kind {
	case Reserve:
		if g == nil {
			p.machine[name] = &gang{live: map[job.Replica]bool{}}
		}
		for i := range a.Change.Attempt.Replicas {
			a.Change.Attempt.Replicas[i].Address = fmt.Sprintf("%s.invalid:%d", name, i+1)
		}
	case Start:
		p.whole(it, a.Attempt)
		if g.asked {
			p.t.Fatalf("%s is started while it is to end", name)
		}
		for _, r := range a.Attempt.Replicas {
			p.start(g, name, r)
		}
		a.Change.Attempt.Handle = name
	case Stop:
		g.asked = true
	case Reap:
		for r := range a.Runs {
			delete(g.live, r)
		}
	case Remove:
		if g != nil && len(g.live) > 0 {
			p.t.Fatalf("%s is removed while %v of it run", name, g.live)
		}
		delete(p.machine, name)
	}
	if !heard {
		return
	}
	it.Busy = false
	if a.Kind == Reap {
		if it.Reaped == nil {
			it.Reaped = map[job.Replica]int{}
		}
		for r, run := range a.Runs {
			it.Reaped[r] = run + 1
		}
		return
	}
	p.store(it, a)
}

// start begins a run, unless it was begun before.
func (p *past) start(g *gang, name string, r executor.Replica) {
	p.t.Helper()
	i := slices.IndexFunc(g.runs, func(s executor.ReplicaStatus) bool { return s.Replica == r.Replica })
	if i >= 0 && g.runs[i].Run >= r.Run {
		return
	}
	if i < 0 {
		i, g.runs = len(g.runs), append(g.runs, executor.ReplicaStatus{Replica: r.Replica, Run: -1})
	}
	if g.runs[i].Run != r.Run-1 || g.live[r.Replica] {
		p.t.Fatalf("%s %v: run %d after run %d, of which something is left: %t", name, r.Replica, r.Run, g.runs[i].Run, g.live[r.Replica])
	}
	run := fmt.Sprint(name, r.Replica, r.Run)
	if p.begun[run] {
		p.t.Fatalf("run %s is begun twice", run)
	}
	p.begun[run] = true
	g.runs[i], g.live[r.Replica] = executor.ReplicaStatus{Replica: r.Replica, Run: r.Run, State: job.ReplicaPreparing}, true
}

// store writes a change, and refuses what no history may have.
func (p *past) store(it *Item, a Action) {
	p.t.Helper()
	c := a.Change
	if c.Cleaned {
		p.cleaned[it.Key] = true
		i := slices.Index(p.v.Items, it)
		p.v.Items = slices.Delete(p.v.Items, i, i+1)
		return
	}
	if c.State != "" && c.State != it.State {
		if !job.CanMove(it.State, c.State) {
			p.t.Fatalf("%s goes from %s to %s", it.Key, it.State, c.State)
		}
		it.State = c.State
		if c.State.Final() {
			p.ended(it, c)
		}
	}
	if !c.Started.IsZero() {
		it.Started = c.Started
	}
	if at := c.Attempt; at != nil {
		if at.Number < it.Attempt || at.Number > it.Attempt+1 || at.Number > maxRetries+1 {
			p.t.Fatalf("%s: attempt %d after attempt %d", it.Key, at.Number, it.Attempt)
		}
		for _, r := range at.Replicas {
			if r.Run > maxRestarts {
				p.t.Fatalf("%s: run %d of %v", it.Key, r.Run, r.Replica)
			}
		}
		if it.Current == nil || it.Current.Number != at.Number {
			it.Status, it.Known, it.Noted, it.Reaped = executor.Status{}, false, nil, nil
		}
		it.Current, it.Attempt = at, at.Number
	}
}

// ended checks the end of a job: nothing is left of it, and the reason is said.
func (p *past) ended(it *Item, c job.Change) {
	p.t.Helper()
	if c.Ended.IsZero() || (c.State != job.Succeeded) != (c.Error != "") {
		p.t.Fatalf("%s ends as %s at %s because %q", it.Key, c.State, c.Ended, c.Error)
	}
	if c.State == job.Cancelled && it.Cancel == nil && it.MaxRunning == 0 && it.MaxWait == 0 {
		p.t.Fatalf("%s is cancelled, and nobody wished it", it.Key)
	}
	if c.Attempt == nil { // between attempts, or before the first
		if it.Cancel != nil && c.State != job.Cancelled {
			p.t.Fatalf("%s was to be cancelled, and ends as %s", it.Key, c.State)
		}
		return
	}
	m := c.Attempt.Replicas[0]
	byItself := m.State == job.ReplicaExited && it.Cancel != nil && m.Ended.Before(it.Cancel.Time)
	if it.Cancel != nil && !byItself && c.State != job.Cancelled {
		p.t.Fatalf("%s was to be cancelled, and ends as %s: %+v", it.Key, c.State, m)
	}
	if c.State == job.Succeeded && (m.State != job.ReplicaExited || m.Exit.Code != 0) {
		p.t.Fatalf("%s succeeds, and its primary is %+v", it.Key, m)
	}
	if g := p.machine[it.name(it.Current)]; g != nil && len(g.live) > 0 {
		p.t.Fatalf("%s is %s while %v of it run", it.Key, it.State, g.live)
	}
}

// promised looks at what must be so at any time.
func (p *past) promised() {
	p.t.Helper()
	for _, it := range p.v.Items {
		if a := it.Current; a != nil && a.State == job.AttemptLive && slices.ContainsFunc(a.Replicas, func(r job.ReplicaRun) bool { return r.State == job.ReplicaPending }) {
			p.t.Fatalf("%s is live, and not all of it has been started: %+v", it.Key, a)
		}
	}
}

// news tells the loop how an attempt stands.
func (p *past) news(it *Item) {
	if it.Current == nil || it.Current.Handle == "" {
		return
	}
	if g := p.machine[it.name(it.Current)]; g != nil {
		it.Status, it.Known = executor.Status{Replicas: slices.Clone(g.runs)}, true
	}
}

// die is the end of a server and the begin of the next, on the same rows.
func (p *past) die() {
	for _, it := range p.v.Items {
		*it = Item{Work: it.Work}
		a := it.Current
		if a != nil && a.State == job.AttemptCreated && a.Handle == "" && p.machine[it.name(a)] != nil {
			it.Current = clone(a)
			it.Current.Handle, it.Current.State = it.name(a), job.AttemptStarted
		}
		delete(p.machine, it.name(&job.Attempt{Number: it.Attempt + 1}))
	}
	p.underway = nil
}

func (p *past) item(key job.Key) *Item {
	if i := slices.IndexFunc(p.v.Items, func(it *Item) bool { return it.Key == key }); i >= 0 {
		return p.v.Items[i]
	}
	return nil
}

// copies are items that share nothing that anybody may write to.
func copies(items []*Item) []*Item {
	all := make([]*Item, 0, len(items))
	for _, it := range items {
		c := *it
		if it.Current != nil {
			c.Current = clone(it.Current)
		}
		c.Status.Replicas, c.Noted, c.Reaped = slices.Clone(it.Status.Replicas), maps.Clone(it.Noted), maps.Clone(it.Reaped)
		all = append(all, &c)
	}
	return all
}

// drawSpec draws a job that the machine can hold.
func drawSpec(t *rapid.T, c executor.Capacity) job.Spec {
	s := job.Spec{Priority: rapid.IntRange(0, 2).Draw(t, "priority")}
	for _, role := range []job.Role{job.Master, job.Worker, job.ParameterServer} {
		n := rapid.IntRange(0, 2).Draw(t, string(role))
		if role == job.Master {
			n = 1
		}
		if n > 0 {
			g := job.Group{Role: role, Count: n, Need: job.Need{CPUs: float64(rapid.IntRange(1, 6).Draw(t, "cpus")), Memory: int64(rapid.IntRange(1, 6).Draw(t, "memory")) << 30}}
			if role == job.Master {
				g.Accelerator.Count = rapid.IntRange(0, c.GPUs).Draw(t, "gpus")
			}
			s.Groups = append(s.Groups, g)
		}
	}
	return s
}
