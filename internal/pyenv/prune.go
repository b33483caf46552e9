package pyenv

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Limits say what may stay in a cache.
type Limits struct {
	Size   int64         // bytes on the disk; 0 is no limit
	Unused time.Duration // what was not used for so long goes; 0 is no limit
	All    bool          // everything that is not in use goes
}

// Pruned says what was done.
type Pruned struct {
	Removed []Cached
	Freed   int64 // bytes on the disk
	Left    int64 // bytes on the disk
}

// Prune removes what was used longest ago until the limits are kept. What is in
// use stays, whatever the limits are. Environments share files with each other
// and with the installer's own cache, so that goes as well where it has to:
// files that an environment has stay.
func (c *Cache) Prune(ctx context.Context, lim Limits) (Pruned, error) {
	c.removeLeftovers()
	before := diskUse(c.dir)
	p := Pruned{Left: before}
	list, err := c.List()
	if err != nil {
		return p, err
	}
	keep := lim.Size
	if keep > 0 && before > keep { // some room, so that the next build does not prune again
		keep = keep / 10 * 9
	}
	over := func() bool {
		return lim.Size > 0 && before > lim.Size && diskUse(layerDirs(c.dir)...) > keep
	}
	tooMuch := over()
	for _, l := range slices.Backward(list) {
		if ctx.Err() != nil {
			return p, context.Cause(ctx)
		}
		old := lim.Unused > 0 && time.Since(l.Used) > lim.Unused
		if !lim.All && !old && !tooMuch {
			continue
		}
		gone, err := c.remove(l)
		if err != nil {
			return p, err
		}
		if gone {
			p.Removed = append(p.Removed, l)
			tooMuch = tooMuch && over()
		}
	}
	if lim.All || lim.Size > 0 && before > lim.Size || lim.Unused > 0 && len(p.Removed) > 0 {
		if err := c.cleanInstaller(ctx); err != nil {
			return p, err
		}
	}
	p.Left = diskUse(c.dir)
	p.Freed = max(0, before-p.Left) // others may have built meanwhile
	return p, nil
}

// remove removes a layer that nobody uses, and reports false for one that
// somebody does.
func (c *Cache) remove(l Cached) (bool, error) {
	lock, err := tryLock(c.lockPath(l.Kind, l.Key), true)
	if err != nil {
		return false, diskError("lock "+l.Path, err)
	}
	if lock == nil {
		return false, nil
	}
	defer lock.release()
	// First what makes it count: a removal that is cut off leaves a leftover.
	if err := os.Remove(filepath.Join(l.Path, complete)); err != nil {
		return false, diskError("remove "+l.Path, err)
	}
	if err := os.RemoveAll(l.Path); err != nil {
		return false, diskError("remove "+l.Path, err)
	}
	return true, nil
}

// cleanInstaller empties uv's cache. uv waits for those that are using it.
func (c *Cache) cleanInstaller(ctx context.Context) error {
	dir := lookup(c.environ(), "UV_CACHE_DIR")
	if dir != filepath.Join(c.dir, "cache", "uv") {
		return nil // shared with the user's own work
	}
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	uv, _, err := c.findUV(ctx, func(string) {})
	if err != nil {
		return err
	}
	return c.command(ctx, nil, "prune", nil, uv, "cache", "clean", "--quiet")
}

func layerDirs(dir string) []string {
	var dirs []string
	for _, k := range kinds {
		dirs = append(dirs, filepath.Join(dir, k))
	}
	return dirs
}

// diskUse is what the files below some folders take on the disk, each once,
// however many names it has.
func diskUse(dirs ...string) int64 {
	var n int64
	seen := map[[2]uint64]bool{}
	for _, d := range dirs {
		for _, f := range files(d) {
			if f.links > 1 {
				if seen[f.id] {
					continue
				}
				seen[f.id] = true
			}
			n += f.disk
		}
	}
	return n
}

// file is what a file takes.
type file struct {
	size, disk int64
	links      uint64
	id         [2]uint64
}

// files are the regular files below a folder. What goes away meanwhile does not
// count.
func files(dir string) []file {
	var list []file
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			list = append(list, statOf(info))
		}
		return nil
	})
	return list
}
