package agent

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/logs"
)

// How many last lines an exit record has, and how many are looked through for
// a traceback that was printed and not logged.
const (
	tailLines  = 20
	traceLines = 200
)

// book is the run's log: the spool, and what the exit record needs of it.
type book struct {
	spool spool

	mu     sync.Mutex
	last   []string // guarded by mu; the program's last lines
	stderr []string // guarded by mu
	trace  string   // guarded by mu; the last traceback that came as a record
}

// spool is where entries go. A full disk is its business: it never blocks, and
// says later what is missing.
type spool interface {
	Append(t time.Time, sev logs.Severity, msg string, fields json.RawMessage) error
	Sync() error
	Close() error
}

func openBook(t *Task) (*book, error) {
	s, err := openSpool(t.Spool, executor.Task(t.Replica.Replica), t.Replica.Env["CLOUD_ML_TRIAL_ID"], t.IDPrefix())
	if err != nil {
		return nil, err
	}
	return &book{spool: s}, nil
}

// say appends a line of the agent's own.
func (b *book) say(sev logs.Severity, msg string) {
	_ = b.spool.Append(time.Now().UTC(), sev, msg, nil)
}

// line appends what the program printed.
func (b *book) line(raw []byte, stderr bool) {
	sev, msg, fields := parseLine(raw, stderr)
	if msg == "" {
		return
	}
	_ = b.spool.Append(time.Now().UTC(), sev, msg, fields)
	b.keep(msg, stderr)
}

// record appends what the program logged.
func (b *book) record(raw []byte) {
	t, sev, msg, fields, err := parseRecord(raw)
	if err != nil {
		b.line(raw, true)
		return
	}
	_ = b.spool.Append(t, sev, msg, fields)
	b.keep(msg, false)
	if strings.HasPrefix(msg, "Traceback (most recent call last)") {
		b.mu.Lock()
		b.trace = msg
		b.mu.Unlock()
	}
}

func (b *book) keep(msg string, stderr bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range strings.SplitSeq(msg, "\n") {
		b.last = push(b.last, l, tailLines)
		if stderr {
			b.stderr = push(b.stderr, l, traceLines)
		}
	}
}

// push keeps the last n lines, without copying at every one.
func push(list []string, s string, n int) []string {
	if len(list) >= 2*n {
		list = append(list[:0], list[len(list)-n+1:]...)
	}
	return append(list, s)
}

// tail is the program's last lines.
func (b *book) tail() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.last[max(0, len(b.last)-tailLines):]...)
}

// traceback is the program's last one.
func (b *book) traceback() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trace != "" {
		return b.trace
	}
	return findTraceback(b.stderr)
}

// close makes the log durable.
func (b *book) close() {
	_ = b.spool.Sync()
	_ = b.spool.Close()
}
