package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

const selectJob = `SELECT seq, spec, document, wire, labels, state, cancel, created, started, ended, error, version, request_id, attempt, usage FROM jobs`

type row interface{ Scan(...any) error }

func scanJob(r row) (job.Job, error) {
	var (
		j                             job.Job
		spec, document, labels, usage string
		cancel                        sql.NullString
		created, started, ended       int64
	)
	if err := r.Scan(&j.Seq, &spec, &document, &j.Wire, &labels, &j.State, &cancel, &created, &started, &ended, &j.Error, &j.Version, &j.RequestID, &j.Attempt, &usage); err != nil {
		return job.Job{}, err
	}
	if err := decode(&j, spec, labels); err != nil {
		return job.Job{}, err
	}
	if err := json.Unmarshal([]byte(usage), &j.Usage); err != nil {
		return job.Job{}, err
	}
	if cancel.Valid {
		if err := json.Unmarshal([]byte(cancel.String), &j.Cancel); err != nil {
			return job.Job{}, err
		}
	}
	j.Document = json.RawMessage(document)
	j.Created, j.Started, j.Ended = moment(created), moment(started), moment(ended)
	return j, nil
}

// decode reads a specification and its labels, which may change, from their
// columns.
func decode(j *job.Job, spec, labels string) error {
	if err := json.Unmarshal([]byte(spec), &j.Spec); err != nil {
		return err
	}
	return json.Unmarshal([]byte(labels), &j.Labels)
}

func missing(key job.Key) error {
	return fault.Errorf(fault.NotFound, "job %s is not found in project %s", key.ID, key.Project)
}

// Job is one job.
func (s *Store) Job(ctx context.Context, key job.Key) (job.Job, error) {
	j, err := scanJob(s.read.QueryRowContext(ctx, selectJob+" WHERE project = ? AND id = ?", key.Project, key.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return job.Job{}, missing(key)
	}
	return j, s.translate(err)
}

// ListQuery asks for a page of a project's jobs, newest first.
type ListQuery struct {
	Before int64              // only jobs whose Seq is smaller; 0 for the newest
	Max    int                // 0 for no limit
	Match  func(job.Job) bool // nil for all
}

// List is a page of jobs; next is the Before of the page after, 0 at the end.
func (s *Store) List(ctx context.Context, project job.Project, q ListQuery) (jobs []job.Job, next int64, err error) {
	before := q.Before
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := s.read.QueryContext(ctx, selectJob+" WHERE project = ? AND seq < ? ORDER BY seq DESC", project, before)
	if err != nil {
		return nil, 0, s.translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, 0, s.translate(err)
		}
		if q.Match != nil && !q.Match(j) {
			continue
		}
		if q.Max > 0 && len(jobs) == q.Max {
			return jobs, jobs[len(jobs)-1].Seq, nil
		}
		jobs = append(jobs, j)
	}
	return jobs, 0, s.translate(rows.Err())
}

// SetLabels replaces a job's labels. Where ifVersion is given and is not the
// job's, nothing is written and the error is a fault.Conflict.
func (s *Store) SetLabels(ctx context.Context, key job.Key, labels map[string]string, ifVersion *int64) (job.Job, error) {
	return s.change(ctx, key, func(ctx context.Context, tx *sql.Tx, j job.Job) error {
		if ifVersion != nil && *ifVersion != j.Version {
			return fault.Errorf(fault.Conflict, "job %s was changed by somebody else: the etag is not its present one", key.ID).WithHint("read the job again and repeat the change")
		}
		if maps.Equal(labels, j.Labels) {
			return nil
		}
		_, err := tx.ExecContext(ctx, "UPDATE jobs SET labels = ?, version = version + 1 WHERE seq = ?", toJSON(labels), j.Seq)
		return err
	})
}

// RequestCancel stores the wish that a job end. On one that has ended, or is
// wished to end already, it changes nothing.
func (s *Store) RequestCancel(ctx context.Context, key job.Key, reason string) (job.Job, error) {
	j, err := s.change(ctx, key, func(ctx context.Context, tx *sql.Tx, j job.Job) error {
		if j.State.Final() || j.Cancel != nil {
			return nil
		}
		_, err := tx.ExecContext(ctx, "UPDATE jobs SET cancel = ?, version = version + 1 WHERE seq = ?", toJSON(job.Cancel{Time: time.Now().UTC(), Reason: reason}), j.Seq)
		return err
	})
	if err == nil {
		s.told(key)
	}
	return j, err
}

// change runs fn on a job in a transaction and returns the job as it is then.
func (s *Store) change(ctx context.Context, key job.Key, fn func(context.Context, *sql.Tx, job.Job) error) (after job.Job, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		j, err := scanJob(tx.QueryRowContext(ctx, selectJob+" WHERE project = ? AND id = ?", key.Project, key.ID))
		if errors.Is(err, sql.ErrNoRows) {
			return missing(key)
		}
		if err != nil {
			return err
		}
		if err := fn(ctx, tx, j); err != nil {
			return err
		}
		after, err = scanJob(tx.QueryRowContext(ctx, selectJob+" WHERE seq = ?", j.Seq))
		return err
	})
	if err != nil {
		return job.Job{}, err
	}
	s.changed(key)
	return after, nil
}
