package retain_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/retain"
	"github.com/trainyard/trainyard/internal/store"
)

// world is a keeper with a real store and real buckets.
type world struct {
	t    *testing.T
	jobs *store.Store
	k    *retain.Keeper
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil))
	jobs, err := store.Open(t.Context(), filepath.Join(dir, "db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = jobs.Close() })
	objects, err := disk.Open(t.Context(), filepath.Join(dir, "gs"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	for _, b := range []string{"own", "theirs"} {
		if _, err := objects.CreateBucket(t.Context(), bucket.Bucket{Name: b, Project: "p"}); err != nil {
			t.Fatal(err)
		}
	}
	return &world{t, jobs, &retain.Keeper{Jobs: jobs, Objects: objects, Bucket: "own", Dir: filepath.Join(dir, "jobs"), Log: log}}
}

var hash = strings.Repeat("0a", 32)

func (w *world) put(name, object string) job.Package {
	w.t.Helper()
	o, err := w.k.Objects.Put(w.t.Context(), bucket.PutOptions{Object: bucket.Object{Bucket: name, Name: object, Size: -1}}, strings.NewReader("x"))
	if err != nil {
		w.t.Fatal(err)
	}
	return job.Package{URI: "gs://" + name + "/" + object, Generation: o.Generation, Size: o.Size, MD5: o.MD5}
}

func (w *world) there(p job.Package) bool {
	w.t.Helper()
	name, object, _ := strings.Cut(strings.TrimPrefix(p.URI, "gs://"), "/")
	_, err := w.k.Objects.Stat(w.t.Context(), name, object, p.Generation, bucket.Conditions{})
	if err != nil && !fault.Is(err, fault.NotFound) {
		w.t.Fatal(err)
	}
	return err == nil
}

// ended is a job that ended some time ago, with a folder.
func (w *world) ended(id string, ago time.Duration, packages ...job.Package) job.Job {
	w.t.Helper()
	k := job.Key{Project: "p", ID: job.ID(id)}
	j, _, err := w.jobs.Create(w.t.Context(), store.New{Spec: job.Spec{Key: k, Packages: packages, Groups: job.Basic.Groups()}, Document: []byte("{}")})
	if err == nil {
		j, err = w.jobs.Apply(w.t.Context(), job.Change{Key: k, State: job.Succeeded, Ended: time.Now().Add(-ago), Cleaned: true})
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(w.folder(j), "logs"), 0o700)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

func (w *world) folder(j job.Job) string { return filepath.Join(w.k.Dir, strconv.FormatInt(j.Seq, 10)) }

func (w *world) gone(j job.Job) {
	w.t.Helper()
	if _, err := w.jobs.Job(w.t.Context(), j.Key); !fault.Is(err, fault.NotFound) {
		w.t.Errorf("job %s: %v", j.Key.ID, err)
	}
	if _, err := os.Stat(w.folder(j)); !os.IsNotExist(err) {
		w.t.Errorf("the folder of job %s: %v", j.Key.ID, err)
	}
	if left, err := w.jobs.Deleted(w.t.Context(), 10); err != nil || len(left) > 0 {
		w.t.Errorf("left to remove: %v, %v", left, err)
	}
}

func TestADeletedJobTakesItsOwnPackagesAlong(t *testing.T) {
	w := newWorld(t)
	staged, shared := w.put("own", "a/"+hash+"/p.tar.gz"), w.put("own", "out/packages/"+hash+"/q.tar.gz")
	mine, theirs := w.put("own", "a/p.whl"), w.put("theirs", "a/"+hash+"/p.tar.gz")
	a := w.ended("a", 0, staged, shared, mine, theirs)
	b := w.ended("b", 0, shared)
	if err := w.k.Delete(t.Context(), a.Key); err != nil {
		t.Fatal(err)
	}
	w.gone(a)
	if w.there(staged) || !w.there(shared) || !w.there(mine) || !w.there(theirs) {
		t.Errorf("there are: staged %t, shared %t, the user's own %t, in another bucket %t", w.there(staged), w.there(shared), w.there(mine), w.there(theirs))
	}
	if err := w.k.Delete(t.Context(), b.Key); err != nil || w.there(shared) {
		t.Errorf("the last job of a package: %v, there %t", err, w.there(shared))
	}
	if err := w.k.Delete(t.Context(), b.Key); !fault.Is(err, fault.NotFound) {
		t.Errorf("deleted again: %v", err)
	}
}

func TestAReplacedObjectIsNotTheJobs(t *testing.T) {
	w := newWorld(t)
	staged := w.put("own", "a/"+hash+"/p.tar.gz")
	a := w.ended("a", 0, staged)
	now := w.put("own", "a/"+hash+"/p.tar.gz")
	if err := w.k.Delete(t.Context(), a.Key); err != nil {
		t.Fatal(err)
	}
	w.gone(a)
	if !w.there(now) {
		t.Error("an object that came later was removed")
	}
}

func TestJobsGoWhenTheirTimeHasCome(t *testing.T) {
	w := newWorld(t)
	old, fresh := w.ended("old", 48*time.Hour), w.ended("fresh", time.Hour)
	if err := w.k.Expire(t.Context(), time.Now()); err != nil { // no limit is set
		t.Fatal(err)
	}
	if _, err := w.jobs.Job(t.Context(), old.Key); err != nil {
		t.Errorf("kept for ever: %v", err)
	}
	w.k.Keep = 24 * time.Hour
	if err := w.k.Expire(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	w.gone(old)
	if _, err := w.jobs.Job(t.Context(), fresh.Key); err != nil {
		t.Errorf("ended an hour ago: %v", err)
	}
}

// broken is a store of objects that fails once.
type broken struct {
	bucket.Store
	failed bool
}

func (b *broken) Delete(ctx context.Context, name, object string, generation int64, c bucket.Conditions) error {
	if !b.failed {
		b.failed = true
		return errors.New("the disk does not answer")
	}
	return b.Store.Delete(ctx, name, object, generation, c)
}

func TestWhatFailedIsDoneLater(t *testing.T) {
	w := newWorld(t)
	w.k.Objects = &broken{Store: w.k.Objects}
	staged := w.put("own", "a/"+hash+"/p.tar.gz")
	a := w.ended("a", 0, staged)
	if err := w.k.Delete(t.Context(), a.Key); err != nil {
		t.Fatal(err)
	}
	if left, err := w.jobs.Deleted(t.Context(), 10); err != nil || len(left) != 1 || !w.there(staged) {
		t.Fatalf("left to remove: %v, %v", left, err)
	}
	b := w.ended("b", 0)
	if err := w.k.Delete(t.Context(), b.Key); err != nil {
		t.Fatal(err)
	}
	w.gone(a)
	if w.there(staged) {
		t.Error("the package is still there")
	}
}

func TestAHeldPackageIsNotRemoved(t *testing.T) {
	w := newWorld(t)
	staged := w.put("own", "a/"+hash+"/p.tar.gz")
	a := w.ended("a", 0, staged)
	release, err := w.k.Hold(t.Context(), []job.Package{staged})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.k.Delete(t.Context(), a.Key) }()
	w.ended("b", 0, staged) // while the other is being deleted
	release()
	if err := <-done; err != nil || !w.there(staged) {
		t.Errorf("deleted: %v; the package of the new job is there: %t", err, w.there(staged))
	}
	w.gone(a)
	if _, err := w.k.Hold(t.Context(), []job.Package{{URI: "gs://own/a/" + hash + "/none", Generation: 1}}); !fault.Is(err, fault.Precondition) {
		t.Errorf("a package that is gone: %v", err)
	}
	if release, err := w.k.Hold(t.Context(), []job.Package{{URI: "gs://theirs/none"}}); err != nil {
		t.Errorf("a package elsewhere: %v", err)
	} else {
		release()
	}
}
