// Package disk is the bucket driver of one machine. Names are rows in an
// ordered index, content is immutable files with random names:
//
//	DIR/index.db      buckets, objects, noncurrent objects and upload sessions, in SQLite
//	DIR/content/xx/…  one file per object
//	DIR/uploads/…     one file per upload session that is under way
//
// A put writes a file, flushes it and its folder, and then commits a row with
// its conditions in one transaction, which it may share with others; only then
// is the file that it replaces removed, unless the bucket keeps versions: there
// the row that is replaced moves to the noncurrent ones in the same
// transaction. So an acknowledged object survives a power cut, and whatever no
// row names was never acknowledged: a sweep at the start removes it. Whole
// content is read with its checksum.
package disk

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// Store is an open driver.
type Store struct {
	dir   string
	write *sql.DB // one connection
	read  *sql.DB
	log   *slog.Logger

	commits commits

	generation int64 // the last given out; only within a write transaction

	stop     context.CancelFunc
	close    func() error
	sweeping sync.WaitGroup // the sweep at the start
	working  sync.WaitGroup // what is done every hour
	intakes  sync.RWMutex   // read-locked by what writes content; locked by Close, for good

	mu       sync.Mutex
	sessions map[string]*sync.Mutex // guarded by mu; upload sessions in use
}

var _ bucket.Store = (*Store)(nil)

// version is the schema's. Version 2 added the tables noncurrent, multiparts and
// parts; a database of version 1 gets them in place.
const version = 2

const schema = `
CREATE TABLE IF NOT EXISTS buckets (
  name    TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  facts   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  bucket         TEXT NOT NULL REFERENCES buckets (name),
  name           BLOB NOT NULL,
  generation     INTEGER NOT NULL,
  metageneration INTEGER NOT NULL,
  size           INTEGER NOT NULL,
  file           TEXT NOT NULL,
  facts          TEXT NOT NULL,
  PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS objects_by_file ON objects (file);
CREATE INDEX IF NOT EXISTS objects_by_generation ON objects (generation);
CREATE TABLE IF NOT EXISTS noncurrent (
  bucket         TEXT NOT NULL REFERENCES buckets (name),
  name           BLOB NOT NULL,
  generation     INTEGER NOT NULL,
  metageneration INTEGER NOT NULL,
  size           INTEGER NOT NULL,
  file           TEXT NOT NULL,
  facts          TEXT NOT NULL,
  PRIMARY KEY (bucket, name, generation)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS noncurrent_by_file ON noncurrent (file);
CREATE INDEX IF NOT EXISTS noncurrent_by_generation ON noncurrent (generation);
CREATE TABLE IF NOT EXISTS uploads (
  id       TEXT PRIMARY KEY,
  options  TEXT NOT NULL,
  received INTEGER NOT NULL,
  md5      BLOB NOT NULL,  -- state of the hash after what was received
  crc32c   INTEGER NOT NULL,
  object   TEXT,           -- once committed
  touched  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS multiparts (
  id      TEXT PRIMARY KEY,
  bucket  TEXT NOT NULL,
  name    BLOB NOT NULL,
  facts   TEXT NOT NULL,
  object  TEXT,           -- once finished
  touched INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS multiparts_by_name ON multiparts (bucket, name);
CREATE TABLE IF NOT EXISTS parts (
  upload TEXT NOT NULL REFERENCES multiparts (id),
  number INTEGER NOT NULL,
  file   TEXT NOT NULL,
  facts  TEXT NOT NULL,
  PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS parts_by_file ON parts (file);
`

// Open opens the driver's folder and makes it when it is not there.
func Open(ctx context.Context, dir string, log *slog.Logger) (*Store, error) {
	for _, sub := range []string{"content", "uploads"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, translate(fmt.Errorf("make the object store: %w", err))
		}
	}
	if err := errors.Join(syncDir(dir), syncDir(filepath.Dir(dir))); err != nil {
		return nil, translate(err)
	}
	s := &Store{dir: dir, log: log, sessions: map[string]*sync.Mutex{}, commits: commits{leading: make(chan struct{}, 1)}}
	open := func(conns int) *sql.DB {
		q := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "cache_size(-1024)"}}
		if conns == 1 {
			q.Set("_txlock", "immediate")
		}
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: strings.ReplaceAll(url.PathEscape(s.index()), "%2F", "/"), RawQuery: q.Encode()}).String())
		if err != nil {
			panic(err) // only for a driver that is not registered
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db
	}
	s.write, s.read = open(1), open(3)
	err := s.lost()
	if err == nil {
		err = s.prepare(ctx)
	}
	if err == nil {
		err = s.check(ctx, checkTime)
	}
	if err != nil {
		s.write.Close()
		s.read.Close()
		if corrupt(err) {
			err = spoilt("the index of the object store, "+s.index()+",", err)
		}
		return nil, translate(err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.close = stop, sync.OnceValue(s.closeOnce)
	began := time.Now()
	s.sweeping.Go(func() { s.sweep(run, began) })
	s.working.Go(func() { s.hourly(run) })
	return s, nil
}

func (s *Store) prepare(ctx context.Context) error {
	var was int
	if err := s.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&was); err != nil {
		return err
	}
	if was > version {
		return fault.Errorf(fault.Precondition, "the object store in %s was written by a newer version of Trainyard", s.dir).WithHint("use that version")
	}
	err := s.tx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA user_version = %d;", version))
		return err
	})
	if err != nil {
		return err
	}
	return s.write.QueryRowContext(ctx, `SELECT max(
		(SELECT coalesce(max(generation), 0) FROM objects),
		(SELECT coalesce(max(generation), 0) FROM noncurrent))`).Scan(&s.generation)
}

// closeGrace is how long Close waits for bodies that are still being taken in.
const closeGrace = 5 * time.Second

// Close closes the driver, after what is being written: a body whose connection
// was closed has ended, and what came of it is still to be kept. Readers that
// are open stay readable. Closing it again does nothing.
func (s *Store) Close() error { return s.close() }

func (s *Store) closeOnce() error {
	s.stop()
	s.sweeping.Wait()
	s.working.Wait()
	idle := make(chan struct{})
	go func() { s.intakes.Lock(); close(idle) }()
	select {
	case <-idle:
	case <-time.After(closeGrace):
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

// takeIn is called around everything that writes content. It fails once the
// store is being closed.
func (s *Store) takeIn() (done func(), err error) {
	if !s.intakes.TryRLock() {
		return nil, fault.Errorf(fault.Unavailable, "the object store is being closed")
	}
	return s.intakes.RUnlock, nil
}

// Swept waits until the sweep that Open began has ended.
func (s *Store) Swept() { s.sweeping.Wait() }

// nextGeneration is called within a write transaction.
func (s *Store) nextGeneration() int64 {
	s.generation = max(s.generation+1, time.Now().UnixMicro())
	return s.generation
}

// Room refuses when the disk has not room for need more bytes.
func (s *Store) Room(need int64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &fs); err != nil {
		return translate(fmt.Errorf("ask for the room on the disk: %w", err))
	}
	// A little is kept for the index, so that deleting stays possible.
	const reserve = 1 << 20
	if free := int64(fs.Bavail) * int64(fs.Bsize); free < need+reserve {
		return fault.Errorf(fault.Full, "the disk that holds %s has %d bytes free; %d are needed", s.dir, free, need+reserve)
	}
	return nil
}

// Ready refuses when nothing more can be stored: the disk is full, or cannot be
// written. Only a write finds the latter, as Linux does not call a disk
// read-only that it stopped writing after an error; a new time is the least one.
func (s *Store) Ready() error {
	if err := os.Chtimes(s.dir, time.Time{}, time.Now()); err != nil {
		return unwritable(err)
	}
	return s.Room(1)
}

// unwritable is for a disk that somebody has to look after first: what is asked
// meanwhile is not wrong and may be asked again.
func unwritable(err error) error {
	return fault.Errorf(fault.Unavailable, "the disk that holds the object store cannot be written: %w", err).
		WithHint("the kernel's log (dmesg) says why; all goes on when the disk can be written again")
}

func corrupt(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code()&0xff == sqlite3.SQLITE_NOTADB)
}

// translate gives an error of the disk or the index its kind.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	broken := errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EIO)
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		broken = e.Code() == sqlite3.SQLITE_IOERR_WRITE || e.Code()&0xff == sqlite3.SQLITE_READONLY
		full = !broken && (e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code()&0xff == sqlite3.SQLITE_IOERR)
	}
	if corrupt(err) {
		return spoilt("the index of the object store", err)
	}
	if broken {
		return unwritable(err)
	}
	if full {
		return fault.Errorf(fault.Full, "the disk that holds the object store is full: %w", err)
	}
	return fmt.Errorf("object store: %w", err)
}

// newFile makes an empty content file with a random name.
func (s *Store) newFile() (f *os.File, name string, err error) {
	var b [16]byte
	_, _ = rand.Read(b[:])
	name = hex.EncodeToString(b[:])
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	f, err = os.OpenFile(s.content(name), flags, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, name, err
	}
	folder := filepath.Dir(s.content(name))
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, "", err
	}
	if err := syncDir(filepath.Dir(folder)); err != nil {
		return nil, "", err
	}
	f, err = os.OpenFile(s.content(name), flags, 0o600)
	return f, name, err
}

func (s *Store) content(file string) string {
	return filepath.Join(s.dir, "content", file[:2], file)
}

// drop removes a content file that no row names any more. What it misses the
// next sweep finds.
func (s *Store) drop(file string) {
	if file == "" {
		return
	}
	if err := os.Remove(s.content(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("an unused content file stays", "file", file, "err", err)
	}
}

// settle makes a content file and its name survive a power cut. One that took
// what is kept for the index goes again: with it gone nothing could be deleted.
func (s *Store) settle(f *os.File, name string) error {
	if err := s.Room(0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Join(s.dir, "content", name[:2]))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
