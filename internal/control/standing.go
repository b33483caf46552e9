package control

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// Standing is a waiting job's place: why it does not start, in numbers. It is
// made from the view that Decide sees, and so is never of another opinion.
type Standing struct {
	Key      job.Key
	Starting bool      // it has its share, and is about to start
	Never    bool      // it needs more than there is
	Behind   job.Key   // the first that waits for more, where its own share would be free
	Before   int       // how many jobs start before it
	Ahead    []job.Key // the first of them
	Holders  []Holder  // what runs, the longest first
	Needs    job.Need
	Free     job.Need // what those leave that run
	Total    job.Need // zero fields are not limits
	Lacks    job.Need // what it needs more than is free
	Slots    int      // jobs at once, where their count is the limit
}

// Reason is what the job waits for, as a clause.
func (s Standing) Reason() string {
	switch {
	case s.Starting:
		return "starting"
	case s.Behind != job.Key{}:
		who := string(s.Behind.ID)
		if s.Behind.Project != s.Key.Project {
			who = "a job of another project"
		}
		return fmt.Sprintf("waiting behind %s, which starts before it and is to have what is free", who)
	case s.Never:
		return fmt.Sprintf("waiting for %d GPUs, and there are %d: it cannot start here", s.Needs.GPUs, s.Total.GPUs)
	case s.Slots > 0:
		return fmt.Sprintf("waiting for one of %d running jobs to end (max-parallel-jobs)", s.Slots)
	default:
		gpus := s.Needs.GPUs
		return fmt.Sprintf("waiting for %s: %s free of %s", sized(s.Needs, gpus), sized(s.Free, gpus), sized(s.Total, gpus))
	}
}

// Holder is a job that holds a part of the capacity.
type Holder struct {
	Key   job.Key
	Holds job.Need
	Since time.Time // when its attempt was made
}

// named is how many jobs a standing names.
const named = 10

// standings says of every job that waits where it stands.
func standings(v View) map[job.Key]Standing {
	line := admission(v.Items)
	all := make(map[job.Key]Standing, len(line.waiting))
	free := newRoom(v, line.holding)
	holders := holders(v, line.holding)
	var ahead []job.Key // the first of them
	for _, it := range line.waiting[:min(len(line.waiting), named)] {
		ahead = append(ahead, it.Key)
	}
	var next, blocked job.Key // the first, and the first that does not fit
	for i, it := range line.waiting {
		s := Standing{
			Key: it.Key, Before: i, Ahead: ahead[:min(i, named)], Holders: holders, Needs: need(it, v), Total: job.Need(v.Capacity), Slots: v.Settings.MaxParallel,
			Free: positive(free.left.Need),
		}
		s.Never = free.never(s.Needs)
		s.Lacks = s.lacks()
		switch s.Starting = free.take(it); {
		case s.Starting, s.Never:
		case free.fits(free.left, s.Needs):
			// What is free is for those ahead: who waits for more, or else who starts next.
			s.Behind = cmp.Or(blocked, next)
		}
		if !s.Never && next == (job.Key{}) {
			next = it.Key
		}
		if !s.Starting && !s.Never && blocked == (job.Key{}) {
			blocked = it.Key
		}
		all[it.Key] = s
	}
	return all
}

// holders are the jobs that hold capacity, those that have held it longest first.
func holders(v View, holding []*Item) []Holder {
	var list []Holder
	for _, it := range holding {
		list = append(list, Holder{Key: it.Key, Holds: need(it, v), Since: it.begun(it.Created)})
	}
	slices.SortStableFunc(list, func(a, b Holder) int { return a.Since.Compare(b.Since) })
	return list
}

// begun is when a job got its share; otherwise where it is just being given.
func (it *Item) begun(otherwise time.Time) time.Time {
	if it.Current == nil {
		return otherwise
	}
	return it.Current.Created
}

// lacks is what is missing, of what is limited.
func (s Standing) lacks() job.Need {
	var l job.Need
	if s.Slots > 0 {
		return l
	}
	if s.Total.CPUs > 0 {
		l.CPUs = max(0, s.Needs.CPUs-s.Free.CPUs)
	}
	if s.Total.Memory > 0 {
		l.Memory = max(0, s.Needs.Memory-s.Free.Memory)
	}
	l.GPUs = max(0, s.Needs.GPUs-s.Free.GPUs)
	return l
}

func positive(n job.Need) job.Need {
	return job.Need{CPUs: max(n.CPUs, 0), Memory: max(n.Memory, 0), GPUs: max(n.GPUs, 0)}
}

// sized writes a share of a machine for one that asks for gpus: where it asks
// for none, how many there are is not to the point.
func sized(n job.Need, gpus int) string {
	s := size(n.CPUs, n.Memory, 0)
	if gpus > 0 {
		s += fmt.Sprintf(", %d GPUs", n.GPUs)
	}
	return s
}

// size writes a share for people.
func size(cpus float64, memory int64, gpus int) string {
	s := fmt.Sprintf("%.4g vCPUs, %.4g GiB", cpus, float64(memory)/(1<<30))
	if gpus > 0 {
		s += fmt.Sprintf(", %d GPUs", gpus)
	}
	return s
}

// Typical says how long jobs like one usually run; ok is false where none has
// run yet.
type Typical func(job.Key) (d time.Duration, ok bool)

// forecast says when a waiting job may start, if what runs and what is ahead of
// it takes as long as its like did before. It plays what Decide would do at
// each end; those behind the job do not matter, as they never delay it. ok is
// false where there is no telling; doubt then names the job that nothing is
// known of.
func forecast(now time.Time, v View, key job.Key, typical Typical) (start time.Time, ok bool, doubt job.Key) {
	line := admission(v.Items)
	r := newRoom(v, line.holding)
	var ends []end // by time
	begins := func(it *Item, since time.Time) {
		d, known := lasts(it, typical)
		if !known {
			if doubt == (job.Key{}) {
				doubt = it.Key
			}
			return // it keeps its share, for all that is known
		}
		at := since.Add(d)
		if at.Before(now) {
			at = now // it is over its time, and may end any moment
		}
		i, _ := slices.BinarySearchFunc(ends, at, func(e end, at time.Time) int { return e.at.Compare(at) })
		ends = slices.Insert(ends, i, end{at, need(it, v)})
	}
	for _, it := range line.holding {
		begins(it, it.begun(now))
	}
	var ahead []*Item // and the job itself, at the end
	for _, it := range line.waiting {
		if !r.never(need(it, v)) {
			ahead = append(ahead, it)
		}
		if it.Key == key {
			break
		}
	}
	for clock := now; ; {
		r.free = r.left
		for i := 0; i < len(ahead) && !r.spent(); {
			it := ahead[i]
			if !r.take(it) {
				i++
				continue
			}
			if it.Key == key {
				return clock, true, job.Key{}
			}
			r.left = r.left.less(need(it, v))
			begins(it, clock)
			if i == 0 {
				ahead = ahead[1:]
			} else {
				ahead = slices.Delete(ahead, i, i+1)
			}
		}
		if len(ends) == 0 {
			return time.Time{}, false, cmp.Or(doubt, key)
		}
		clock = ends[0].at
		for len(ends) > 0 && ends[0].at.Equal(clock) {
			r.left = r.left.more(ends[0].need)
			ends = ends[1:]
		}
	}
}

// end is when a job may give its share back.
type end struct {
	at   time.Time
	need job.Need
}

// lasts is how long a job may be thought to run: as its like did, and no longer
// than it may.
func lasts(it *Item, typical Typical) (time.Duration, bool) {
	d, ok := typical(it.Key)
	if ok && it.MaxRunning > 0 {
		d = min(d, it.MaxRunning)
	}
	return d, ok
}

// about writes a length of time as people say it.
func about(d time.Duration) string {
	switch {
	case d < time.Second:
		return "a moment"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	default:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	}
}
