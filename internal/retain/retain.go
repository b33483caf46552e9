// Package retain removes jobs: when a user says so, and those that ended longer
// ago than the server keeps them. A job goes in steps of which a killed server
// does the rest at its next start: its record, in one transaction, after which
// nobody sees it; its folder with logs and what failed runs left; the packages
// that were staged for it and that no other job has; and the note that all this
// was to be done.
package retain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Jobs is what is asked of the store.
type Jobs interface {
	Delete(ctx context.Context, key job.Key) error
	Deleted(ctx context.Context, max int) ([]job.Deleted, error)
	Forget(ctx context.Context, seq int64) error
	Ended(ctx context.Context, by time.Time, max int) ([]job.Key, error)
	Names(ctx context.Context, uri string, after int64) (there bool, upTo int64, err error)
	Watch(key job.Key) (changed <-chan struct{}, stop func())
}

// Keeper removes jobs of one server.
type Keeper struct {
	Jobs    Jobs
	Objects bucket.Store
	Bucket  string        // whose staged packages go with their jobs: the server's default one
	Dir     string        // of the jobs' folders
	Keep    time.Duration // how long jobs stay after their end; 0 is for ever
	Log     *slog.Logger

	staged sync.RWMutex // held by who creates a job, and by who removes packages
}

const (
	patience = 10 * time.Second // for the control loop to let go of a job
	every    = 10 * time.Minute
	page     = 100
)

// Delete removes a job that has ended. What of it cannot be removed now is
// removed later.
func (k *Keeper) Delete(ctx context.Context, key job.Key) error {
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		changed, stop := k.Jobs.Watch(key)
		err := k.Jobs.Delete(ctx, key)
		if fault.Is(err, fault.Unavailable) {
			select {
			case <-changed:
				err = nil
			case <-limit.Done():
			}
			stop()
			if err == nil {
				continue
			}
			return err
		}
		stop()
		if err != nil {
			return err
		}
		if err := k.clean(context.WithoutCancel(ctx)); err != nil {
			k.Log.Error("what a deleted job left is not removed yet", "job", key, "err", err)
		}
		return nil
	}
}

// Run removes what the last server did not get to, and then, now and then, the
// jobs whose time has come.
func (k *Keeper) Run(ctx context.Context) {
	for tick := time.NewTicker(every); ; {
		if err := errors.Join(k.clean(ctx), k.Expire(ctx, time.Now())); err != nil && ctx.Err() == nil {
			k.Log.Error("removing jobs failed", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// Expire removes the jobs that ended longer ago than they are kept.
func (k *Keeper) Expire(ctx context.Context, now time.Time) error {
	if k.Keep <= 0 {
		return nil
	}
	for {
		keys, err := k.Jobs.Ended(ctx, now.Add(-k.Keep), page)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			if err := k.Jobs.Delete(ctx, key); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		k.Log.Info("removed jobs that ended longer ago than jobs are kept", "count", len(keys), "keep", k.Keep)
		if err := k.clean(ctx); err != nil {
			return err
		}
	}
}

// clean removes what deleted jobs left. Any part of it may have been done.
func (k *Keeper) clean(ctx context.Context) error {
	for {
		list, err := k.Jobs.Deleted(ctx, page)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, d := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := os.RemoveAll(filepath.Join(k.Dir, strconv.FormatInt(d.Seq, 10))); err != nil {
				return fmt.Errorf("remove the folder of job %s: %w", d.Key, err)
			}
			for _, p := range d.Packages {
				if err := k.unstage(ctx, p); err != nil {
					return fmt.Errorf("remove the package %s of job %s: %w", p.URI, d.Key, err)
				}
			}
			if err := k.Jobs.Forget(ctx, d.Seq); err != nil {
				return err
			}
		}
	}
}

// placed is how objects are named that packaging has staged: by their digest.
// What a user put into the bucket under a name of their own is theirs.
var placed = regexp.MustCompile(`(^|/)[0-9a-f]{64}/[^/]+$`)

// unstage removes a package that was staged and that no job has any more.
func (k *Keeper) unstage(ctx context.Context, p job.Package) error {
	object, ok := k.ours(p.URI)
	if !ok || !placed.MatchString(object) {
		return nil
	}
	// Looking through all jobs may take a while; who creates one waits only while
	// the newest are looked through.
	there, upTo, err := k.Jobs.Names(ctx, p.URI, 0)
	if err != nil || there {
		return err
	}
	k.staged.Lock()
	defer k.staged.Unlock()
	if there, _, err := k.Jobs.Names(ctx, p.URI, upTo); err != nil || there {
		return err
	}
	err = k.Objects.Delete(ctx, k.Bucket, object, p.Generation, bucket.Conditions{})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Precondition) {
		return nil
	}
	return err
}

func (k *Keeper) ours(uri string) (object string, ok bool) {
	return strings.CutPrefix(uri, "gs://"+k.Bucket+"/")
}

// Hold keeps the packages of a job that is about to be created from being
// removed with another job, until release. One that is gone already is a
// fault.Precondition.
func (k *Keeper) Hold(ctx context.Context, packages []job.Package) (release func(), err error) {
	k.staged.RLock()
	for _, p := range packages {
		object, ok := k.ours(p.URI)
		if !ok {
			continue
		}
		if _, err := k.Objects.Stat(ctx, k.Bucket, object, p.Generation, bucket.Conditions{}); err != nil {
			k.staged.RUnlock()
			if fault.Is(err, fault.NotFound) {
				return nil, fault.Errorf(fault.Precondition, "the package %s was deleted meanwhile", p.URI).WithHint("submit the job again")
			}
			return nil, err
		}
	}
	return k.staged.RUnlock, nil
}
