package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Delete removes a job's record and timeline; its id stays used. What else there
// is of it is told by Deleted until Forget. A job that has not ended is a
// fault.Precondition, one that the control loop has not let go of a
// fault.Unavailable.
func (s *Store) Delete(ctx context.Context, key job.Key) error {
	err := s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		j, err := scanJob(tx.QueryRowContext(ctx, selectJob+" WHERE project = ? AND id = ?", key.Project, key.ID))
		if errors.Is(err, sql.ErrNoRows) {
			return missing(key)
		}
		if err != nil {
			return err
		}
		if !j.State.Final() {
			return fault.Errorf(fault.Precondition, "job %s is %s; only a job that has ended can be deleted", key.ID, j.Shown()).
				WithHint("end it first: trainyard jobs cancel %s", key.ID)
		}
		var cleaned bool
		if err := tx.QueryRowContext(ctx, "SELECT cleaned FROM jobs WHERE seq = ?", j.Seq).Scan(&cleaned); err != nil {
			return err
		}
		if !cleaned {
			return fault.Errorf(fault.Unavailable, "job %s has just ended and is being cleaned up", key.ID).WithHint("try again in a moment")
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO deleted (seq, project, id, time, packages) VALUES (?, ?, ?, ?, ?)",
			j.Seq, key.Project, key.ID, stamp(time.Now()), toJSON(j.Packages)); err != nil {
			return err
		}
		for _, from := range []string{"events WHERE job", "replicas WHERE job", "attempts WHERE job", "jobs WHERE seq"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+from+" = ?", j.Seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.changed(key)
	}
	return err
}

// Deleted lists what Delete left to be removed, the oldest first.
func (s *Store) Deleted(ctx context.Context, max int) ([]job.Deleted, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT seq, project, id, packages FROM deleted WHERE done = 0 ORDER BY seq LIMIT ?", max)
	if err != nil {
		return nil, s.translate(err)
	}
	defer rows.Close()
	var list []job.Deleted
	for rows.Next() {
		var d job.Deleted
		var packages string
		if err := rows.Scan(&d.Seq, &d.Key.Project, &d.Key.ID, &packages); err != nil {
			return nil, s.translate(err)
		}
		if err := json.Unmarshal([]byte(packages), &d.Packages); err != nil {
			return nil, s.translate(err)
		}
		list = append(list, d)
	}
	return list, s.translate(rows.Err())
}

// Forget notes that nothing is left of a deleted job but its id.
func (s *Store) Forget(ctx context.Context, seq int64) error {
	return s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE deleted SET done = 1, packages = '[]' WHERE seq = ?", seq)
		return err
	})
}

// Ended lists jobs of all projects that had ended by a time and that nothing is
// left to do for, the oldest first.
func (s *Store) Ended(ctx context.Context, by time.Time, max int) ([]job.Key, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT project, id FROM jobs WHERE cleaned = 1 AND ended > 0 AND ended <= ? ORDER BY ended LIMIT ?", stamp(by), max)
	if err != nil {
		return nil, s.translate(err)
	}
	defer rows.Close()
	var keys []job.Key
	for rows.Next() {
		var k job.Key
		if err := rows.Scan(&k.Project, &k.ID); err != nil {
			return nil, s.translate(err)
		}
		keys = append(keys, k)
	}
	return keys, s.translate(rows.Err())
}

// Names reports whether any job whose Seq is larger has a package, whatever its
// generation, and the largest Seq that it looked at: asking again from there
// looks at the jobs that were created since.
func (s *Store) Names(ctx context.Context, uri string, after int64) (there bool, upTo int64, err error) {
	if err := s.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(seq), 0) FROM jobs").Scan(&upTo); err != nil {
		return false, 0, s.translate(err)
	}
	err = s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM jobs, json_each(jobs.spec, '$.Packages') WHERE jobs.seq > ? AND json_extract(json_each.value, '$.URI') = ?)`, after, uri).Scan(&there)
	return there, upTo, s.translate(err)
}
