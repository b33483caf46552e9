// Package store keeps jobs, attempts and timelines in SQLite. What it
// acknowledged is on the disk. It decides nothing: which moves a state may make
// is package job's rule, and who makes them is the control loop.
//
// There is one writer connection and a few readers that do not wait for it.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Store is an open database. All methods may be called from several
// goroutines.
type Store struct {
	path    string
	write   *sql.DB
	read    *sql.DB
	creates chan create
	add     statements
	log     *slog.Logger
	stop    context.CancelFunc
	done    chan struct{}

	mu    sync.Mutex
	jobs  map[job.Key]*watch   // guarded by mu; only keys that somebody watches
	every chan struct{}        // guarded by mu; closed at the next create or cancel
	news  map[job.Key]struct{} // guarded by mu; created or cancelled since News was asked
}

type watch struct {
	changed chan struct{}
	users   int
}

// Open opens the database at path and makes it when it is not there. A damaged
// one is refused with a message that says which file and what to do.
func Open(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	s := &Store{path: path, log: log, creates: make(chan create), done: make(chan struct{}), jobs: map[job.Key]*watch{}, every: make(chan struct{})}
	var err error
	if s.write, err = open(path, 1, "rwc"); err != nil {
		return nil, s.translate(err)
	}
	if err := migrate(ctx, s.write); err != nil {
		s.write.Close()
		return nil, s.translate(err)
	}
	if err := check(ctx, s.write); err != nil {
		s.write.Close()
		return nil, s.translate(err)
	}
	if s.read, err = open(path, 3, "rw"); err != nil {
		s.write.Close()
		return nil, s.translate(err)
	}
	if s.add, err = prepare(ctx, s.write); err != nil {
		s.read.Close()
		s.write.Close()
		return nil, s.translate(err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go s.commitCreates(run)
	return s, nil
}

// open opens the file with what every connection needs. A cache of 1 MiB is
// plenty beside the operating system's own.
func open(path string, conns int, mode string) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "cache_size(-1024)", "wal_autocheckpoint(1000)",
	}}
	if conns == 1 {
		q.Set("_txlock", "immediate")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: strings.ReplaceAll(url.PathEscape(path), "%2F", "/"), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// checkTime is how long a start may look for damage. What it does not reach is
// found when it is read.
const checkTime = 300 * time.Millisecond

// check looks for damage in the file's structure.
func check(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var found string
	err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	case found != "ok":
		return damage(found)
	}
	return nil
}

// damage is what a check says is wrong.
type damage string

func (d damage) Error() string { return string(d) }

// Close closes the database. Nothing that was acknowledged is lost without it.
func (s *Store) Close() error {
	s.stop()
	<-s.done
	return errors.Join(s.read.Close(), s.write.Close())
}

// tx runs fn in a write transaction. Only the wait for the writer's turn can
// be cancelled: an interrupted statement costs the connection, and a caller
// must not hear "cancelled" about what was then written.
func (s *Store) tx(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return s.translate(err)
	}
	defer conn.Close()
	ctx = context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return s.translate(err)
	}
	if err := fn(ctx, tx); err != nil {
		_ = tx.Rollback()
		return s.translate(err)
	}
	return s.translate(tx.Commit())
}

// translate gives a driver's error its kind.
func (s *Store) translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if d, ok := errors.AsType[damage](err); ok {
		return s.damaged(d)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return fault.Errorf(fault.Full, "the disk that holds %s is full: %w", s.path, err)
		case sqlite3.SQLITE_IOERR:
			switch e.Code() {
			case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMSIZE:
				return fault.Errorf(fault.Full, "%s cannot be written; is its disk full? %w", s.path, err)
			case sqlite3.SQLITE_IOERR_WRITE: // which a disk without room is not
				return fault.Errorf(fault.Unavailable, "%s cannot be written; is its disk read-only? %w", s.path, err).
					WithHint("the kernel's log (dmesg) says why; all goes on when the disk can be written again")
			}
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return s.damaged(err)
		case sqlite3.SQLITE_INTERRUPT:
			return fmt.Errorf("read %s: %w: %w", s.path, context.Canceled, err)
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fault.Errorf(fault.Unavailable, "the database %s is busy: %w", s.path, err)
		case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
			return fault.Errorf(fault.Denied, "the database %s cannot be opened for writing: %w", s.path, err)
		}
	}
	return fmt.Errorf("store %s: %w", s.path, err)
}

func (s *Store) damaged(err error) error {
	return fault.Errorf(fault.Internal, "the database %s is damaged: %w", s.path, err).
		WithHint("restore it from a backup, or move it away to start with no jobs (objects in gs:// are not in it)")
}

// stamp is a time as a column: nanoseconds since 1970, 0 for none.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
