package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/trainyard/trainyard/internal/fault"
)

func writeJSON(path string, v any, durable bool) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return WriteFile(path, b, durable)
}

// WriteFile replaces a file at once: a reader sees the old or the new content,
// never a part. Durable means that a power cut after it changes nothing.
func WriteFile(path string, b []byte, durable bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return disk(path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(b); err != nil {
		return disk(path, err)
	}
	if durable {
		if err := f.Sync(); err != nil {
			return disk(path, err)
		}
	}
	if err := f.Close(); err != nil {
		return disk(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return disk(path, err)
	}
	if durable {
		return SyncDir(filepath.Dir(path))
	}
	return nil
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return disk(dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return disk(dir, err)
	}
	return nil
}

// MakeOnce makes an empty file that was not there and reports whether this
// call made it.
func makeOnce(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, disk(path, err)
	}
	err = f.Sync()
	_ = f.Close()
	if err != nil {
		return true, disk(path, err)
	}
	return true, SyncDir(filepath.Dir(path))
}

// disk gives an error of the file system its kind.
func disk(path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &fault.Error{Kind: fault.Full, Msg: "the disk is full: cannot write " + path, Err: err}
	}
	if errors.Is(err, syscall.EROFS) {
		return &fault.Error{Kind: fault.Unavailable, Msg: "the disk is read-only: cannot write " + path, Hint: "the kernel's log (dmesg) says why", Err: err}
	}
	return fmt.Errorf("write %s: %w", path, err)
}
