//go:build unix

package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trainyard/trainyard/internal/fault"
)

const (
	stopSignal = unix.SIGTERM
	wakeSignal = unix.SIGCONT
)

// A record lock and not flock(2): it can be looked at without being taken, so
// that a look never keeps an agent from starting, and the look tells the
// holder's pid. The price: a process loses it when it closes any descriptor of
// the file, so the agent opens its lock once and nothing else in it looks.

// takeLock takes the lock for the life of the process. Another holder is
// fault.Conflict.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, disk(path, err)
	}
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	for {
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lk)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, fault.Errorf(fault.Conflict, "another agent holds %s", path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// lockHolder says who holds the lock. A file that is not there is held by nobody.
func lockHolder(path string) (pid int, held bool, err error) {
	f, err := os.Open(path) // which is enough for asking, and can be done on a read-only disk
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look at %s: %w", path, err)
	}
	defer f.Close()
	for {
		lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lk)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, false, fmt.Errorf("look at %s: %w", path, err)
		}
		return int(lk.Pid), lk.Type != unix.F_UNLCK, nil
	}
}

// stopTick is how often an agent looks for a stop that was written without a
// signal having reached it.
const stopTick = time.Second
