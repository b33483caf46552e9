package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/diagnose"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// A replica that dies takes others with it: their connections break. Which of
// them writes its record first is chance, and what they say is no cause.

// echoes is how long after another replica's end one that lost its peer may
// still have ended because of it.
const echoes = 30 * time.Second

// blame is the replica whose failure the others followed from, or nil: of those
// that failed the first that does not merely say that its peer is gone.
func blame(a *job.Attempt) *job.ReplicaRun {
	var first, cause *job.ReplicaRun
	for i := range a.Replicas {
		r := &a.Replicas[i]
		if !hasFailed(a, r) {
			continue
		}
		if first == nil || r.Ended.Before(first.Ended) {
			first = r
		}
		if !diagnose.Echo(*r) && (cause == nil || r.Ended.Before(cause.Ended)) {
			cause = r
		}
	}
	if cause != nil && first != nil && cause.Ended.Sub(first.Ended) <= echoes {
		return cause
	}
	return first
}

// hasFailed reports whether a replica ended badly of its own. One that we asked
// to end has not; one that somebody else asked has. Once all is over, who asked
// is told by whether one had failed before.
func hasFailed(a *job.Attempt, r *job.ReplicaRun) bool {
	switch {
	case r.State == job.ReplicaLost:
		return true
	case r.State != job.ReplicaExited || r.Exit.Code == 0:
		return false
	case !r.Exit.Requested:
		return true
	case a.State == job.AttemptDone:
		return !slices.ContainsFunc(a.Replicas, func(o job.ReplicaRun) bool { return (o.Exit == nil || !o.Exit.Requested) && hasFailed(a, &o) })
	default:
		return a.State != job.AttemptStopping
	}
}

// classOf is what becomes of a job whose replica failed. One that only lost its
// peer is no reason to give up while the peer's own end is not known yet, nor
// where that end is one that is tried again: then the whole job is, as a
// replica that is started anew finds nobody to talk to.
func classOf(now time.Time, a *job.Attempt, failed *job.ReplicaRun, later func(time.Time)) (class, bool) {
	c := classify(*failed)
	if len(a.Replicas) == 1 {
		return c, true
	}
	if !diagnose.Echo(*failed) {
		if c != replicaAgain {
			return c, true
		}
		for i := range a.Replicas {
			if r := &a.Replicas[i]; r.Replica != failed.Replica && hasFailed(a, r) {
				return jobAgain, true // the others have gone with it
			}
		}
		// Before it is restarted alone, those that lose it have a moment to say so.
		if due := failed.Ended.Add(settle); now.Before(due) && a.State != job.AttemptStopping {
			later(due)
			return c, false
		}
		return c, true
	}
	if restarted(a, failed) != nil {
		return jobAgain, true
	}
	// The peer's record may be about to come.
	if due := failed.Ended.Add(settle); now.Before(due) && a.State != job.AttemptStopping {
		later(due)
		return c, false
	}
	return c, true
}

// restarted is the replica that is being restarted and that another one lost,
// or nil.
func restarted(a *job.Attempt, failed *job.ReplicaRun) *job.ReplicaRun {
	for i := range a.Replicas {
		r := &a.Replicas[i]
		if r.Replica != failed.Replica && r.Run > 0 && !r.Ended.IsZero() && failed.Ended.Sub(r.Ended).Abs() <= echoes {
			return r
		}
	}
	return nil
}

// reason says why an attempt is given up for another.
func reason(a *job.Attempt, failed *job.ReplicaRun) string {
	if r := restarted(a, failed); r != nil && diagnose.Echo(*failed) {
		return fmt.Sprintf("The replica %s %d lost %s %d, which was being restarted.", failed.Role, failed.Index, r.Role, r.Index)
	}
	return diagnose.Sentence(*failed)
}

// settle is how long the end of one of several replicas waits for the others'
// word, where that would change what becomes of it.
const settle = 2 * time.Second

// others says in a clause what the rest of a gang did.
func others(a *job.Attempt) []job.ReplicaRun {
	if len(a.Replicas) == 1 {
		return nil
	}
	return a.Replicas
}

// task names a replica as logs do.
func task(r job.Replica) string { return executor.Task(r) }
