package pyenv

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes all that was written beside path durable: cheaper than a sync
// for each of a large environment's files.
func syncAll(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.Syncfs(int(f.Fd()))
}
