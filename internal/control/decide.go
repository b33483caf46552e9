// Package control decides what happens to jobs next, and does it. It is the
// only writer of job states.
//
// Decide is pure: it sees jobs, their attempts, what the executor says of
// them, and the capacity, and returns actions. Doing an action twice does no
// harm, so after a crash it is enough to look and decide again.
package control

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// Item is a job and what is known of it now.
type Item struct {
	job.Work
	Status executor.Status     // of the current attempt
	Known  bool                // the executor has answered about the current attempt
	Noted  map[Run]int         // how many of a run's steps are in the timeline
	Reaped map[job.Replica]int // lost runs of which nothing is left running: replica → run + 1
	Busy   bool                // an action is under way; nothing else is decided
	Pause  time.Time           // not before, after something failed
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

// What the original did: five restarts of a replica, then three retries of the
// whole job.
const (
	maxRestarts = 5
	maxRetries  = 3
)

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
	free := newRoom(v)
	for _, it := range admission(v.Items) {
		ready := !it.Busy && !now.Before(it.Pause)
		if !it.Busy && now.Before(it.Pause) {
			later(it.Pause)
		}
		if waits(it) {
			// Strictly in order: what does not fit holds back those behind it.
			fits := free.take(it)
			if !ready {
				continue
			}
			if a, ok := beforeAttempt(now, v, it, fits, later); ok {
				actions = append(actions, a)
			}
			continue
		}
		if !ready {
			continue
		}
		if a, ok := decide(now, v, it, later); ok {
			actions = append(actions, a)
		}
	}
	return actions, wake
}

// waits reports whether a job has no attempt that holds capacity but wants
// one.
func waits(it *Item) bool {
	return !it.State.Final() && (it.Current == nil || it.Current.State == job.AttemptDone)
}

// admission orders jobs: those that hold capacity first, then those that wait,
// by priority and age.
func admission(items []*Item) []*Item {
	ordered := slices.Clone(items)
	slices.SortStableFunc(ordered, func(a, b *Item) int {
		if wa, wb := waits(a), waits(b); wa != wb {
			if wa {
				return 1
			}
			return -1
		} else if !wa {
			return 0
		}
		// A job that already ran and is retried goes before what never ran.
		if ra, rb := a.Current != nil, b.Current != nil; ra != rb {
			if ra {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Seq, b.Seq))
	})
	return ordered
}

// room is what is left of the capacity.
type room struct {
	v       View
	cpus    float64
	memory  int64
	gpus    int
	jobs    int
	blocked *Item // the first that did not fit
}

func newRoom(v View) *room {
	r := &room{v: v, cpus: v.Capacity.CPUs, memory: v.Capacity.Memory, gpus: v.Capacity.GPUs, jobs: v.Settings.MaxParallel}
	for _, it := range v.Items {
		if !it.State.Final() && !waits(it) {
			n := need(it, v)
			r.cpus, r.memory, r.gpus, r.jobs = r.cpus-n.CPUs, r.memory-n.Memory, r.gpus-n.GPUs, r.jobs-1
		}
	}
	return r
}

// take takes a job's share if it is there and nothing before it was refused.
func (r *room) take(it *Item) bool {
	if r.blocked != nil {
		return false
	}
	n := need(it, r.v)
	if !r.fits(n) {
		r.blocked = it
		return false
	}
	r.cpus, r.memory, r.gpus, r.jobs = r.cpus-n.CPUs, r.memory-n.Memory, r.gpus-n.GPUs, r.jobs-1
	return true
}

func (r *room) fits(n job.Need) bool {
	if r.v.Settings.MaxParallel > 0 {
		return r.jobs > 0
	}
	c := r.v.Capacity
	const crumb = 1e-9
	return (c.CPUs == 0 || n.CPUs <= r.cpus+crumb) && (c.Memory == 0 || n.Memory <= r.memory) && n.GPUs <= max(r.gpus, 0)
}

// need is a job's share: what its machine types ask for, or the machine where
// that is smaller.
func need(it *Item, v View) job.Need {
	var sum job.Need
	for _, g := range it.Groups {
		sum.CPUs += float64(g.Count) * g.Need.CPUs
		memory := g.Need.Memory
		if v.Settings.JobMemory > 0 {
			memory = v.Settings.JobMemory
		}
		sum.Memory += int64(g.Count) * memory
		sum.GPUs += g.Count * g.Accelerator.Count
	}
	if c := v.Capacity.CPUs; c > 0 {
		sum.CPUs = min(sum.CPUs, c)
	}
	if m := v.Capacity.Memory; m > 0 {
		sum.Memory = min(sum.Memory, m)
	}
	return sum
}

// waiting says of every job that waits why, with its numbers, and how many are
// before it.
func waiting(v View) map[job.Key]standing {
	all := map[job.Key]standing{}
	free := newRoom(v)
	for _, it := range admission(v.Items) {
		if !waits(it) {
			continue
		}
		s := standing{reason: "starting", before: len(all)}
		if !free.take(it) {
			s.reason = free.why(it)
		}
		all[it.Key] = s
	}
	return all
}

// why says what a job waits for that was refused.
func (r *room) why(it *Item) string {
	if r.blocked != it {
		return fmt.Sprintf("waiting behind %s: jobs start in order, and that one does not fit yet", r.blocked.Key.ID)
	}
	if m := r.v.Settings.MaxParallel; m > 0 {
		return fmt.Sprintf("waiting for one of %d running jobs to end (max-parallel-jobs)", m)
	}
	n := need(it, r.v)
	return fmt.Sprintf("waiting for %s: %s free of %s", size(n.CPUs, n.Memory, n.GPUs), size(max(r.cpus, 0), max(r.memory, 0), max(r.gpus, 0)),
		size(r.v.Capacity.CPUs, r.v.Capacity.Memory, r.v.Capacity.GPUs))
}

func size(cpus float64, memory int64, gpus int) string {
	s := fmt.Sprintf("%.4g vCPUs, %.4g GiB", cpus, float64(memory)/(1<<30))
	if gpus > 0 {
		s += fmt.Sprintf(", %d GPUs", gpus)
	}
	return s
}
