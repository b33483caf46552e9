package pyenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A finished layer is handed out at once, and made durable later, by Settle. Up
// to then its marker begins with a line that names the machine's present boot:
// after a power cut it does not count, and is built anew. Where boots have no
// names a layer is durable before it is handed out.

// readMarker gives what a layer's marker says. A layer that does not count is
// fs.ErrNotExist.
func readMarker(dir string) (marker []byte, settled bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, complete))
	if err != nil {
		return nil, false, err
	}
	settled = true
	if boot, rest, ok := bytes.Cut(b, []byte("\n")); ok && len(boot) > 0 && boot[0] != '{' {
		if string(boot) != bootID() {
			return nil, false, fs.ErrNotExist
		}
		b, settled = rest, false
	}
	if !json.Valid(b) {
		return nil, false, fs.ErrNotExist
	}
	return b, settled, nil
}

// writeMarker makes a layer count.
func writeMarker(dir string, b []byte) error {
	boot := bootID()
	if boot == "" {
		if err := errors.Join(syncAll(dir), syncPath(filepath.Dir(dir))); err != nil {
			return err
		}
		return writeFile(filepath.Join(dir, complete), b)
	}
	temp := filepath.Join(dir, "."+complete)
	if err := os.WriteFile(temp, append([]byte(boot+"\n"), b...), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, complete))
}

// Settle makes the layers that were built lately survive a power cut, and says
// how many there were.
func (c *Cache) Settle(ctx context.Context) (int, error) {
	var fresh []string // kind/key
	for _, kind := range kinds {
		entries, err := os.ReadDir(filepath.Join(c.dir, kind))
		if err != nil {
			return 0, diskError("read the environments", err)
		}
		for _, e := range entries {
			if _, settled, err := readMarker(filepath.Join(c.dir, kind, e.Name())); err == nil && !settled {
				fresh = append(fresh, filepath.Join(kind, e.Name()))
			}
		}
	}
	if len(fresh) == 0 || ctx.Err() != nil {
		return 0, nil
	}
	if err := syncAll(c.dir); err != nil {
		return 0, diskError("make the environments durable", err)
	}
	for _, name := range fresh {
		if err := c.settle(filepath.Split(name)); err != nil {
			return 0, err
		}
	}
	return len(fresh), nil
}

// settle says so in one layer's marker, unless somebody removes it just now.
func (c *Cache) settle(kind, key string) error {
	kind = filepath.Clean(kind)
	l, err := tryLock(c.lockPath(kind, key), false)
	if err != nil || l == nil {
		return err
	}
	defer l.release()
	dir := filepath.Join(c.dir, kind, key)
	b, settled, err := readMarker(dir)
	if err != nil || settled {
		return nil
	}
	if err := errors.Join(writeSize(dir), writeFile(filepath.Join(dir, complete), b)); err != nil {
		return diskError("make the environments durable", err)
	}
	return nil
}
