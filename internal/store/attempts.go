package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// Unfinished lists what the control loop still has something to do for.
func (s *Store) Unfinished(ctx context.Context) ([]job.Work, error) {
	tx, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, selectJob+" WHERE cleaned = 0 ORDER BY seq")
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
	attempts, err := s.attempts(ctx, tx, "job IN (SELECT seq FROM jobs WHERE cleaned = 0 AND attempt > 0) AND number = (SELECT attempt FROM jobs WHERE seq = job)")
	if err != nil {
		return nil, err
	}
	for seq, list := range attempts {
		if i, ok := at[seq]; ok {
			a := list[len(list)-1]
			a.Job = work[i].Key
			work[i].Current = &a
		}
	}
	return work, nil
}

// snapshot begins a transaction in which every read sees the same moment.
func (s *Store) snapshot(ctx context.Context) (*sql.Tx, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	return tx, s.translate(err)
}

// Attempts lists a job's attempts in order.
func (s *Store) Attempts(ctx context.Context, key job.Key) ([]job.Attempt, error) {
	j, err := s.Job(ctx, key)
	if err != nil {
		return nil, err
	}
	tx, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	all, err := s.attempts(ctx, tx, "job = ?", j.Seq)
	if err != nil {
		return nil, err
	}
	for i := range all[j.Seq] {
		all[j.Seq][i].Job = key
	}
	return all[j.Seq], nil
}

// attempts reads the attempts that a condition on job and number selects, by
// job and in order.
func (s *Store) attempts(ctx context.Context, tx *sql.Tx, where string, args ...any) (map[int64][]job.Attempt, error) {
	rows, err := tx.QueryContext(ctx, "SELECT job, number, state, created, running, ended, handle, owner, lease, cause FROM attempts WHERE "+where+" ORDER BY job, number", args...)
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
	reps, err := tx.QueryContext(ctx, "SELECT job, attempt, role, idx, run, address, state, started, ended, exit FROM (SELECT *, attempt AS number FROM replicas) WHERE "+where+" ORDER BY job, attempt, role = 'master' DESC, role, idx", args...)
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
