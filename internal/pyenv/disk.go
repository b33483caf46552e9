package pyenv

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/trainyard/trainyard/internal/fault"
)

// diskError names what was done; a full disk is fault.Full.
func diskError(doing string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return &fault.Error{Kind: fault.Full, Msg: "disk full: cannot " + doing, Hint: "make room where the environments are, then submit again", Err: err}
	case errors.Is(err, fs.ErrPermission):
		return fault.Errorf(fault.Denied, "%s: %w", doing, err)
	}
	return fault.Errorf(fault.Internal, "%s: %w", doing, err)
}

// writeFile replaces a file, whole or not at all, and durably.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncPath(filepath.Dir(path))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // has no sync of what is open for reading
		return f.Close()
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

// copyFile copies a file to a path where none is.
func copyFile(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
