package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

// A spool is a file of frames, one a line:
//
//	CCCCCCCC {"task":"master-replica-0","time":…}\n
//
// where C is the CRC-32 (Castagnoli) of the JSON in hexadecimal. A frame is
// written in one piece; a torn one, after a crash or on a full disk, fails its
// checksum or has no end of line, is never shown, and is cut off when the
// spool is opened again.

// maxMessage is how long one entry's message may be; longer ones go on in the
// next entry.
const maxMessage = 256 << 10

// maxFields is how long an entry's further facts may be; longer ones are left
// out.
const maxFields = 256 << 10

// flushSize is how much is gathered before it is written without being asked.
const flushSize = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Spool appends entries to a file. It has one writer process; its methods may
// be called from several goroutines.
type Spool struct {
	task, trial, prefix string

	mu      sync.Mutex
	f       *os.File
	buf     bytes.Buffer // guarded by mu; whole frames
	good    int64        // guarded by mu; length of what was written whole
	ends    []int        // guarded by mu; where each frame in buf ends
	noted   bool         // guarded by mu; the first frame in buf says what is missing
	seq     uint64       // guarded by mu; of the last entry
	id      []byte       // guarded by mu; room for an InsertID
	last    time.Time    // guarded by mu; time of the last entry
	missing int          // guarded by mu; entries that could not be written
	why     error        // guarded by mu; of the last write that failed
	named   bool         // guarded by mu; the file's name is on the disk
}

// OpenSpool opens a spool for appending and makes it, and its folder, when it
// is not there. Every entry has the task and trial; idPrefix begins every
// InsertID and sorts among the spools of a job.
func OpenSpool(path, task, trial, idPrefix string) (*Spool, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &Spool{task: clean(task), trial: clean(trial), prefix: clean(idPrefix), f: f}
	r := newFrames(f, 0)
	for {
		e, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		s.last = e.Time
		if n, err := strconv.ParseUint(strings.TrimPrefix(e.InsertID, idPrefix), 16, 64); err == nil {
			s.seq = n
		}
	}
	s.good = r.offset
	if err := f.Truncate(s.good); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.Seek(s.good, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// Append adds an entry. Empty messages are dropped, long ones go on in further
// entries, and what is not UTF-8, or NUL, becomes U+FFFD. Times never go
// backwards. It reaches the file with the next Flush, or earlier. A full disk is no
// error: the log says how much is missing once it can.
func (s *Spool) Append(t time.Time, sev Severity, msg string, fields json.RawMessage) error {
	return s.Printed("", t, sev, msg, fields)
}

// Printed is Append for a line that a program printed to a stream.
func (s *Spool) Printed(stream string, t time.Time, sev Severity, msg string, fields json.RawMessage) error {
	if msg == "" {
		return nil
	}
	msg = clean(msg)
	if len(fields) > maxFields {
		fields = nil
	} else if !utf8.Valid(fields) {
		fields = bytes.ToValidUTF8(fields, []byte("\uFFFD"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(msg) > 0 {
		part := msg
		if len(part) > maxMessage {
			part = part[:runeBefore(part, maxMessage)]
		}
		msg = msg[len(part):]
		s.add(stream, t, sev, part, fields)
	}
	if s.buf.Len() >= flushSize {
		s.flush()
	}
	return nil
}

// add is called with mu held. What is missing is said before anything else.
func (s *Spool) add(stream string, t time.Time, sev Severity, msg string, fields json.RawMessage) {
	if s.missing > 0 && len(s.ends) == 0 {
		s.frame("", s.last, Warning, s.note(), nil)
		s.noted = true
	}
	s.frame(stream, t, sev, msg, fields)
}

func (s *Spool) note() string {
	why := "the disk was full"
	if !errors.Is(s.why, syscall.ENOSPC) && !errors.Is(s.why, errQuota) {
		why = "they could not be written: " + s.why.Error()
	}
	if s.missing == 1 {
		return "1 line of the log is missing here: " + why
	}
	return fmt.Sprintf("%d lines of the log are missing here: %s", s.missing, why)
}

// frame is called with mu held.
func (s *Spool) frame(stream string, t time.Time, sev Severity, msg string, fields json.RawMessage) {
	if t.Before(s.last) {
		t = s.last
	}
	s.last = t
	s.seq++
	s.id = fmt.Appendf(s.id[:0], "%s%012x", s.prefix, s.seq)
	appendFrame(&s.buf, &Entry{Task: s.task, Trial: s.trial, Time: t, Severity: sev, Message: msg, Fields: fields, Stream: stream, InsertID: string(s.id)})
	s.ends = append(s.ends, s.buf.Len())
}

// Flush hands what was appended to the operating system, where readers see it.
func (s *Spool) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
}

// flush is called with mu held. Of what the disk did not take in full the whole
// frames stay: a reader may have seen them.
func (s *Spool) flush() {
	if len(s.ends) == 0 {
		return
	}
	n, err := s.f.WriteAt(s.buf.Bytes(), s.good)
	written := len(s.ends)
	if err != nil {
		written, _ = slices.BinarySearch(s.ends, n+1)
		s.why = err
	}
	lost := len(s.ends) - written
	if written > 0 {
		s.good += int64(s.ends[written-1])
		if s.noted {
			s.missing = 0
		}
	} else if s.noted {
		lost-- // the note itself
	}
	if err != nil {
		_ = s.f.Truncate(s.good)
	}
	s.missing += lost
	s.buf.Reset()
	s.ends, s.noted = s.ends[:0], false
}

// finish flushes, and says what is missing at the end.
func (s *Spool) finish() {
	s.flush()
	if s.missing == 0 {
		return
	}
	s.frame("", s.last, Warning, s.note(), nil)
	s.noted = true
	s.flush()
}

// Sync makes what was appended survive a power cut.
func (s *Spool) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
	if err := s.f.Sync(); err != nil || s.named {
		return err
	}
	dir, err := os.Open(filepath.Dir(s.f.Name()))
	if err != nil {
		return err
	}
	defer dir.Close()
	s.named = true
	return dir.Sync()
}

// Close flushes and closes the file.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
	return s.f.Close()
}

// clean makes text that JSON and every reader can carry.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}
