//go:build !unix

package pyenv

import (
	"os/exec"

	"github.com/gofrs/flock"
)

// lock is an advisory lock on a file.
type lock struct{ f *flock.Flock }

// tryLock takes the lock if it is free; nil without error says it is not.
func tryLock(path string, exclusive bool) (*lock, error) {
	f := flock.New(path)
	try := f.TryRLock
	if exclusive {
		try = f.TryLock
	}
	if ok, err := try(); err != nil || !ok {
		return nil, err
	}
	return &lock{f}, nil
}

func (l *lock) release() { _ = l.f.Close() }

func (l *lock) share(*exec.Cmd) {}
