package pyenv

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// complete is a layer's last file. A folder without it does not count.
const complete = "complete"

// layer is a finished folder of the cache, in use until released. The lock on
// its key is shared, so who wants to remove it can tell.
type layer struct {
	dir  string
	lock *lock
}

func (l *layer) release() { l.lock.release() }

// builder fills dir, which is there and empty. Commands it starts must share
// the lock.
type builder func(ctx context.Context, dir string, l *lock) (marker any, err error)

// layer returns a finished layer and reads its marker into m, building it
// first where it is missing. Of all processes one builds, the others wait.
func (c *Cache) layer(ctx context.Context, kind, key string, m any, build builder) (got *layer, hit bool, err error) {
	dir, lockPath := filepath.Join(c.dir, kind, key), c.lockPath(kind, key)
	hit = true
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		l, err := waitLock(ctx, lockPath, false)
		if err != nil {
			return nil, false, err
		}
		b, _, err := readMarker(dir)
		if err == nil && json.Unmarshal(b, m) == nil {
			now := time.Now()
			_ = os.Chtimes(lockPath, now, now) // when it was last used, for who makes room
			return &layer{dir, l}, hit, nil
		}
		l.release()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, false, diskError("read "+dir, err)
		}
		// Who may not build now looks again and never waits to: another may have
		// built since, and its job uses the layer for as long as it runs.
		x, err := tryLock(lockPath, true)
		if err != nil {
			return nil, false, diskError("lock "+lockPath, err)
		}
		if x != nil {
			hit = false
			if err := c.buildLayer(ctx, dir, x, build); err != nil {
				return nil, false, err
			}
		} else if err := pause(ctx, wait); err != nil {
			return nil, false, err
		}
	}
}

// buildLayer takes the lock over.
func (c *Cache) buildLayer(ctx context.Context, dir string, l *lock, build builder) error {
	defer l.release()
	c.sweep.Do(c.removeLeftovers)
	if finished(dir) {
		return nil // another process was faster
	}
	if err := os.RemoveAll(dir); err != nil {
		return diskError("remove what an interrupted build left", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return diskError("make "+dir, err)
	}
	marker, err := build(ctx, dir, l)
	if err == nil {
		err = c.finish(dir, marker)
	}
	if err != nil {
		_ = os.RemoveAll(dir) // or the next builder or sweep does
	}
	return err
}

// finish makes a layer count.
func (c *Cache) finish(dir string, marker any) error {
	if err := os.RemoveAll(filepath.Join(dir, "tmp")); err != nil {
		return diskError("remove temporary files", err)
	}
	b, err := json.Marshal(marker)
	if err != nil {
		return err
	}
	if err := writeMarker(dir, b); err != nil {
		return diskError("finish the environment", err)
	}
	return nil
}

func finished(dir string) bool {
	_, _, err := readMarker(dir)
	return err == nil
}

// removeLeftovers removes what builders that were killed left. A folder whose
// lock is held is being built.
func (c *Cache) removeLeftovers() {
	for _, kind := range kinds {
		entries, err := os.ReadDir(filepath.Join(c.dir, kind))
		if err != nil {
			continue
		}
		for _, e := range entries {
			dir := filepath.Join(c.dir, kind, e.Name())
			if finished(dir) {
				continue
			}
			l, err := tryLock(c.lockPath(kind, e.Name()), true)
			if err != nil || l == nil {
				continue
			}
			if !finished(dir) {
				if err := os.RemoveAll(dir); err != nil {
					c.log.Warn("remove an interrupted build", "dir", dir, "err", err)
				}
			}
			l.release()
		}
	}
}

// waitLock takes a lock, asking again until it is free or ctx ends.
func waitLock(ctx context.Context, path string, exclusive bool) (*lock, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		l, err := tryLock(path, exclusive)
		if err != nil {
			return nil, diskError("lock "+path, err)
		}
		if l != nil {
			return l, nil
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// pause is between two looks at what another process does.
func pause(ctx context.Context, wait time.Duration) error {
	select {
	case <-ctx.Done():
		return fault.Errorf(fault.Unavailable, "waiting for another process to build the environment: %w", context.Cause(ctx))
	case <-time.After(wait):
		return nil
	}
}
