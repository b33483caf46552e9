//go:build unix

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/keep"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pyenv"
	"github.com/trainyard/trainyard/internal/repeat"
	"github.com/trainyard/trainyard/internal/server/mlapi"
	"github.com/trainyard/trainyard/internal/server/yardapi"
)

// again repeats jobs with what this server has.
type again struct {
	jobs    mlJobs
	objects bucket.Store
	bucket  string // the default one
	dir     string
	pythons *pyenv.Cache
	box     *keep.Box
}

// Rerun is what our own wire asks for.
func (a *again) Rerun(ctx context.Context, was job.Job, r yardapi.Rerun, requestID, client string) (job.Job, []string, error) {
	repeater := repeat.Repeater{
		Create: func(ctx context.Context, n repeat.New) (job.Job, bool, error) {
			return a.jobs.Create(ctx, mlapi.NewJob(n))
		},
		Again: func(was job.Job, id job.ID, r repeat.Request, packages []job.Package) (job.Spec, json.RawMessage, error) {
			spec, document, err := mlv1.Again(was, id, mlv1.Changes{Args: r.Args, JobDir: r.JobDir, Labels: r.Labels, Packages: packages})
			if err == nil {
				spec.Env, err = resealed(a.box, was.Key, spec.Key, spec.Env)
			}
			return spec, document, err
		},
		Find: a.find, Made: a.made,
		Python: func(ctx context.Context, l job.Lock) error {
			_, err := a.pythons.LockedPython(ctx, pyenv.Made(l))
			return err
		},
	}
	return repeater.Rerun(ctx, was, repeat.Request{ID: r.JobID, Args: r.Args, JobDir: r.JobDir, Labels: r.Labels, Fresh: r.NewEnvironment, RequestID: requestID, Client: client})
}

func (a *again) made(was job.Job) (lock job.Lock, err error) {
	b, err := made(a.dir, was)
	if err != nil {
		return lock, err
	}
	return lock, json.Unmarshal(b, &lock)
}

// find looks for a package by its generation and, where its object was replaced
// or deleted, among those that the job's runs had fetched: from there it is put
// into the default bucket, by its digest.
func (a *again) find(ctx context.Context, was job.Job, p job.Package) (job.Package, error) {
	name, object, ok := mlv1.SplitURI(p.URI)
	if !ok {
		return p, fault.Errorf(fault.Internal, "job %s has the package %q", was.Key, p.URI)
	}
	o, err := a.objects.Stat(ctx, name, object, p.Generation, bucket.Conditions{})
	if err == nil || !fault.Is(err, fault.NotFound) {
		p.Generation = o.Generation
		return p, err
	}
	if p.MD5 == nil {
		return p, err // nothing says that a copy is the same
	}
	f, gone := os.Open(agent.Fetched(filepath.Join(a.dir, "jobs", strconv.FormatInt(was.Seq, 10), "packages"), p))
	if errors.Is(gone, fs.ErrNotExist) {
		return p, err
	}
	if gone != nil {
		return p, gone
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return p, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return p, err
	}
	to := bucket.Object{Bucket: a.bucket, Name: string(was.Key.ID) + "/" + hex.EncodeToString(sum.Sum(nil)) + "/" + path.Base(object), Size: p.Size}
	if there, err := a.objects.Stat(ctx, to.Bucket, to.Name, 0, bucket.Conditions{}); err == nil && string(there.MD5) == string(p.MD5) {
		o = there
	} else if o, err = a.objects.Put(ctx, bucket.PutOptions{Object: to, WantMD5: p.MD5}, f); err != nil {
		return p, err
	}
	return job.Package{URI: "gs://" + o.Bucket + "/" + o.Name, Generation: o.Generation, Size: o.Size, MD5: o.MD5}, nil
}
