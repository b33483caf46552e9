package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
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
	waiting int          // guarded by mu; frames in buf
	good    int64        // guarded by mu; length of what was written whole
	seq     uint64       // guarded by mu; of the last entry
	last    time.Time    // guarded by mu; time of the last entry
	missing int          // guarded by mu; entries that a full disk swallowed
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
	s := &Spool{task: task, trial: trial, prefix: idPrefix, f: f}
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
	if msg == "" {
		return nil
	}
	msg = clean(msg)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(msg) > 0 {
		part := msg
		if len(part) > maxMessage {
			cut := maxMessage
			for cut > maxMessage-utf8.UTFMax && !utf8.RuneStart(part[cut]) {
				cut--
			}
			part = part[:cut]
		}
		msg = msg[len(part):]
		if err := s.add(t, sev, part, fields); err != nil {
			return err
		}
	}
	if s.buf.Len() >= flushSize {
		s.flush()
	}
	return nil
}

// add is called with mu held.
func (s *Spool) add(t time.Time, sev Severity, msg string, fields json.RawMessage) error {
	if !t.After(s.last) {
		t = s.last
	}
	s.last = t
	s.seq++
	e := Entry{Task: s.task, Trial: s.trial, Time: t.UTC(), Severity: sev, Message: msg, Fields: fields, InsertID: fmt.Sprintf("%s%012x", s.prefix, s.seq)}
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode a log entry: %w", err)
	}
	fmt.Fprintf(&s.buf, "%08x ", crc32.Checksum(b, castagnoli))
	s.buf.Write(b)
	s.buf.WriteByte('\n')
	s.waiting++
	return nil
}

// Flush hands what was appended to the operating system, where readers see it.
func (s *Spool) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
}

// flush is called with mu held.
func (s *Spool) flush() {
	if s.missing > 0 {
		if !s.note() {
			s.missing += s.waiting
			s.buf.Reset()
			s.waiting = 0
			return
		}
	}
	if s.buf.Len() == 0 {
		return
	}
	if !s.put(s.buf.Bytes()) {
		s.missing += s.waiting
	}
	s.buf.Reset()
	s.waiting = 0
}

// note says in the log how many entries are missing.
func (s *Spool) note() bool {
	kept := bytes.Clone(s.buf.Bytes())
	waiting := s.waiting
	s.buf.Reset()
	if err := s.add(s.last, Warning, fmt.Sprintf("%d lines of the log are missing here: the disk was full", s.missing), nil); err != nil {
		return false
	}
	ok := s.put(s.buf.Bytes())
	s.buf.Reset()
	s.buf.Write(kept)
	s.waiting = waiting
	if ok {
		s.missing = 0
	}
	return ok
}

// put writes whole frames, or nothing.
func (s *Spool) put(frames []byte) bool {
	if _, err := s.f.WriteAt(frames, s.good); err != nil {
		_ = s.f.Truncate(s.good)
		return false
	}
	s.good += int64(len(frames))
	return true
}

// Sync makes what was appended survive a power cut.
func (s *Spool) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	return s.f.Sync()
}

// Close flushes and closes the file.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	return s.f.Close()
}

// clean makes text that JSON and every reader can carry.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}
