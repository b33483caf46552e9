package control

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// do does an action: writes at once, what asks the executor beside the loop.
func (c *Controller) do(ctx context.Context, a Action) {
	it := c.items[a.Key]
	if a.Kind == Write {
		if c.apply(ctx, it, a.Change) {
			it.Noted = a.Noted
		}
		return
	}
	it.Busy = true
	// An action that was begun is finished, also when the server is told to stop:
	// a start whose handle is not written down would have to be found again.
	work := context.WithoutCancel(ctx)
	c.work.Go(func() {
		change, err := c.ask(work, a)
		c.sendOrApply(ctx, it, a, change, err)
	})
}

// ask does the executor's part of an action and completes its change.
func (c *Controller) ask(ctx context.Context, a Action) (job.Change, error) {
	change := a.Change
	x := c.o.Executor
	switch a.Kind {
	case Reserve:
		addresses, err := x.Reserve(ctx, a.Attempt)
		if err != nil {
			return change, err
		}
		for i := range change.Attempt.Replicas {
			r := &change.Attempt.Replicas[i]
			r.Address = addresses[r.Replica]
		}
	case Start:
		handle, err := x.Start(ctx, a.Attempt)
		if err != nil {
			return change, err
		}
		change.Attempt.Handle = handle
	case Stop:
		if err := x.Stop(ctx, a.Handle); err != nil && !fault.Is(err, fault.NotFound) {
			return change, err
		}
	case Reap:
		if err := x.Reap(ctx, a.Handle); err != nil && !fault.Is(err, fault.NotFound) {
			return change, err
		}
	case Remove:
		if err := c.remove(ctx, a); err != nil {
			return change, err
		}
	}
	return change, nil
}

// remove frees what an attempt holds, which may be no more than its addresses:
// then there is no handle of it yet.
func (c *Controller) remove(ctx context.Context, a Action) error {
	x, handle := c.o.Executor, a.Handle
	if handle == "" {
		held, err := x.List(ctx)
		if err != nil {
			return err
		}
		if handle = held[a.Attempt.Name]; handle == "" {
			return nil
		}
	}
	err := x.Remove(ctx, handle, a.Keep)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case fault.Is(err, fault.Precondition):
		// Something of it runs, which must not be: it is ended, and removed at
		// the next try.
		return errors.Join(err, x.Stop(ctx, handle))
	}
	return err
}

// sendOrApply brings an action's result back to the loop. When the loop has
// ended the change is written all the same: what was done must be known.
func (c *Controller) sendOrApply(ctx context.Context, it *Item, a Action, change job.Change, err error) {
	finish := func() {
		it.Busy = false
		if err != nil {
			c.failed(it, a, err)
			return
		}
		it.Trouble, it.Tries = "", 0
		if a.Kind == Reap {
			if it.Reaped == nil {
				it.Reaped = map[job.Replica]int{}
			}
			for r, run := range a.Runs {
				it.Reaped[r] = run + 1
			}
			return
		}
		c.apply(ctx, it, change)
	}
	if c.send(ctx, finish) || err != nil || a.Kind == Reap {
		return
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := c.o.Store.Apply(end, change); err != nil {
		c.o.Log.Error("a change could not be written while stopping", "job", change.Key, "err", err)
	}
}

// internalTries is how often an attempt is begun that meets an error of ours.
const internalTries = 3

// How the error of a job begins that could not be started.
const (
	notStarted    = "The job could not be started: "
	internalError = "Internal error occurred for the current attempt" // the original's
)

// failed is what becomes of a job when the executor could not do its part. A
// request that is wrong for good ends the job, and so does an error of ours
// that stays; all else is tried for as long as it takes.
func (c *Controller) failed(it *Item, a Action, err error) {
	c.o.Log.Error("an action failed", "job", a.Key, "action", string(a.Kind), "err", err)
	it.Tries++
	it.Pause = c.o.Now().Add(pause)
	it.Trouble = trouble(err)
	if a.Kind != Reserve && a.Kind != Start {
		return
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Precondition:
		it.Broken = notStarted + err.Error()
	case fault.Internal:
		if it.Tries >= internalTries {
			it.Broken = internalError + ": it could not be started. The server's log has the cause."
		}
		it.Pause = c.o.Now().Add(pause * time.Duration(it.Tries*it.Tries*it.Tries)) // 1 s, 8 s
	}
	if it.Broken != "" {
		it.Pause = time.Time{}
	}
}

// trouble is an error as the job's user may see it.
func trouble(err error) string {
	if fault.KindOf(err) == fault.Internal {
		return "an internal error, of which the server's log has the cause"
	}
	return err.Error()
}

// apply writes a change and takes it over into the item. When it could not be
// written the item stays as it was, and the same is decided again later.
func (c *Controller) apply(ctx context.Context, it *Item, change job.Change) bool {
	j, err := c.o.Store.Apply(context.WithoutCancel(ctx), change)
	if err != nil {
		c.o.Log.Error("a change could not be written", "job", change.Key, "err", err)
		it.Trouble, it.Pause = trouble(err), c.o.Now().Add(pause)
		return false
	}
	if change.Cleaned {
		c.unwatch(it.Key)
		c.drop(it)
		return true
	}
	it.Job, it.Trouble = j, ""
	if change.Attempt != nil {
		if it.Current == nil || it.Current.Number != change.Attempt.Number {
			it.Status, it.Known, it.Noted, it.Reaped = executor.Status{}, false, nil, nil
		}
		it.Current = change.Attempt
	}
	c.attend(ctx, it)
	return true
}

// attend watches a job's attempt as long as it has one that goes on.
func (c *Controller) attend(ctx context.Context, it *Item) {
	a := it.Current
	live := a != nil && a.Handle != "" && a.State != job.AttemptDone && !it.State.Final()
	if !live {
		c.unwatch(it.Key)
		return
	}
	c.goesOn(it.Key, a)
	if _, ok := c.watches[it.Key]; ok {
		return
	}
	wctx, cancel := context.WithCancel(ctx)
	c.watches[it.Key] = cancel
	key, handle, number, seen := it.Key, a.Handle, a.Number, begun(a)
	c.work.Go(func() { c.watch(wctx, key, handle, number, seen) })
}

// begun are the runs that were started: should there be no trace of one, it is
// lost.
func begun(a *job.Attempt) (s executor.Status) {
	for _, r := range a.Replicas {
		if r.State == job.ReplicaPreparing || r.State == job.ReplicaRunning {
			s.Replicas = append(s.Replicas, executor.ReplicaStatus{Replica: r.Replica, Run: r.Run})
		}
	}
	return s
}

func (c *Controller) unwatch(key job.Key) {
	if cancel, ok := c.watches[key]; ok {
		cancel()
		delete(c.watches, key)
		c.goesOn(key, nil)
	}
}

// watch gives the loop every news of an attempt.
func (c *Controller) watch(ctx context.Context, key job.Key, handle string, number int, seen executor.Status) {
	answered := false
	for {
		st, err := c.o.Executor.Wait(ctx, handle, seen)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if fault.Is(err, fault.NotFound) {
				// Its folder was removed by hand, say: nothing runs, and no record is left.
				c.send(ctx, func() { c.gone(key, number) })
			} else {
				c.o.Log.Error("watching an attempt failed", "job", key, "err", err)
			}
			if !sleep(ctx, pause) {
				return
			}
			continue
		case answered && reflect.DeepEqual(st, seen):
			// Of an attempt that holds no more than its addresses.
			if len(st.Replicas) == 0 && !sleep(ctx, pause/10) {
				return
			}
			continue
		}
		seen, answered = st, true
		ok := c.send(ctx, func() {
			if it := c.items[key]; it != nil && it.Current != nil && it.Current.Number == number {
				it.Status, it.Known = st, true
			}
		})
		if !ok {
			return
		}
	}
}

// gone makes every run of an attempt lost.
func (c *Controller) gone(key job.Key, number int) {
	it := c.items[key]
	if it == nil || it.Current == nil || it.Current.Number != number {
		return
	}
	st := executor.Status{}
	for _, r := range it.Current.Replicas {
		st.Replicas = append(st.Replicas, executor.ReplicaStatus{Replica: r.Replica, Run: r.Run, State: job.ReplicaLost})
	}
	it.Status, it.Known = st, true
}

// sweep ends and removes what the executor holds and no job knows.
func (c *Controller) sweep(ctx context.Context, held map[string]string) {
	for name, handle := range held {
		c.work.Go(func() {
			work := context.WithoutCancel(ctx)
			err := c.o.Executor.Stop(work, handle)
			if err == nil {
				err = c.o.Executor.Reap(work, handle)
			}
			if err == nil {
				err = c.o.Executor.Remove(work, handle, 0)
			}
			c.o.Log.Info("swept an attempt that no job knows", "attempt", name, "err", err)
		})
	}
}
