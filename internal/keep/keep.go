// Package keep holds secrets that a folder has one of: each is a file that is
// made when it is first asked for.
package keep

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/trainyard/trainyard/internal/fault"
)

// Once reads a file of a folder, or makes it there, readable by its owner only.
// Of several that make it at once, all get the same.
func Once(dir, name string, make func() ([]byte, error)) (path string, b []byte, err error) {
	path = filepath.Join(dir, name)
	for range 2 {
		b, err = os.ReadFile(path)
		if err == nil {
			return path, b, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return path, nil, fmt.Errorf("read %s: %w", path, err)
		}
		if b, err = make(); err != nil {
			return path, nil, err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return path, nil, fmt.Errorf("make %s: %w", path, err)
		}
		if err := write(path, b); err != nil && !errors.Is(err, fs.ErrExist) {
			return path, nil, fmt.Errorf("make %s: %w", path, err)
		}
	}
	return path, nil, fault.Errorf(fault.Internal, "%s is made and removed again", path)
}

// write writes a file whole, unless it is there.
func write(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key.*") // readable by its owner only
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
