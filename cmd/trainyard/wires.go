//go:build unix

package main

import (
	"context"
	"strings"

	"github.com/trainyard/trainyard/internal/access"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/retain"
	"github.com/trainyard/trainyard/internal/server/mlapi"
	"github.com/trainyard/trainyard/internal/store"
)

// What the wires ask for, as those who call may have it. The methods are
// written out, none is embedded: one that is added is not forgotten.

// mlJobs is the store as the ml wire asks for it.
type mlJobs struct {
	store    *store.Store
	buckets  access.Buckets
	consumed func(context.Context, job.Job) job.Usage // by a job that goes on, until now
	keeper   *retain.Keeper
}

// Create refuses a job that would not reach what it needs.
func (m mlJobs) Create(ctx context.Context, n mlapi.NewJob) (job.Job, bool, error) {
	project := n.Spec.Key.Project
	if err := access.Project(ctx, project); err != nil {
		return job.Job{}, false, err
	}
	uris := []string{n.Spec.JobDir}
	for _, p := range n.Spec.Packages {
		uris = append(uris, p.URI)
	}
	for _, uri := range uris {
		rest, ok := strings.CutPrefix(uri, "gs://")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, "/")
		if err := m.buckets.Project(ctx, project, name); err != nil {
			return job.Job{}, false, err
		}
	}
	release, err := m.keeper.Hold(ctx, n.Spec.Packages)
	if err != nil {
		return job.Job{}, false, err
	}
	defer release()
	return m.store.Create(ctx, store.New(n))
}

func (m mlJobs) Job(ctx context.Context, key job.Key) (job.Job, error) {
	j, err := yardJobs{m.store}.Job(ctx, key)
	if err == nil {
		j.Usage = m.consumed(ctx, j)
	}
	return j, err
}

func (m mlJobs) List(ctx context.Context, p job.Project, before int64, max int, match func(job.Job) bool) ([]job.Job, int64, error) {
	if err := access.Project(ctx, p); err != nil {
		return nil, 0, err
	}
	page, next, err := m.store.List(ctx, p, store.ListQuery{Before: before, Max: max, Match: match})
	for i := range page {
		page[i].Usage = m.consumed(ctx, page[i])
	}
	return page, next, err
}

func (m mlJobs) SetLabels(ctx context.Context, key job.Key, labels map[string]string, ifVersion *int64) (job.Job, error) {
	if err := access.Project(ctx, key.Project); err != nil {
		return job.Job{}, err
	}
	return m.store.SetLabels(ctx, key, labels, ifVersion)
}

func (m mlJobs) RequestCancel(ctx context.Context, key job.Key, reason string) error {
	if err := access.Project(ctx, key.Project); err != nil {
		return err
	}
	_, err := m.store.RequestCancel(ctx, key, reason)
	return err
}

// yardJobs is the store as our own wire asks for it.
type yardJobs struct{ store *store.Store }

func (y yardJobs) Job(ctx context.Context, key job.Key) (job.Job, error) {
	if err := access.Project(ctx, key.Project); err != nil {
		return job.Job{}, err
	}
	return y.store.Job(ctx, key)
}

func (y yardJobs) Events(ctx context.Context, key job.Key, after int64, max int) ([]job.Event, error) {
	if err := access.Project(ctx, key.Project); err != nil {
		return nil, err
	}
	return y.store.Events(ctx, key, after, max)
}

func (y yardJobs) Attempts(ctx context.Context, key job.Key) ([]job.Attempt, error) {
	if err := access.Project(ctx, key.Project); err != nil {
		return nil, err
	}
	return y.store.Attempts(ctx, key)
}

func (y yardJobs) Watch(key job.Key) (<-chan struct{}, func()) { return y.store.Watch(key) }

// queries is the reader of logs as pollers ask for it.
type queries struct{ polls *logs.Polls }

func (q queries) Query(ctx context.Context, query logs.Query) ([]logs.Record, string, error) {
	for _, p := range query.Projects {
		if err := access.Project(ctx, p); err != nil {
			return nil, "", err
		}
	}
	return q.polls.Query(ctx, query)
}

// lines is the reader of logs as followers ask for it.
type lines struct{ reader *logs.Reader }

func (l lines) Follow(ctx context.Context, key job.Key, cursor, task string, fn func(logs.Entry, string) error) error {
	if err := access.Project(ctx, key.Project); err != nil {
		return err
	}
	return l.reader.Follow(ctx, key, cursor, task, func(r logs.Record, at string) error { return fn(r.Entry, at) })
}
