package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Start is safe to be cut off at any line and called again, because a run is
// begun by the one agent that makes its `begun` file: no task, nothing was
// started; a task that is not begun, an agent is launched, perhaps a second
// one, of which one will end at once; begun, it is left alone.
func (e *Executor) Start(ctx context.Context, a executor.Attempt) (string, error) {
	h := handleOf(a)
	if !validName(a.Name) {
		return "", fault.Errorf(fault.Invalid, "attempt name %q is not a file name", a.Name)
	}
	r, err := e.recordOf(ctx, a)
	if err != nil {
		return "", err
	}
	todo, err := e.writeTasks(ctx, r, a)
	if err != nil {
		return "", err
	}
	for i, d := range todo {
		err := ctx.Err()
		if err == nil {
			err = e.launch(d)
		}
		if err != nil {
			for _, started := range todo[:i] {
				if err := started.Stop(); err != nil {
					e.Log.Error("a replica of a gang that could not start is not stopped", "attempt", a.Name, "err", err)
				}
			}
			return "", err
		}
	}
	return h.String(), nil
}

// recordOf is the attempt's record, which is there afterwards, with the GPUs
// that its replicas ask for.
func (e *Executor) recordOf(ctx context.Context, a executor.Attempt) (record, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.readHeld(); err != nil {
		return record{}, err
	}
	h := handleOf(a)
	r, err := e.readRecord(a.Name)
	known := !fault.Is(err, fault.NotFound)
	if !known {
		r, err = record{handle: h}, nil
	}
	if err != nil {
		return r, err
	}
	if r.handle != h {
		return r, fault.Errorf(fault.Conflict, "attempt %s is another one: %s", a.Name, r.handle)
	}
	had := r.GPUs != nil
	if err := e.assign(ctx, &r, a); err != nil {
		return r, err
	}
	if known && had == (r.GPUs != nil) {
		return r, nil
	}
	if err := e.writeRecord(r); err != nil {
		return r, err
	}
	e.hold(r)
	return r, nil
}

// memoryLimits are the parts of the job's memory that its replicas get; nil
// where there is no limit.
func (e *Executor) memoryLimits(a executor.Attempt) map[job.Replica]int64 {
	if e.JobMemory == 0 {
		return nil
	}
	var total int64
	for _, r := range a.Replicas {
		total += r.Need.Memory
	}
	limits := map[job.Replica]int64{}
	for _, r := range a.Replicas {
		part := 1 / float64(len(a.Replicas))
		if total > 0 {
			part = float64(r.Need.Memory) / float64(total)
		}
		limits[r.Replica] = int64(float64(e.JobMemory) * part)
	}
	return limits
}

// writeTasks writes the tasks of all runs that are not begun, and none when
// one of them cannot be written.
func (e *Executor) writeTasks(ctx context.Context, rec record, a executor.Attempt) (todo []agent.Folder, err error) {
	h := rec.handle
	var gang []agent.Peer
	for _, r := range a.Replicas {
		gang = append(gang, agent.Peer{Replica: r.Replica, Address: r.Address})
	}
	limits := e.memoryLimits(a)
	var made []string
	defer func() {
		if err != nil {
			for _, dir := range made {
				_ = os.RemoveAll(dir)
			}
		}
	}()
	for _, r := range a.Replicas {
		dir := filepath.Join(e.attemptDir(h), agent.RunName(r.Replica, r.Run))
		d := agent.Folder(dir)
		switch _, err := agent.ReadTask(dir); {
		case err == nil:
			if !d.Begun() {
				todo = append(todo, d)
			}
			continue
		case !fault.Is(err, fault.NotFound):
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, full(err)
		}
		made = append(made, dir)
		t := &agent.Task{
			Job: a.Job, Seq: a.Seq, Attempt: a.Number, Name: a.Name, Replica: r,
			Gang: gang, GPUs: e.gpusOf(ctx, rec, r),
			MemoryLimit: limits[r.Replica], StorageProxy: e.StorageProxy, PrivateTmp: e.PrivateTmp, DataDir: e.DataDir, Environments: e.Environments,
			Spool:    filepath.Join(e.jobDir(h), "logs", fmt.Sprintf("a%d-%s.log", a.Number, agent.RunName(r.Replica, r.Run))),
			Packages: filepath.Join(e.jobDir(h), "packages"),
		}
		if e.Token != nil {
			t.Token = e.Token(a.Job)
		}
		if err := os.MkdirAll(filepath.Dir(t.Spool), 0o700); err != nil {
			return nil, full(err)
		}
		if err := agent.WriteTask(dir, t); err != nil {
			return nil, err
		}
		todo = append(todo, d)
	}
	if len(made) == 0 {
		return todo, nil
	}
	// The names of the folders, up to the data directory.
	for dir := e.attemptDir(h); len(dir) >= len(e.DataDir); dir = filepath.Dir(dir) {
		if err := agent.SyncDir(dir); err != nil {
			return nil, err
		}
	}
	return todo, nil
}

// full gives an error of the disk its kind.
func full(err error) error {
	if errors.Is(err, noSpace) {
		return &fault.Error{Kind: fault.Full, Msg: "the disk is full: " + err.Error(), Err: err}
	}
	if errors.Is(err, syscall.EROFS) {
		return &fault.Error{Kind: fault.Unavailable, Msg: "the disk is read-only: " + err.Error(), Err: err}
	}
	return err
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
