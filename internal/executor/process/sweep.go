package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// packagesFor is how long fetched archives outlive a job's last attempt, which
// a restart may follow.
const packagesFor = 24 * time.Hour

// Sweep removes working folders that have been kept long enough, and fetched
// archives that no attempt needs. Call it now and then.
func (e *Executor) Sweep(ctx context.Context) error {
	return e.sweep(ctx, time.Now())
}

func (e *Executor) sweep(ctx context.Context, now time.Time) error {
	kept, err := filepath.Glob(filepath.Join(e.DataDir, "jobs", "*", "kept", "*", untilFile))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range kept {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		until, err := time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
		if err == nil && now.Before(until) {
			continue
		}
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			errs = append(errs, fmt.Errorf("remove a kept folder: %w", err))
		}
		_ = os.Remove(filepath.Dir(filepath.Dir(path))) // when it is the last
	}
	torn, err := filepath.Glob(filepath.Join(e.DataDir, "attempts", ".*")) // writes that a crash cut off
	if err != nil {
		return err
	}
	for _, path := range torn {
		if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) > time.Hour {
			errs = append(errs, os.Remove(path))
		}
	}
	packages, err := filepath.Glob(filepath.Join(e.DataDir, "jobs", "*", "packages"))
	if err != nil {
		return err
	}
	for _, dir := range packages {
		if err := ctx.Err(); err != nil {
			return err
		}
		attempts, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "a[0-9]*"))
		if err != nil || len(attempts) > 0 {
			continue
		}
		// Removing its attempts changed the job's folder.
		info, err := os.Stat(filepath.Dir(dir))
		if err != nil || now.Sub(info.ModTime()) < packagesFor {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, fmt.Errorf("remove fetched packages: %w", err))
		}
	}
	return errors.Join(errs...)
}
