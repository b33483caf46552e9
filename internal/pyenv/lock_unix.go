//go:build unix

package pyenv

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// lock is an advisory lock on a file. Its descriptor may be given to child
// processes, which hold the lock on should this one be killed.
type lock struct{ f *os.File }

// tryLock takes the lock if it is free; nil without error says it is not.
func tryLock(path string, exclusive bool) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	for {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		return &lock{f}, nil
	}
	_ = f.Close()
	if err == unix.EWOULDBLOCK {
		return nil, nil
	}
	return nil, err
}

// release frees the lock also where a process that a command left behind still
// has its descriptor.
func (l *lock) release() {
	_ = unix.Flock(int(l.f.Fd()), unix.LOCK_UN)
	_ = l.f.Close()
}

// share hands the lock to a command about to start, and makes the command's
// whole group end when its context does.
func (l *lock) share(cmd *exec.Cmd) {
	if l != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, l.f)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
