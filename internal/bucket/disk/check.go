package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// checkTime is how long a start may look for damage in the index. What it does
// not reach is found when it is read, or before anything is swept.
const checkTime = 300 * time.Millisecond

func (s *Store) index() string { return filepath.Join(s.dir, "index.db") }

// spoilt says that the index is not to be trusted, and what to do.
func spoilt(what string, err error) error {
	return fault.Errorf(fault.Internal, "%s is damaged: %w", what, err).
		WithHint("restore the file from a backup, or move its whole folder away to begin with no objects; the content in the folder beside it is whole, but only the index knows its names")
}

// lost refuses a store that has content and no index: a new one would name
// none of it, and all of it would be swept.
func (s *Store) lost() error {
	info, err := os.Stat(s.index())
	if err == nil && info.Size() > 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	found := errors.New("it is gone, and there is content")
	err = filepath.WalkDir(filepath.Join(s.dir, "content"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			return found
		}
		return err
	})
	if err == found {
		return spoilt("the index of the object store, "+s.index()+",", found)
	}
	return err
}

// check looks for damage in the structure of the index, for as long as limit
// where that is not 0.
func (s *Store) check(ctx context.Context, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	var found string
	err := s.read.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	switch {
	case ctx.Err() != nil && limit > 0:
		return nil
	case err != nil:
		return err
	case found != "ok":
		return spoilt("the index of the object store, "+s.index()+",", errors.New(found))
	}
	return nil
}

// sweep removes content that no row names: puts that a crash cut off. Files
// younger than the start belong to puts under way.
func (s *Store) sweep(ctx context.Context, began time.Time) {
	swept := 0
	err := filepath.WalkDir(filepath.Join(s.dir, "content"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(began.Add(-time.Second)) {
			return nil
		}
		if err != nil {
			return err
		}
		var named bool
		err = s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM objects WHERE file = ?1) OR EXISTS (SELECT 1 FROM noncurrent WHERE file = ?1)
			OR EXISTS (SELECT 1 FROM parts WHERE file = ?1)`, d.Name()).Scan(&named)
		if err != nil || named {
			return err
		}
		if swept++; swept == 1 {
			// An index that has lost rows would make this the end of their content.
			if err := s.check(ctx, 0); err != nil {
				return err
			}
		}
		return os.Remove(path)
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("sweeping the object store ended early", "err", err)
	}
	if swept > 0 {
		s.log.Info("swept content of puts that were cut off", "files", swept)
	}
}
