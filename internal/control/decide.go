// Package control decides what happens to jobs next, and does it. It is the
// only writer of job states.
//
// Decide is pure: it sees jobs, their attempts, what the executor says of
// them, and the capacity, and returns actions. Doing an action twice does no
// harm, so after a crash it is enough to look and decide again.
package control

import (
	"maps"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// Item is a job and what is known of it now.
type Item struct {
	job.Work
	Status  executor.Status     // of the current attempt
	Known   bool                // the executor has answered about the current attempt
	Noted   map[Run]int         // how many of a run's steps are in the timeline
	Reaped  map[job.Replica]int // lost runs of which nothing is left running: replica → run + 1
	Busy    bool                // an action is under way; nothing else is decided
	Pause   time.Time           // not before, after something failed
	Trouble string              // what the last action met that was not done; it is tried again
	Tries   int                 // how many actions in a row were not done
	Broken  string              // why it can never be started: it ends with this
}

// Run is one run of a replica of the current attempt.
type Run struct {
	job.Replica
	Number int
}

// View is all that Decide sees.
type View struct {
	Items    []*Item // in the order of Seq
	Capacity executor.Capacity
	Settings Settings
}

// Settings are the rules that an operator may set.
type Settings struct {
	MaxParallel int           // jobs at once; 0 for as many as fit
	JobMemory   int64         // bytes that a job may use; 0 for its machine type
	Grace       time.Duration // between SIGTERM and SIGKILL
	KeepFailed  time.Duration // how long a failed run's working directory stays
	Owner       string        // this server
}

// Action is one thing to do about one job.
type Action struct {
	Key  job.Key
	Kind Kind
	// Change is written first for Write, and after the executor did its part
	// for the others.
	Change job.Change
	// Attempt is handed to the executor by Reserve and Start.
	Attempt executor.Attempt
	Handle  string
	Keep    time.Duration
	Runs    map[job.Replica]int // for Reap: which runs it is about
	Noted   map[Run]int         // for Write: the item's, once Change is stored
}

// Kind says what an action asks of the executor.
type Kind string

// The kinds of action.
const (
	Write   Kind = "write"   // nothing: only Change is stored
	Reserve Kind = "reserve" // addresses; then the attempt is stored with them
	Start   Kind = "start"
	Stop    Kind = "stop"
	Reap    Kind = "reap"
	Remove  Kind = "remove"
)

// Decide says what to do now, at most one action a job, and when to decide
// again if nothing else happens; zero for never.
func Decide(now time.Time, v View) (actions []Action, wake time.Time) {
	later := func(t time.Time) {
		if wake.IsZero() || t.Before(wake) {
			wake = t
		}
	}
	line := admission(v.Items)
	free := newRoom(v, line.holding)
	for _, it := range slices.Concat(line.over, line.holding) {
		if it.Busy || it.rests(now, later) {
			continue
		}
		if a, ok := decide(now, v, it, later); ok {
			actions = append(actions, a)
		}
	}
	for _, it := range line.waiting {
		fits := free.take(it)
		if it.rests(now, later) {
			continue
		}
		if a, ok := beforeAttempt(now, v, it, fits, later); ok {
			actions = append(actions, a)
		}
	}
	return actions, wake
}

// waits reports whether a job has no attempt that holds capacity but wants
// one. While one is being reserved it has its share: one that is more urgent
// and comes meanwhile finds it taken.
func waits(it *Item) bool {
	return !it.State.Final() && !it.Busy && (it.Current == nil || it.Current.State == job.AttemptDone)
}

// rests reports whether a job is left alone for now.
func (it *Item) rests(now time.Time, later func(time.Time)) bool {
	if !now.Before(it.Pause) {
		return false
	}
	later(it.Pause)
	return true
}

// line is who holds capacity and who waits for it, in order.
type line struct {
	over, holding []*Item // by age
	waiting       []*Item // who starts first
}

// admission finds the line. A job that already ran and is retried goes before
// what never ran; then it is by priority and age. There may be thousands, and
// they come by age: nothing is sorted but the priorities.
func admission(items []*Item) line {
	var l line
	ran, queued := map[int][]*Item{}, map[int][]*Item{} // by priority
	for _, it := range items {
		switch {
		case it.State.Final():
			l.over = append(l.over, it)
		case !waits(it):
			l.holding = append(l.holding, it)
		case it.Current != nil:
			ran[it.Priority] = append(ran[it.Priority], it)
		default:
			queued[it.Priority] = append(queued[it.Priority], it)
		}
	}
	for _, group := range []map[int][]*Item{ran, queued} {
		for _, priority := range slices.Backward(slices.Sorted(maps.Keys(group))) {
			l.waiting = append(l.waiting, group[priority]...)
		}
	}
	return l
}

// room is what is left of the capacity.
type room struct {
	v View
	// left is what those leave that run or are to start now; free, what those
	// that wait ahead leave, too. It may be less than nothing.
	left, free share
}

// share is a part of the capacity.
type share struct {
	job.Need
	jobs int
}

func (s share) less(n job.Need) share {
	s.CPUs, s.Memory, s.GPUs, s.jobs = s.CPUs-n.CPUs, s.Memory-n.Memory, s.GPUs-n.GPUs, s.jobs-1
	return s
}

func (s share) more(n job.Need) share {
	s.CPUs, s.Memory, s.GPUs, s.jobs = s.CPUs+n.CPUs, s.Memory+n.Memory, s.GPUs+n.GPUs, s.jobs+1
	return s
}

// spent reports whether there is nothing left of what every job needs.
func (r *room) spent() bool {
	if r.v.Settings.MaxParallel > 0 {
		return r.free.jobs <= 0
	}
	return r.v.Capacity.CPUs > 0 && r.free.CPUs < 0
}

func newRoom(v View, holding []*Item) *room {
	c := v.Capacity
	r := &room{v: v, left: share{job.Need{CPUs: c.CPUs, Memory: c.Memory, GPUs: c.GPUs}, v.Settings.MaxParallel}}
	for _, it := range holding {
		r.left = r.left.less(need(it, v))
	}
	r.free = r.left
	return r
}

// take takes a job's share, and reports whether it is there. One that does not
// fit keeps its share from those behind it all the same: they start in what it
// leaves, so that none is passed for ever. One that can never fit keeps none.
func (r *room) take(it *Item) bool {
	n := need(it, r.v)
	if r.never(n) {
		return false
	}
	fits := r.fits(r.free, n)
	r.free = r.free.less(n)
	return fits
}

// never reports whether a share is more than there is in all: the machine had
// more when the job was accepted. Processors and memory are wishes, which are
// scaled to what there is.
func (r *room) never(n job.Need) bool {
	return r.v.Settings.MaxParallel == 0 && n.GPUs > r.v.Capacity.GPUs
}

func (r *room) fits(s share, n job.Need) bool {
	if r.v.Settings.MaxParallel > 0 {
		return s.jobs > 0
	}
	c := r.v.Capacity
	const crumb = 1e-9
	return (c.CPUs == 0 || n.CPUs <= s.CPUs+crumb) && (c.Memory == 0 || n.Memory <= s.Memory) && n.GPUs <= max(s.GPUs, 0)
}

// need is a job's share: what its machine types ask for, or the machine where
// that is smaller.
func need(it *Item, v View) job.Need {
	var sum job.Need
	for _, g := range it.Groups {
		sum.CPUs += float64(g.Count) * g.Need.CPUs
		sum.Memory += int64(g.Count) * g.Need.Memory
		sum.GPUs += g.Count * g.Accelerator.Count
	}
	if v.Settings.JobMemory > 0 {
		sum.Memory = v.Settings.JobMemory // of all replicas together
	}
	if c := v.Capacity.CPUs; c > 0 {
		sum.CPUs = min(sum.CPUs, c)
	}
	if m := v.Capacity.Memory; m > 0 {
		sum.Memory = min(sum.Memory, m)
	}
	return sum
}
