package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Folder is the folder of one run, seen from outside the agent. All its
// methods are safe in every process at once.
type Folder string

func (d Folder) file(name string) string { return filepath.Join(string(d), name) }

// Alive says whether an agent holds the run, and which process it is.
func (d Folder) Alive() (pid int, alive bool, err error) { return lockHolder(d.file(lockFile)) }

// Begun says whether an agent has ever begun the run.
func (d Folder) Begun() bool {
	_, err := os.Stat(d.file(begunFile))
	return err == nil
}

// There says whether the run may be, or was, begun. A program that removes what
// it finds may have left any part of its run's folder.
func (d Folder) There() bool {
	for _, name := range []string{taskFile, begunFile, exitFile} {
		if _, err := os.Stat(d.file(name)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// Vanished makes a run that is no more there one that was begun and is lost.
func (d Folder) Vanished() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return disk(string(d), err)
	}
	_, err := makeOnce(d.file(begunFile))
	return err
}

// Ended says whether there is an exit record. What a program put in its place is
// none: nobody could stop it then.
func (d Folder) Ended() bool { return readJSON(d.file(exitFile), new(job.Exit)) == nil }

// Startable says whether there is a task that nothing has begun.
func (d Folder) Startable() bool {
	_, err := os.Stat(d.file(taskFile))
	return err == nil && !d.Begun()
}

// Status says how far the run is. An agent that is gone without an exit record
// has lost it. An agent takes its lock, begins, writes the record and lets go
// of the lock; looked at in the order begun, lock, record, a run that is begun,
// not held and without a record is lost for certain.
func (d Folder) Status() (executor.ReplicaStatus, error) {
	begun := d.Begun()
	_, alive, err := d.Alive()
	if err != nil {
		return executor.ReplicaStatus{}, err
	}
	rs := executor.ReplicaStatus{State: job.ReplicaPending}
	var st status
	switch err := readJSON(d.file(statusFile), &st); {
	case err == nil:
		rs.State, rs.Started, rs.Steps = job.ReplicaPreparing, st.Started, st.Steps
		if st.Phase == "running" {
			rs.State = job.ReplicaRunning
		}
	case !none(err):
		return rs, err
	}
	var exit job.Exit
	switch err := readJSON(d.file(exitFile), &exit); {
	case err == nil:
		// The steps may have grown between the two reads.
		if err := readJSON(d.file(statusFile), &st); err == nil {
			rs.Started, rs.Steps = st.Started, st.Steps
		}
		rs.State, rs.Exit = job.ReplicaExited, &exit
		return rs, nil
	case !none(err):
		return rs, err
	}
	if begun && !alive {
		rs.State = job.ReplicaLost
	}
	return rs, nil
}

// Stop makes the wish durable and wakes the agent. An agent that starts later
// finds the wish and ends without running anything.
func (d Folder) Stop() error {
	if d.Ended() {
		return nil
	}
	if _, err := makeOnce(d.file(stopFile)); err != nil {
		return err
	}
	pid, alive, err := d.Alive()
	if err != nil || !alive {
		return err
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	defer func() { _ = p.Release() }()
	// FindProcess pins the process where the system can; only now is it sure
	// that the number is still the agent's.
	if again, alive, err := d.Alive(); err != nil || !alive || again != pid {
		return err
	}
	if err := p.Signal(stopSignal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	// One that somebody has paused hears of it all the same.
	_ = p.Signal(wakeSignal)
	return nil
}

// StopWished says whether somebody asked the run to end.
func (d Folder) StopWished() bool {
	_, err := os.Stat(d.file(stopFile))
	return err == nil
}

// Abandon writes the exit record of a run whose agent cannot be started. It
// reports false where an agent has begun after all.
func (d Folder) Abandon(exit job.Exit) (bool, error) {
	mine, err := makeOnce(d.file(begunFile))
	if err != nil || !mine {
		return false, err
	}
	return true, writeJSON(d.file(exitFile), exit, true)
}

// Reap ends everything that a dead agent left running: its cgroup, then every
// process that carries the run's mark, with their descendants, until none is
// left. A run whose agent lives is fault.Precondition.
func (d Folder) Reap() error {
	if pid, alive, err := d.Alive(); err != nil {
		return err
	} else if alive {
		return fault.Errorf(fault.Precondition, "the agent of %s lives, as process %d", d, pid)
	}
	var me self
	if err := readJSON(d.file(agentFile), &me); err != nil && !none(err) {
		return err
	}
	t := tree{dir: string(d)}
	// In the copy of a data directory is the group of the run that was copied.
	if name := filepath.Base(me.Group); strings.HasPrefix(name, groupPrefix) && strings.HasSuffix(name, "-"+d.sum()) {
		t.group = openGroup(me.Group, me.Others)
	}
	if err := t.kill(); err != nil {
		return err
	}
	t.group.remove()
	return nil
}
