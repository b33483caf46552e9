package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Apply writes what the control loop decided about a job in one transaction.
// Applying the same change twice does no harm.
func (s *Store) Apply(ctx context.Context, c job.Change) (job.Job, error) {
	return s.change(ctx, c.Key, func(ctx context.Context, tx *sql.Tx, j job.Job) error {
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
		// Only what has ended stays clean: more may be started for the others.
		cleaned := c.Cleaned && j.State.Final()
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET state = ?, started = ?, ended = ?, error = ?, version = ?, attempt = ?, usage = ?, cleaned = max(cleaned, ?) WHERE seq = ?`,
			j.State, stamp(j.Started), stamp(j.Ended), j.Error, j.Version, j.Attempt, toJSON(j.Usage), cleaned, j.Seq)
		if err != nil {
			return err
		}
		if c.Attempt != nil {
			if err := putAttempt(ctx, tx, j.Seq, c.Attempt); err != nil {
				return err
			}
		}
		if len(c.Events) == 0 {
			return nil
		}
		return insertEvents(ctx, tx.StmtContext(ctx, s.add.event), j.Seq, c.Events, now)
	})
}

func putAttempt(ctx context.Context, tx *sql.Tx, seq int64, a *job.Attempt) error {
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO attempts (job, number, state, created, running, ended, handle, owner, lease, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, a.Number, a.State, stamp(a.Created), stamp(a.Running), stamp(a.Ended), a.Handle, a.Owner, stamp(a.Lease), a.Cause)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM replicas WHERE job = ? AND attempt = ?", seq, a.Number); err != nil {
		return err
	}
	for _, r := range a.Replicas {
		var exit any
		if r.Exit != nil {
			exit = toJSON(r.Exit)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO replicas (job, attempt, role, idx, run, address, state, started, ended, exit) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			seq, a.Number, r.Role, r.Index, r.Run, r.Address, r.State, stamp(r.Started), stamp(r.Ended), exit)
		if err != nil {
			return err
		}
	}
	return nil
}

const insertEvent = `INSERT INTO events (job, name, time, step, text, service, severity, took, attempt, task) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job, name) DO NOTHING`

// insertEvents adds events through insertEvent, prepared; those whose name is
// there already are skipped.
func insertEvents(ctx context.Context, insert *sql.Stmt, seq int64, events []job.Event, now time.Time) error {
	for _, e := range events {
		t := e.Time
		if t.IsZero() {
			t = now
		}
		if _, err := insert.ExecContext(ctx, seq, e.Name, stamp(t), e.Step, e.Text, e.Service, e.Severity, int64(e.Took), e.Attempt, e.Task); err != nil {
			return err
		}
	}
	return nil
}
