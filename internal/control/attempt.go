package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/cluster"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// beforeAttempt decides about a job that nothing runs of.
func beforeAttempt(now time.Time, v View, it *Item, fits bool, later func(time.Time)) (Action, bool) {
	if c := it.Cancel; c != nil {
		return it.end(now, job.Cancelled, c.Reason), true
	}
	if over, reason := it.overdue(now, later); over {
		return it.end(now, job.Cancelled, reason), true
	}
	if it.Broken != "" {
		return it.end(now, job.Failed, it.Broken), true
	}
	if a := it.Current; a != nil {
		if due := next(now, a.Ended, a.Number); now.Before(due) {
			later(due)
			return Action{}, false
		}
	}
	if !fits {
		return Action{}, false
	}
	n := it.Attempt + 1
	attempt := &job.Attempt{Job: it.Key, Number: n, State: job.AttemptCreated, Created: now, Owner: v.Settings.Owner}
	for _, r := range cluster.Replicas(it.Spec) {
		attempt.Replicas = append(attempt.Replicas, job.ReplicaRun{Replica: r, State: job.ReplicaPending})
	}
	c := job.Change{Key: it.Key, Attempt: attempt}
	if it.State == job.Queued {
		c.State, c.Started = job.Preparing, now
		c.Events = append(c.Events,
			job.Event{Name: "queue", Step: "queue", Text: "waited in the queue", Took: now.Sub(it.Created)},
			service("provision", "Waiting for job to be provisioned."))
		c.Events = append(c.Events, it.told(v)...)
	}
	c.Events = append(c.Events, service(fmt.Sprintf("a%d/preparing", n), "Job is preparing."))
	order, err := it.order(v, attempt)
	if err != nil {
		return it.end(now, job.Failed, notStarted+err.Error()), true
	}
	return Action{Key: it.Key, Kind: Reserve, Change: c, Attempt: order}, true
}

// overdue reports whether a job has waited for longer than it may.
func (it *Item) overdue(now time.Time, later func(time.Time)) (bool, string) {
	if it.MaxWait == 0 || it.State == job.Running {
		return false, ""
	}
	limit := it.Created.Add(it.MaxWait)
	if now.Before(limit) {
		later(limit)
		return false, ""
	}
	return true, fmt.Sprintf("The job was cancelled because it did not start within %s (maxWaitTime).", it.MaxWait)
}

// name is an attempt's on the executor.
func (it *Item) name(a *job.Attempt) string { return fmt.Sprintf("j%d-a%d", it.Seq, a.Number) }

// order is the attempt as the executor is asked to run it.
func (it *Item) order(v View, a *job.Attempt) (executor.Attempt, error) {
	o := executor.Attempt{Name: it.name(a), Job: it.Key, Seq: it.Seq, Number: a.Number}
	addresses := map[job.Replica]string{}
	for _, r := range a.Replicas {
		addresses[r.Replica] = r.Address
	}
	var trial cluster.Trial
	args, shares := cluster.Args(it.Spec, trial), it.shares(v)
	for _, r := range a.Replicas {
		i := slices.IndexFunc(it.Groups, func(g job.Group) bool { return g.Role == r.Role })
		g := it.Groups[i]
		x := executor.Replica{
			Replica: r.Replica, Run: r.Run, Packages: it.Packages, Module: it.Module, Args: args, Vars: it.Env,
			Runtime: it.RuntimeVersion, Python: it.PythonVersion, Lock: it.Lock, Address: r.Address, Image: g.Image, Grace: v.Settings.Grace,
			Need: shares[i],
		}
		if r.Address != "" { // not before Reserve has answered
			env, err := cluster.Env(it.Spec, r.Replica, addresses, trial)
			if err != nil {
				return o, err
			}
			env["OMP_NUM_THREADS"] = fmt.Sprint(cluster.Threads(x.Need.CPUs))
			x.Env = env
		}
		o.Replicas = append(o.Replicas, x)
	}
	return o, nil
}

// next is when the try after try n begins. An end that is still to come means
// that the clock was put back: its hours are not waited for.
func next(now, ended time.Time, n int) time.Time {
	if now.Before(ended) {
		return now
	}
	return ended.Add(backoff(n))
}

// backoff is how long after try n the next begins: at once, then longer.
func backoff(n int) time.Duration {
	if n <= 1 {
		return 0
	}
	return min(time.Second<<(n-2), 30*time.Second)
}

func service(name, text string) job.Event {
	return job.Event{Name: name, Step: "service", Text: text, Service: true, Severity: "INFO"}
}

// end is the job's last move.
func (it *Item) end(now time.Time, s job.State, message string) Action {
	c := job.Change{Key: it.Key, State: s, Ended: now, Error: message}
	if it.Current != nil && it.Current.State != job.AttemptDone {
		a := clone(it.Current)
		a.State, a.Ended, a.Cause = job.AttemptDone, now, string(s)
		c.Attempt = a
		c.Events = append(c.Events, service("teardown", "Tearing down training program."), service("torn-down", "Finished tearing down training program."))
		c.Usage = usage(it.Usage, a)
	}
	switch s {
	case job.Succeeded:
		c.Events = append(c.Events, service("end", "Job completed successfully."))
	case job.Failed:
		e := service("end", "Job failed.")
		e.Severity = "ERROR"
		c.Events = append(c.Events, e)
	case job.Cancelled:
		c.Events = append(c.Events, service("end", "Job cancelled."))
	}
	return Action{Key: it.Key, Kind: Write, Change: c}
}

// usage adds what an attempt's ended runs consumed.
func usage(u job.Usage, a *job.Attempt) *job.Usage {
	for _, r := range a.Replicas {
		if r.Exit != nil {
			u.CPUSeconds += r.Exit.CPUSeconds
			u.PeakMemory = max(u.PeakMemory, r.Exit.PeakMemory)
		}
	}
	return &u
}

func clone(a *job.Attempt) *job.Attempt {
	c := *a
	c.Replicas = slices.Clone(a.Replicas)
	return &c
}
