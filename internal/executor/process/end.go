package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Stop writes the wish into every run's folder and wakes the agents. An agent
// that has not begun finds the wish and runs nothing; what a dead agent left
// is ended here.
func (e *Executor) Stop(_ context.Context, s string) error {
	h, err := parseHandle(s)
	if err != nil {
		return err
	}
	list, err := e.runs(h)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range list {
		if err := r.dir.Stop(); err != nil && !gone(err) {
			errs = append(errs, err)
			continue
		}
		st, err := r.dir.Status()
		if err == nil && st.State == job.ReplicaLost {
			err = r.dir.Reap()
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Reap ends what lost runs left.
func (e *Executor) Reap(_ context.Context, s string) error {
	h, err := parseHandle(s)
	if err != nil {
		return err
	}
	list, err := e.runs(h)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range list {
		st, err := r.dir.Status()
		if err == nil && st.State == job.ReplicaLost {
			err = r.dir.Reap()
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Remove removes the attempt's folders and gives its ports back. Of runs that
// failed, what the program left stays for keep; Sweep removes it then. An
// attempt that still runs is fault.Precondition.
func (e *Executor) Remove(_ context.Context, s string, keep time.Duration) error {
	h, err := parseHandle(s)
	if err != nil {
		return err
	}
	list, err := e.runs(h)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer e.beginRemoval(h.Name)()
	for _, r := range list {
		if err := e.removeRun(h, r, keep); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(e.attemptDir(h)); err != nil {
		return fmt.Errorf("remove attempt %s: %w", h.Name, err)
	}
	if err := os.Remove(e.record(h.Name)); err != nil && !gone(err) {
		return fmt.Errorf("remove attempt %s: %w", h.Name, err)
	}
	e.release(h.Name)
	return nil
}

// beginRemoval keeps runs from being missed until they are removed.
func (e *Executor) beginRemoval(name string) (end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.removing[name]++
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.removing[name]--; e.removing[name] == 0 {
			delete(e.removing, name)
		}
	}
}

func (e *Executor) removeRun(h handle, r run, keep time.Duration) error {
	if _, alive, err := r.dir.Alive(); err != nil {
		return err
	} else if alive && !r.dir.Ended() {
		return fault.Errorf(fault.Precondition, "%s of attempt %s still runs", agent.RunName(r.Replica, r.number), h.Name)
	}
	if err := awaitAgent(r.dir); err != nil {
		return err
	}
	st, err := r.dir.Status()
	if err != nil {
		return err
	}
	switch {
	case st.State == job.ReplicaPending:
		// No agent may begin what is about to be removed.
		mine, err := r.dir.Abandon(job.Exit{Code: 143, Signal: "SIGTERM", Step: "fetch", Requested: true, Time: time.Now().UTC()})
		if err != nil && !gone(err) {
			return err
		}
		if _, alive, err := r.dir.Alive(); !mine && (alive || err != nil) {
			return fault.Errorf(fault.Precondition, "%s of attempt %s begins just now", agent.RunName(r.Replica, r.number), h.Name)
		}
	case st.State == job.ReplicaLost:
		if err := r.dir.Reap(); err != nil {
			return err
		}
	}
	failed := st.State == job.ReplicaLost || st.Exit != nil && st.Exit.Code != 0 && !st.Exit.Requested
	if failed && keep > 0 {
		if err := e.keepRun(h, r, keep); err != nil {
			return err
		}
	}
	e.forget(r.dir)
	return os.RemoveAll(string(r.dir))
}

// awaitAgent waits for the moment between an agent's exit record and its end.
func awaitAgent(d agent.Folder) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, alive, err := d.Alive()
		if err != nil || !alive || time.Now().After(deadline) {
			return err
		}
	}
}

// untilFile says until when a kept folder is kept.
const untilFile = "until"

func (e *Executor) keepRun(h handle, r run, keep time.Duration) error {
	user := filepath.Join(string(r.dir), agent.UserDir)
	if _, err := os.Stat(user); gone(err) {
		return nil
	}
	dir := filepath.Join(e.jobDir(h), "kept", fmt.Sprintf("a%d-%s", h.Attempt, agent.RunName(r.Replica, r.number)))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return full(err)
	}
	until := time.Now().Add(keep).UTC().Format(time.RFC3339)
	if err := agent.WriteFile(filepath.Join(dir, untilFile), []byte(until+"\n"), false); err != nil {
		return err
	}
	if err := os.Rename(user, filepath.Join(dir, agent.UserDir)); err != nil {
		return fmt.Errorf("keep the working folder of %s: %w", h.Name, err)
	}
	return nil
}
