package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Apply writes what the control loop decided about a job in one transaction.
// Applying the same change twice does no harm.
func (s *Store) Apply(ctx context.Context, c job.Change) (job.Job, error) {
	return s.change(ctx, c.Key, func(tx *sql.Tx, j job.Job) error {
		now := time.Now()
		visible := false
		if c.State != "" && c.State != j.State {
			if !job.CanMove(j.State, c.State) {
				return fault.Errorf(fault.Conflict, "job %s cannot go from %s to %s", c.Key, j.State, c.State)
			}
			visible = true
			j.State = c.State
		}
		if !c.Started.IsZero() && j.Started.IsZero() {
			j.Started, visible = c.Started, true
		}
		if !c.Ended.IsZero() && j.Ended.IsZero() {
			j.Ended, visible = c.Ended, true
		}
		if c.Error != "" && c.Error != j.Error {
			j.Error, visible = c.Error, true
		}
		if c.Attempt != nil && c.Attempt.Number > j.Attempt {
			j.Attempt = c.Attempt.Number
		}
		if c.Usage != nil {
			j.Usage = *c.Usage
		}
		if visible {
			j.Version++
		}
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET state = ?, started = ?, ended = ?, error = ?, version = ?, attempt = ?, usage = ?, cleaned = max(cleaned, ?) WHERE seq = ?`,
			j.State, stamp(j.Started), stamp(j.Ended), j.Error, j.Version, j.Attempt, toJSON(j.Usage), c.Cleaned, j.Seq)
		if err != nil {
			return err
		}
		if c.Attempt != nil {
			if err := putAttempt(ctx, tx, j.Seq, c.Attempt); err != nil {
				return err
			}
		}
		return insertEvents(ctx, tx, j.Seq, c.Events, now)
	})
}

func putAttempt(ctx context.Context, tx *sql.Tx, seq int64, a *job.Attempt) error {
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO attempts (job, number, state, created, running, ended, handle, owner, lease, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, a.Number, a.State, stamp(a.Created), stamp(a.Running), stamp(a.Ended), a.Handle, a.Owner, stamp(a.Lease), a.Cause)
	if err != nil {
		return err
	}
	for _, r := range a.Replicas {
		var exit any
		if r.Exit != nil {
			exit = toJSON(r.Exit)
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO replicas (job, attempt, role, idx, run, address, state, started, ended, exit) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			seq, a.Number, r.Role, r.Index, r.Run, r.Address, r.State, stamp(r.Started), stamp(r.Ended), exit)
		if err != nil {
			return err
		}
	}
	return nil
}

func insertEvents(ctx context.Context, tx *sql.Tx, seq int64, events []job.Event, now time.Time) error {
	for _, e := range events {
		t := e.Time
		if t.IsZero() {
			t = now
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO events (job, name, time, step, text, service, severity, took, attempt, task) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job, name) DO NOTHING`,
			seq, e.Name, stamp(t), e.Step, e.Text, e.Service, e.Severity, int64(e.Took), e.Attempt, e.Task)
		if err != nil {
			return err
		}
	}
	return nil
}

// Unfinished lists what the control loop still has something to do for.
func (s *Store) Unfinished(ctx context.Context) ([]job.Work, error) {
	rows, err := s.read.QueryContext(ctx, selectJob+" WHERE cleaned = 0 ORDER BY seq")
	if err != nil {
		return nil, s.translate(err)
	}
	defer rows.Close()
	var work []job.Work
	at := map[int64]int{}
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, s.translate(err)
		}
		at[j.Seq] = len(work)
		work = append(work, job.Work{Job: j})
	}
	if err := rows.Err(); err != nil {
		return nil, s.translate(err)
	}
	attempts, err := s.attempts(ctx, "job IN (SELECT seq FROM jobs WHERE cleaned = 0 AND attempt > 0) AND number = (SELECT attempt FROM jobs WHERE seq = job)")
	for seq, list := range attempts {
		if i, ok := at[seq]; ok {
			a := list[len(list)-1]
			a.Job = work[i].Key
			work[i].Current = &a
		}
	}
	return work, err
}

// Attempts lists a job's attempts in order.
func (s *Store) Attempts(ctx context.Context, key job.Key) ([]job.Attempt, error) {
	j, err := s.Job(ctx, key)
	if err != nil {
		return nil, err
	}
	all, err := s.attempts(ctx, "job = ?", j.Seq)
	for i := range all[j.Seq] {
		all[j.Seq][i].Job = key
	}
	return all[j.Seq], err
}

// attempts reads the attempts that a condition on job and number selects, by
// job and in order.
func (s *Store) attempts(ctx context.Context, where string, args ...any) (map[int64][]job.Attempt, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT job, number, state, created, running, ended, handle, owner, lease, cause FROM attempts WHERE "+where+" ORDER BY job, number", args...)
	if err != nil {
		return nil, s.translate(err)
	}
	defer rows.Close()
	all := map[int64][]job.Attempt{}
	for rows.Next() {
		var a job.Attempt
		var seq, created, running, ended, lease int64
		if err := rows.Scan(&seq, &a.Number, &a.State, &created, &running, &ended, &a.Handle, &a.Owner, &lease, &a.Cause); err != nil {
			return nil, s.translate(err)
		}
		a.Created, a.Running, a.Ended, a.Lease = moment(created), moment(running), moment(ended), moment(lease)
		all[seq] = append(all[seq], a)
	}
	if err := rows.Err(); err != nil {
		return nil, s.translate(err)
	}
	reps, err := s.read.QueryContext(ctx, "SELECT job, attempt, role, idx, run, address, state, started, ended, exit FROM (SELECT *, attempt AS number FROM replicas) WHERE "+where+" ORDER BY job, attempt, role = 'master' DESC, role, idx", args...)
	if err != nil {
		return nil, s.translate(err)
	}
	defer reps.Close()
	for reps.Next() {
		var r job.ReplicaRun
		var seq, started, ended int64
		var number int
		var exit sql.NullString
		if err := reps.Scan(&seq, &number, &r.Role, &r.Index, &r.Run, &r.Address, &r.State, &started, &ended, &exit); err != nil {
			return nil, s.translate(err)
		}
		r.Started, r.Ended = moment(started), moment(ended)
		if exit.Valid {
			if err := json.Unmarshal([]byte(exit.String), &r.Exit); err != nil {
				return nil, s.translate(err)
			}
		}
		for i := range all[seq] {
			if all[seq][i].Number == number {
				all[seq][i].Replicas = append(all[seq][i].Replicas, r)
			}
		}
	}
	return all, s.translate(reps.Err())
}

// Events lists a job's timeline after an event, in the order it was written.
func (s *Store) Events(ctx context.Context, key job.Key, after int64, max int) ([]job.Event, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT seq, name, time, step, text, service, severity, took, attempt, task FROM events
		WHERE job = (SELECT seq FROM jobs WHERE project = ? AND id = ?) AND seq > ? ORDER BY seq LIMIT ?`, key.Project, key.ID, after, max)
	if err != nil {
		return nil, s.translate(err)
	}
	defer rows.Close()
	var events []job.Event
	for rows.Next() {
		var e job.Event
		var t, took int64
		if err := rows.Scan(&e.Seq, &e.Name, &t, &e.Step, &e.Text, &e.Service, &e.Severity, &took, &e.Attempt, &e.Task); err != nil {
			return nil, s.translate(err)
		}
		e.Time, e.Took = moment(t), time.Duration(took)
		events = append(events, e)
	}
	return events, s.translate(rows.Err())
}
