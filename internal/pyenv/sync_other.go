//go:build !linux

package pyenv

import (
	"io/fs"
	"path/filepath"
)

// syncAll makes a folder durable, file by file.
func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() && !d.IsDir() {
			return err
		}
		return syncPath(path)
	})
}
