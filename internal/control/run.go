package control

import (
	"fmt"
	"maps"
	"time"

	"github.com/trainyard/trainyard/internal/diagnose"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// decide decides about a job that has an attempt, or has ended.
func decide(now time.Time, v View, it *Item, later func(time.Time)) (Action, bool) {
	a := it.Current
	if it.State.Final() {
		if a != nil {
			keep := v.Settings.KeepFailed
			if it.State == job.Succeeded {
				keep = 0
			}
			return it.remove(a, keep, job.Change{Key: it.Key, Cleaned: true}), true
		}
		return Action{Key: it.Key, Kind: Write, Change: job.Change{Key: it.Key, Cleaned: true}}, true
	}
	if a.Handle == "" {
		// Nothing has been started, or the handle of what was would be here.
		if it.Cancel != nil {
			return it.end(now, job.Cancelled, it.Cancel.Reason), true
		}
		if over, reason := it.overdue(now, later); over {
			return it.end(now, job.Cancelled, reason), true
		}
		if it.Broken != "" {
			return it.end(now, job.Failed, it.Broken), true
		}
		return it.start(now, v, "Waiting for training program to start."), true
	}
	if !it.Known {
		return Action{}, false // what runs of it, the executor will say
	}
	if a, ok := it.learn(now); ok {
		return a, true
	}
	if lost := it.lost(); len(lost) > 0 {
		return Action{Key: it.Key, Kind: Reap, Handle: a.Handle, Runs: lost}, true
	}

	ended, reason := it.stopReason(now, later)
	live := 0
	for _, r := range a.Replicas {
		if it.live(r) {
			live++
		}
	}
	if ended {
		if live > 0 {
			return it.stop()
		}
		if it.Cancel == nil {
			reason += it.idle()
		}
		return it.end(now, job.Cancelled, reason), true
	}
	if it.Broken != "" { // what runs of it cannot be joined by the rest
		if live > 0 {
			return it.stop()
		}
		return it.end(now, job.Failed, it.Broken), true
	}
	return it.outcome(now, v, live, later)
}

// live reports whether a run has been started, by this server or by one that
// was killed before it could write so down, and has not ended.
func (it *Item) live(r job.ReplicaRun) bool {
	switch r.State {
	case job.ReplicaPreparing, job.ReplicaRunning:
		return true
	case job.ReplicaPending:
		st, ok := find(it.Status, r.Replica)
		return ok && st.Run == r.Run
	default:
		return false
	}
}

// remove frees what an attempt holds.
func (it *Item) remove(a *job.Attempt, keep time.Duration, c job.Change) Action {
	return Action{Key: it.Key, Kind: Remove, Attempt: executor.Attempt{Name: it.name(a)}, Handle: a.Handle, Keep: keep, Change: c}
}

// start starts the runs that have not been started. A run that may have been
// is started all the same, which the executor does not do twice.
func (it *Item) start(now time.Time, v View, line string) Action {
	order, err := it.order(v, it.Current)
	if err != nil {
		return it.end(now, job.Failed, notStarted+err.Error())
	}
	a := clone(it.Current)
	if a.State == job.AttemptCreated {
		a.State = job.AttemptStarted
	}
	for i := range a.Replicas {
		if a.Replicas[i].State == job.ReplicaPending {
			a.Replicas[i].State = job.ReplicaPreparing
		}
	}
	c := job.Change{Key: it.Key, Attempt: a}
	if line != "" {
		c.Events = []job.Event{service(fmt.Sprintf("a%d/start", a.Number), line)}
	}
	return Action{Key: it.Key, Kind: Start, Attempt: order, Change: c}
}

func (it *Item) stop() (Action, bool) {
	if it.Current.State == job.AttemptStopping {
		return Action{}, false // asked already; the agents see it through
	}
	a := clone(it.Current)
	a.State = job.AttemptStopping
	return Action{Key: it.Key, Kind: Stop, Handle: a.Handle, Change: job.Change{Key: it.Key, Attempt: a}}, true
}

// learn writes down what the executor says that the rows do not say yet.
func (it *Item) learn(now time.Time) (Action, bool) {
	a := clone(it.Current)
	c := job.Change{Key: it.Key, Attempt: a}
	noted := maps.Clone(it.Noted)
	news := false
	running := 0
	for i := range a.Replicas {
		r := &a.Replicas[i]
		if st, ok := find(it.Status, r.Replica); ok && st.Run == r.Run {
			news = observe(r, st, now) || news
			// How long the steps took, once the program runs: before it does that
			// would be one more write.
			this := Run{r.Replica, r.Run}
			if n := noted[this]; rank(r.State) >= rank(job.ReplicaRunning) && n < len(st.Steps) {
				c.Events = append(c.Events, steps(a.Number, r, st.Steps, n)...)
				if noted == nil {
					noted = map[Run]int{}
				}
				noted[this], news = len(st.Steps), true
			}
		}
		if !r.Started.IsZero() {
			running++
		}
	}
	if running == len(a.Replicas) && a.State == job.AttemptStarted {
		a.State, news = job.AttemptLive, true
	}
	if running == len(a.Replicas) && a.Running.IsZero() {
		a.Running, news = now, true
		if it.State != job.Running {
			c.State = job.Running
			c.Events = append(c.Events, service("running", "Job is running."))
		}
	}
	return Action{Key: it.Key, Kind: Write, Change: c, Noted: noted}, news
}

// observe brings a run's row to what the executor says of it.
func observe(r *job.ReplicaRun, st executor.ReplicaStatus, now time.Time) (news bool) {
	if r.Started.IsZero() && !st.Started.IsZero() {
		r.Started, news = st.Started, true
	}
	if rank(st.State) <= rank(r.State) {
		return news
	}
	r.State, r.Exit = st.State, st.Exit
	if rank(r.State) >= rank(job.ReplicaExited) {
		r.Ended = now
		if st.Exit != nil && !st.Exit.Time.IsZero() {
			r.Ended = st.Exit.Time
		}
	}
	return true
}

// steps are the timeline's entries of a run's steps from the n-th on.
func steps(attempt int, r *job.ReplicaRun, list []executor.Step, n int) []job.Event {
	var events []job.Event
	task := executor.Task(r.Replica)
	for i, s := range list[n:] {
		events = append(events, job.Event{
			Name: fmt.Sprintf("a%d/%s.%d/%d", attempt, task, r.Run, n+i), Step: s.Name, Time: s.Start, Took: s.Took, Text: s.Note, Attempt: attempt, Task: task,
		})
	}
	return events
}

func rank(s job.ReplicaState) int {
	switch s {
	case job.ReplicaPreparing:
		return 1
	case job.ReplicaRunning:
		return 2
	case job.ReplicaExited, job.ReplicaLost:
		return 3
	default:
		return 0
	}
}

func find(s executor.Status, r job.Replica) (executor.ReplicaStatus, bool) {
	for _, st := range s.Replicas {
		if st.Replica == r {
			return st, true
		}
	}
	return executor.ReplicaStatus{}, false
}

// lost lists the runs that are gone without an exit record and may have left
// something running.
func (it *Item) lost() map[job.Replica]int {
	runs := map[job.Replica]int{}
	for _, r := range it.Current.Replicas {
		if r.State == job.ReplicaLost && it.Reaped[r.Replica] <= r.Run {
			runs[r.Replica] = r.Run
		}
	}
	return runs
}

// idle says of a job that ran out of time that nothing was going on, where that
// can be proven.
func (it *Item) idle() string {
	a := it.Current
	d := diagnose.Of(diagnose.Failure{Spec: it.Spec, Replica: a.Replicas[0], Attempt: a.Number, Others: a.Replicas, Overtime: true})
	if d.Text == "" {
		return ""
	}
	return "\n\nCause: " + d.Text + "\nHint: " + d.Hint
}

// stopReason says whether the job is to end by a wish or a limit. A program
// that had ended before the wish keeps its own outcome.
func (it *Item) stopReason(now time.Time, later func(time.Time)) (bool, string) {
	a := it.Current
	if c := it.Cancel; c != nil {
		m := a.Replicas[0]
		return m.State != job.ReplicaExited || !m.Ended.Before(c.Time), c.Reason
	}
	if it.State == job.Running && it.MaxRunning > 0 {
		since := a.Running
		if since.IsZero() || a.Number > 1 {
			since = it.Started
		}
		limit := since.Add(it.MaxRunning)
		if !now.Before(limit) {
			return true, fmt.Sprintf("The job was cancelled because it ran longer than %s (maxRunningTime).", it.MaxRunning)
		}
		later(limit)
	}
	return false, ""
}

// outcome decides by how replicas ended: the primary's success is the job's, a
// permanent failure of any is the job's failure, all else is tried again.
func (it *Item) outcome(now time.Time, v View, live int, later func(time.Time)) (Action, bool) {
	a := it.Current
	failed := blame(a)
	if succeeded(a, failed) {
		if live > 0 {
			return it.stop()
		}
		return it.end(now, job.Succeeded, ""), true
	}
	if failed == nil {
		for _, r := range a.Replicas {
			if r.State != job.ReplicaPending {
				continue
			}
			if due := next(now, r.Ended, r.Run); now.Before(due) {
				later(due)
				return Action{}, false
			}
			return it.start(now, v, ""), true
		}
		return Action{}, false
	}
	class, known := classOf(now, a, failed, later)
	switch {
	case !known:
		return Action{}, false
	case class == replicaAgain && failed.Run < maxRestarts:
		return it.restart(now, failed), true
	case class != permanent && a.Number <= maxRetries:
		if live > 0 {
			return it.stop()
		}
		return it.retry(now, v, failed), true
	case live > 0:
		return it.stop()
	default:
		message := diagnose.Explain(diagnose.Failure{Spec: it.Spec, Replica: *failed, Attempt: a.Number, Others: others(a)})
		return it.end(now, job.Failed, message), true
	}
}

// succeeded reports whether the primary has. One that ends with 0 because we
// stopped it for another's failure has not.
func succeeded(a *job.Attempt, failed *job.ReplicaRun) bool {
	p := a.Replicas[0]
	if p.State != job.ReplicaExited || p.Exit.Code != 0 {
		return false
	}
	return failed == nil || !p.Exit.Requested || a.State != job.AttemptStopping
}

// restartStep is the step of the entry that tells of a restart, and restarting
// what follows the reason in it.
const (
	restartStep = "restart"
	restarting  = " Restarting it"
)

// restart gives a replica its next run. The row is written first; the run is
// started when it is due.
func (it *Item) restart(now time.Time, failed *job.ReplicaRun) Action {
	a := clone(it.Current)
	if a.State == job.AttemptLive {
		a.State = job.AttemptStarted
	}
	for i := range a.Replicas {
		if r := &a.Replicas[i]; r.Replica == failed.Replica {
			r.Run, r.State, r.Exit, r.Started = failed.Run+1, job.ReplicaPending, nil, time.Time{}
		}
	}
	task := executor.Task(failed.Replica)
	e := service(fmt.Sprintf("a%d/%s.%d/restart", a.Number, task, failed.Run+1), fmt.Sprintf("%s%s (%d of %d).", diagnose.Sentence(*failed), restarting, failed.Run+1, maxRestarts))
	e.Step, e.Severity, e.Attempt, e.Task = restartStep, "WARNING", a.Number, task
	return Action{Key: it.Key, Kind: Write, Change: job.Change{Key: it.Key, Attempt: a, Events: []job.Event{e}, Usage: usage(it.Usage, &job.Attempt{Replicas: []job.ReplicaRun{*failed}})}}
}

// retry ends the attempt and frees what it held; the next one is made when it
// is due.
func (it *Item) retry(now time.Time, v View, failed *job.ReplicaRun) Action {
	a := clone(it.Current)
	a.State, a.Ended, a.Cause = job.AttemptDone, now, reason(a, failed)
	e := service(fmt.Sprintf("a%d/retry", a.Number), fmt.Sprintf("%s Trying the whole job again (%d of %d).", a.Cause, a.Number, maxRetries))
	e.Step, e.Severity, e.Attempt = "retry", "WARNING", a.Number
	return it.remove(a, v.Settings.KeepFailed, job.Change{Key: it.Key, Attempt: a, Events: []job.Event{e}, Usage: usage(it.Usage, a)})
}
