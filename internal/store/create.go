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

// New is a job to create.
type New struct {
	Spec      job.Spec
	Document  json.RawMessage
	Wire      string
	RequestID string // a create that is repeated with it is the same job
	Events    []job.Event
}

type create struct {
	new    New
	answer chan<- created
}

type created struct {
	job  job.Job
	made bool
	err  error
}

// batch is how many creates share one commit at most.
const batch = 128

// Create stores a job as QUEUED. When it returns the job survives a power cut.
// An id that was ever used is a fault.Conflict, unless the same request made
// it: then made is false.
func (s *Store) Create(ctx context.Context, n New) (j job.Job, made bool, err error) {
	answer := make(chan created, 1)
	select {
	case s.creates <- create{n, answer}:
	case <-ctx.Done():
		return job.Job{}, false, context.Cause(ctx)
	case <-s.done:
		return job.Job{}, false, fault.Errorf(fault.Unavailable, "the store is closed")
	}
	// Once handed over it is waited for: the caller must not hear "cancelled"
	// about a job that is then there.
	a := <-answer
	return a.job, a.made, a.err
}

// commitCreates takes the creates that wait and commits them together: a
// commit costs a flush of the disk, whatever is in it.
func (s *Store) commitCreates(ctx context.Context) {
	defer close(s.done)
	for {
		var group []create
		select {
		case c := <-s.creates:
			group = append(group, c)
		case <-ctx.Done():
			return
		}
	more:
		for len(group) < batch {
			select {
			case c := <-s.creates:
				group = append(group, c)
			default:
				break more
			}
		}
		answers := make([]created, len(group))
		err := s.tx(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
			if len(group) == 1 {
				answers[0] = s.insert(ctx, tx, group[0].new)
				return answers[0].err
			}
			for i, c := range group {
				// A savepoint each: one that is refused leaves the others alone.
				if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
					return err
				}
				answers[i] = s.insert(ctx, tx, c.new)
				if err := answers[i].err; err != nil {
					if _, gone := tx.ExecContext(ctx, "ROLLBACK TO one"); gone != nil {
						return err // it ended the transaction, as a full disk does
					}
				}
				if _, err := tx.ExecContext(ctx, "RELEASE one"); err != nil {
					return err
				}
			}
			return nil
		})
		for i := range group {
			if err != nil {
				answers[i] = created{err: err}
			} else if answers[i].err != nil {
				answers[i].err = s.translate(answers[i].err)
			}
		}
		if err == nil {
			var keys []job.Key
			for _, a := range answers {
				if a.made {
					keys = append(keys, a.job.Key)
				}
			}
			for _, k := range keys {
				s.changed(k)
			}
			if len(keys) > 0 {
				s.told(keys...)
			}
		}
		for i, c := range group {
			c.answer <- answers[i]
		}
	}
}

// statements are what a create needs, prepared: reading the SQL takes longer
// than carrying it out.
type statements struct{ byKey, job, event *sql.Stmt }

func prepare(ctx context.Context, db *sql.DB) (st statements, err error) {
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&st.byKey, selectJob + " WHERE project = ? AND id = ?"},
		{&st.job, `INSERT INTO jobs (project, id, spec, document, wire, labels, state, created, request_id)
			SELECT ?1, ?2, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM deleted WHERE project = ?1 AND id = ?2) ON CONFLICT (project, id) DO NOTHING`},
		{&st.event, insertEvent},
	} {
		if *p.to, err = db.PrepareContext(ctx, p.text); err != nil {
			return st, err
		}
	}
	return st, nil
}

// insert writes first and looks only when the id is taken, which is rare.
func (s *Store) insert(ctx context.Context, tx *sql.Tx, n New) created {
	labels, spec := n.Spec.Labels, n.Spec
	spec.Labels = nil
	specJSON, err := json.Marshal(spec)
	if err != nil {
		return created{err: err}
	}
	labelsJSON, now := toJSON(labels), time.Now()
	res, err := tx.StmtContext(ctx, s.add.job).ExecContext(ctx,
		n.Spec.Key.Project, n.Spec.Key.ID, string(specJSON), string(n.Document), n.Wire, labelsJSON, job.Queued, stamp(now), n.RequestID)
	if err != nil {
		return created{err: err}
	}
	if rows, err := res.RowsAffected(); err != nil {
		return created{err: err}
	} else if rows == 0 {
		return s.taken(ctx, tx, n)
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return created{err: err}
	}
	if err := insertEvents(ctx, tx.StmtContext(ctx, s.add.event), seq, n.Events, now); err != nil {
		return created{err: err}
	}
	// The job as it would be read back.
	j := job.Job{Seq: seq, Document: json.RawMessage(string(n.Document)), Wire: n.Wire, State: job.Queued, Created: moment(stamp(now)), Version: 1, RequestID: n.RequestID}
	if err := decode(&j, string(specJSON), labelsJSON); err != nil {
		return created{err: err}
	}
	return created{job: j, made: true}
}

// taken answers a create whose id is there already.
func (s *Store) taken(ctx context.Context, tx *sql.Tx, n New) created {
	was, err := scanJob(tx.StmtContext(ctx, s.add.byKey).QueryRowContext(ctx, n.Spec.Key.Project, n.Spec.Key.ID))
	switch {
	case errors.Is(err, sql.ErrNoRows): // one that was deleted
	case err != nil:
		return created{err: err}
	case n.RequestID != "" && was.RequestID == n.RequestID:
		return created{job: was}
	}
	return created{err: &fault.Error{Kind: fault.Conflict, Msg: "Field: job.job_id Error: A job with this id already exists.",
		Violations: []fault.Violation{{Field: "job.job_id", Description: "A job with this id already exists."}}}}
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types always marshal
	}
	return string(b)
}
