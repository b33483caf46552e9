package process

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// How often a run's files are looked at, and how often its agent.
const (
	fileTick  = 20 * time.Millisecond
	agentTick = 200 * time.Millisecond
)

// Wait looks at the runs' files until they say something new, often, and at once
// when an agent ends that this server started. A look is a few calls of the file
// system per replica; what would tell of all at once (inotify) has limits per
// user that a machine full of jobs would meet.
func (e *Executor) Wait(ctx context.Context, s string, seen executor.Status) (executor.Status, error) {
	h, err := parseHandle(s)
	if err != nil {
		return executor.Status{}, err
	}
	ended, forget := e.listen(e.attemptDir(h))
	defer forget()
	files := time.NewTicker(e.fileTick)
	defer files.Stop()
	var looked time.Time
	var print string
	for {
		full := time.Since(looked) >= agentTick
		now, err := e.fingerprint(h)
		if err != nil {
			return executor.Status{}, err
		}
		if full || now != print {
			if full {
				looked = time.Now()
			}
			print = now
			st, err := e.status(h)
			if err != nil {
				return executor.Status{}, err
			}
			missed, err := e.miss(h, st, seen)
			if err != nil {
				return executor.Status{}, err
			}
			if missed {
				continue
			}
			if !same(st, seen) || len(seen.Replicas) == 0 {
				return st, nil
			}
		}
		select {
		case <-ctx.Done():
			return executor.Status{}, context.Cause(ctx)
		case <-ended:
			looked = time.Time{}
		case <-files.C:
		}
	}
}

// listen returns a channel on which tell says that an agent of the attempt has
// ended.
func (e *Executor) listen(attempt string) (ended <-chan struct{}, forget func()) {
	c := make(chan struct{}, 1)
	e.mu.Lock()
	e.waits[c] = attempt
	e.mu.Unlock()
	return c, func() {
		e.mu.Lock()
		delete(e.waits, c)
		e.mu.Unlock()
	}
}

func (e *Executor) tell(d agent.Folder) {
	attempt := filepath.Dir(string(d))
	e.mu.Lock()
	defer e.mu.Unlock()
	for c, of := range e.waits {
		if of == attempt && len(c) == 0 {
			c <- struct{}{}
		}
	}
}

// miss notes that runs are lost that were seen and whose folders are gone: a
// program may remove what is above its own folder, and an administrator the
// wrong one. What goes on of them is found, and ended, by its mark.
func (e *Executor) miss(h handle, now, seen executor.Status) (missed bool, err error) {
	gone := slices.DeleteFunc(slices.Clone(seen.Replicas), func(s executor.ReplicaStatus) bool {
		return slices.ContainsFunc(now.Replicas, func(n executor.ReplicaStatus) bool { return n.Replica == s.Replica && n.Run >= s.Run })
	})
	if len(gone) == 0 {
		return false, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.removing[h.Name] > 0 {
		return false, nil
	}
	if _, err := e.readRecord(h.Name); err != nil {
		return false, nil // removed
	}
	for _, s := range gone {
		d := agent.Folder(filepath.Join(e.attemptDir(h), agent.RunName(s.Replica, s.Run)))
		e.Log.Warn("the folder of a run is gone", "folder", string(d))
		if err := d.Vanished(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// status reads what is known of all latest runs, and looks after those that
// are not begun.
func (e *Executor) status(h handle) (executor.Status, error) {
	list, err := e.runs(h)
	if err != nil {
		return executor.Status{}, err
	}
	var st executor.Status
	for _, r := range latest(list) {
		rs, err := r.dir.Status()
		if errors.Is(err, fs.ErrNotExist) {
			return st, fault.Errorf(fault.NotFound, "attempt %s is removed", h.Name)
		}
		if err != nil {
			return st, err
		}
		if rs.State == job.ReplicaPending {
			if err := e.nudge(r.dir); err != nil {
				e.Log.Error("an agent does not start", "attempt", h.Name, "err", err)
			}
		}
		rs.Replica, rs.Run = r.Replica, r.number
		st.Replicas = append(st.Replicas, rs)
	}
	return st, nil
}
