package disk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"modernc.org/sqlite"
)

// commits gathers write transactions: a commit costs a flush of the disk,
// whatever is in it. Whoever comes while one is under way waits, and the first
// of those who wait commits for all of them.
type commits struct {
	mu      sync.Mutex
	waiting []*change     // guarded by mu
	leading chan struct{} // holds one token while somebody commits
}

// change is what one caller wants written. Only the leader touches err, before
// done is closed.
type change struct {
	ctx  context.Context
	fn   func(context.Context, *sql.Tx) error
	err  error
	done chan struct{}
}

func (c *commits) add(one *change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, one)
}

func (c *commits) take() (group []*change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	group, c.waiting = c.waiting, nil
	return group
}

// tx runs fn in a write transaction, which it may share with others; what fn
// does stands by itself nevertheless. A caller that goes away before its turn is
// left out; later, whether the change is made does not depend on the caller,
// so fn gets a context of its own. fn waits for nothing.
func (s *Store) tx(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	one := &change{ctx: ctx, fn: fn, done: make(chan struct{})}
	s.commits.add(one)
	select {
	case <-one.done:
		return translate(s.written(one.err))
	case s.commits.leading <- struct{}{}:
	}
	defer func() { <-s.commits.leading }()
	select {
	case <-one.done: // the leader before took it along
	default:
		s.commit(s.commits.take())
	}
	return translate(s.written(one.err))
}

// written names the index in what SQLite says of it.
func (s *Store) written(err error) error {
	if _, ok := errors.AsType[*sqlite.Error](err); ok {
		return fmt.Errorf("write %s: %w", s.index(), err)
	}
	return err
}

// commit makes the changes of a group durable together.
func (s *Store) commit(group []*change) {
	err := errors.New("a change of the same commit panicked")
	defer func() {
		for _, c := range group {
			if err != nil && c.err == nil {
				c.err = err
			}
			close(c.done)
		}
	}()
	err = s.inOne(context.Background(), group)
}

// inOne returns what befell the whole group; what befell one of them is in it.
func (s *Store) inOne(ctx context.Context, group []*change) (err error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	for _, c := range group {
		if c.err = context.Cause(c.ctx); c.err != nil {
			continue
		}
		// A savepoint each: one that is refused leaves the others alone.
		if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
			return err
		}
		if c.err = c.fn(ctx, tx); c.err != nil {
			if _, err := tx.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
				return fmt.Errorf("a change ended the others' transaction: %w", c.err) // as a full disk does
			}
		}
		if _, err := tx.ExecContext(ctx, "RELEASE one"); err != nil {
			return err
		}
	}
	return tx.Commit()
}
