package agent

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/logs"
)

const (
	// tailLines is how many last lines an exit record has, tailLine how much
	// of each.
	tailLines = 20
	tailLine  = 2000
	// flushEvery is the least time between two writes of the log. A line that
	// comes alone is written at once, those of a flood together.
	flushEvery = 5 * time.Millisecond
	// oldest is how old a record's own time may be to be the entry's.
	oldest = 100 * time.Millisecond
)

// book is the run's log: the spool, and what the exit record needs of it.
type book struct {
	spool   *logs.Spool
	dirty   chan struct{}
	flushed chan struct{} // closed when the last flush is done

	mu      sync.Mutex
	last    []string       // guarded by mu; the program's last lines
	printed logs.Traceback // guarded by mu; of standard error
	told    logs.Traceback // guarded by mu; of standard output
	logged  logs.Traceback // guarded by mu; of records
	trace   string         // guarded by mu; the one that came last
	after   int            // guarded by mu; lines since then
	died    int            // guarded by mu; the process that its exception ended; 0 for none
	program int            // guarded by mu; the job's own process
	ends    ends           // guarded by mu
}

func openBook(t *Task) (*book, error) {
	s, err := logs.OpenSpool(t.Spool, executor.Task(t.Replica.Replica), t.Replica.Env["CLOUD_ML_TRIAL_ID"], t.IDPrefix())
	if err != nil {
		return nil, disk(t.Spool, err)
	}
	b := &book{spool: s, dirty: make(chan struct{}, 1), flushed: make(chan struct{})}
	go b.flush()
	return b, nil
}

// flush writes what was appended, until close.
func (b *book) flush() {
	defer close(b.flushed)
	for range b.dirty {
		b.spool.Flush()
		time.Sleep(flushEvery)
	}
}

func (b *book) append(stream string, t time.Time, sev logs.Severity, msg string, fields []byte) {
	_ = b.spool.Printed(stream, t, sev, msg, fields) // a full disk is the spool's business
	select {
	case b.dirty <- struct{}{}:
	default:
	}
}

// say appends a line of the agent's own.
func (b *book) say(sev logs.Severity, msg string) {
	b.append("", time.Now().UTC(), sev, msg, nil)
}

// line appends what the program printed.
func (b *book) line(raw []byte, stderr bool) {
	sev, msg, fields := logs.ParseLine(!stderr, string(raw))
	if msg == "" {
		return
	}
	stream := "stdout"
	if stderr {
		stream = "stderr"
	}
	b.append(stream, time.Now().UTC(), sev, msg, fields)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(msg)
	switch {
	case strings.HasPrefix(msg, "{") && strings.Contains(msg, tracebackHead):
		for text := range tracebacksIn(msg) {
			b.follow(new(logs.Traceback), text, 0)
		}
	case stderr:
		b.follow(&b.printed, msg, 0)
	default:
		b.follow(&b.told, msg, 0)
	}
}

const tracebackHead = "Traceback (most recent call last)"

// tracebacksIn are the tracebacks in a log entry that is a JSON object.
func tracebacksIn(entry string) iter.Seq[string] {
	return func(yield func(string) bool) {
		var fields map[string]any
		if json.Unmarshal([]byte(entry), &fields) != nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if text, ok := fields[name].(string); ok && strings.Contains(text, tracebackHead) && !yield(text) {
				return
			}
		}
	}
}

// record appends what the program logged.
func (b *book) record(raw []byte) {
	t, sev, msg, fields, ok := logs.ParseRecord(string(raw))
	if !ok {
		b.line(raw, true)
		return
	}
	// A program may set its records' times as it likes, and readers ask for what
	// is a moment old and never look back: an entry must not appear behind them.
	if now := time.Now(); t.IsZero() || t.After(now) || now.Sub(t) > oldest {
		t = now
	}
	died, shown := uncaught(raw)
	if !shown {
		b.append("stderr", t.UTC(), sev, msg, fields) // where Python logs to
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	before, child, after := b.trace, b.died, b.after
	if !shown {
		b.keep(msg)
	}
	if !strings.Contains(msg, tracebackHead) || !b.follow(&b.logged, msg, died) {
		return
	}
	if died == 0 {
		return
	}
	if child == 0 || child == b.died || after > between {
		before = ""
	}
	b.trace = b.ends.caused(b.trace, before)
	b.ends.add(b.died, b.trace)
}

// follow is called with mu held. It takes a line, or several, of a traceback
// whose exception ended a process, or 0, and reports whether the last one known
// ended here. Behind what ended the program only its exit handlers, destructors
// and other processes come.
func (b *book) follow(t *logs.Traceback, msg string, died int) bool {
	before := t.Ended()
	if t.Add(msg); t.Ended() == before || b.program != 0 && b.died == b.program && died != b.program {
		return false
	}
	b.trace, b.after, b.died = t.String(), 0, died
	return true
}

// uncaught is the process that the exception in a record ended, or 0: our
// excepthook says so; and whether the program has shown it in its own way.
func uncaught(raw []byte) (process int, shown bool) {
	var r struct {
		Uncaught int  `json:"uncaught"`
		Shown    bool `json:"shown"`
	}
	_ = json.Unmarshal(raw, &r)
	return r.Uncaught, r.Shown
}

// runs says which process is the job's own.
func (b *book) runs(program int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.program = program
}

// keep is called with mu held. It keeps the last lines without copying at
// every one.
func (b *book) keep(msg string) {
	for l := range strings.SplitSeq(msg, "\n") {
		if len(b.last) >= 4*tailLines {
			b.last = append(b.last[:0], b.last[len(b.last)-tailLines:]...)
		}
		b.after++
		b.last = append(b.last, strings.ToValidUTF8(l[:min(len(l), tailLine)], "\uFFFD"))
	}
}

// tail is the program's last lines.
func (b *book) tail() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.last[max(0, len(b.last)-tailLines):])
}

// traceback is the program's last one, how many lines came after it, and
// whether its exception ended the process.
func (b *book) traceback() (text string, after int, uncaught bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trace == "" {
		return "", 0, false
	}
	return b.trace, b.after, b.died == b.program
}

// end stops the flushing: nothing is appended after it.
func (b *book) end() {
	close(b.dirty)
	<-b.flushed
}

// sync makes the log durable, with a word on what a full disk swallowed.
func (b *book) sync() error { return b.spool.Sync() }

func (b *book) close() error { return b.spool.Close() }
