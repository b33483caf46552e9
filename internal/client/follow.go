package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
)

// Event is one thing seen while following a job: exactly one of State, Log,
// Exit and End is set.
type Event struct {
	State *StateChange
	Log   *logs.Entry
	Exit  *Exit
	End   *Job // the job in its final state; nothing comes after it
	// Cursor names the place after this event; following again from it misses
	// nothing and repeats nothing.
	Cursor string
}

// StateChange is a job's state as the follower sees it.
type StateChange struct {
	JobID        string    `json:"jobId"`
	State        job.State `json:"state"`
	StartTime    string    `json:"startTime"`
	EndTime      string    `json:"endTime"`
	ErrorMessage string    `json:"errorMessage"`
	Waiting      string    `json:"waiting"` // why a queued job waits, or nothing
	Version      int64     `json:"version"`
}

// Exit is how a job's program ended at last. A server may not say so, or twice.
type Exit struct {
	Code   int    `json:"code"` // 128+n for signal n
	Signal string `json:"signal"`
	Step   string `json:"step"` // "run" where it was the program that ended
}

// FollowOptions say what to follow and from where.
type FollowOptions struct {
	After  string // cursor; empty for the beginning
	Task   string // only this task's lines; empty for all
	NoLogs bool   // states only
	// Lost is told when the connection has been away for a while, once each
	// time; it may be nil.
	Lost func(err error)
}

const (
	silence   = 35 * time.Second // the server says something every 10 s; after this long it is gone
	noticed   = 2 * time.Second  // how long an outage is not worth a word
	maxEvent  = 8 << 20
	firstWait = 50 * time.Millisecond
	maxWait   = time.Second
)

// Follow gives fn what happens to a job until it has ended. A server that goes
// away is waited for and asked to go on after the last event that fn saw, so
// that no line is lost or doubled. An error of fn ends it.
func (c *Client) Follow(ctx context.Context, project, id string, o FollowOptions, fn func(Event) error) error {
	f := &follower{client: c, path: jobPath(project, id) + ":follow", FollowOptions: o, fn: fn, version: -1}
	var away time.Time // since when; zero while connected
	told := false
	for wait := firstWait; ; {
		progress, err := f.stream(ctx)
		if progress {
			away, told, wait = time.Time{}, false, firstWait
		}
		if err == nil || !fault.Is(err, fault.Unavailable) || f.failed {
			return err
		}
		if !f.connected {
			return err // there never was a server
		}
		if away.IsZero() {
			away = time.Now()
		}
		if !told && o.Lost != nil && time.Since(away) > noticed {
			told = true
			o.Lost(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
			wait = min(2*wait, maxWait)
		}
	}
}

type follower struct {
	FollowOptions
	client    *Client
	path      string
	fn        func(Event) error
	version   int64  // of the last state that fn saw
	waiting   string // and why it waited
	connected bool   // some stream was open once
	failed    bool   // fn gave an error
}

// stream reads one connection until the job's end (nil) or a failure, and
// reports whether it read anything.
func (f *follower) stream(ctx context.Context) (progress bool, _ error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quietFor := time.AfterFunc(silence, func() { cancel(fault.Errorf(fault.Unavailable, "the server says nothing any more")) })
	defer quietFor.Stop()

	query := url.Values{}
	if f.Task != "" {
		query.Set("task", f.Task)
	}
	if f.NoLogs {
		query.Set("logs", "false")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.client.base+f.path+"?"+query.Encode(), nil)
	if err != nil {
		return false, fault.Errorf(fault.Internal, "make the request: %w", err)
	}
	r.Header.Set("Accept", "text/event-stream")
	if f.After != "" {
		r.Header.Set("Last-Event-ID", f.After)
	}
	res, err := f.client.http.Do(r)
	if err != nil {
		return false, f.client.translate(ctx, err)
	}
	defer res.Body.Close()
	if err := googleapi.CheckResponse(res); err != nil {
		return false, f.client.translate(ctx, err)
	}
	f.connected = true
	read := newEventReader(res.Body)
	for {
		m, err := read.next()
		if err != nil {
			if errors.Is(err, errTooLong) {
				return progress, fault.Errorf(fault.Internal, "follow the job: %w", err)
			}
			return progress, f.client.translate(ctx, cutOff(err))
		}
		progress = true
		quietFor.Reset(silence)
		done, err := f.deliver(m)
		if err != nil || done {
			f.failed = err != nil
			return progress, err
		}
	}
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// deliver hands one message on. Names that it does not know are skipped: a
// newer server may say more.
func (f *follower) deliver(m message) (done bool, err error) {
	e := Event{Cursor: m.id}
	switch m.event {
	case "state":
		s, err := decode[StateChange](f.client, m.data)
		if err != nil {
			return false, err
		}
		if s.Version != 0 && (s.Version < f.version || s.Version == f.version && s.Waiting == f.waiting) {
			return false, nil
		}
		f.version, f.waiting, e.State = s.Version, s.Waiting, &s
	case "log":
		l, err := decode[logs.Entry](f.client, m.data)
		if err != nil {
			return false, err
		}
		e.Log = &l
	case "exit":
		x, err := decode[Exit](f.client, m.data)
		if err != nil {
			return false, err
		}
		e.Exit = &x
	case "end":
		j, err := f.client.job(json.RawMessage(m.data))
		if err != nil {
			return false, err
		}
		e.End = &j
	default:
		return false, nil
	}
	if err := f.fn(e); err != nil {
		return false, err
	}
	if m.id != "" {
		f.After = m.id
	}
	return e.End != nil, nil
}

// message is one server-sent event; event is empty for a comment.
type message struct {
	event, id string
	data      []byte
}

var errTooLong = errors.New("an event is longer than allowed")

type eventReader struct{ in *bufio.Reader }

func newEventReader(r io.Reader) *eventReader { return &eventReader{bufio.NewReaderSize(r, 64<<10)} }

// next is the next whole event; one that is cut off is dropped with the error.
func (r *eventReader) next() (message, error) {
	var m message
	seen := false
	for {
		line, err := r.line()
		if err != nil {
			return message{}, err
		}
		if len(line) == 0 {
			if seen {
				return m, nil
			}
			continue
		}
		if line[0] == ':' && !seen {
			return message{}, nil // a comment shows that the server is there
		}
		seen = true
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			m.event = string(value)
		case "id":
			m.id = strings.ReplaceAll(string(value), "\x00", "")
		case "data":
			if m.data != nil {
				m.data = append(m.data, '\n')
			}
			m.data = append(m.data, value...)
			if len(m.data) > maxEvent {
				return message{}, errTooLong
			}
		}
	}
}

func (r *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxEvent {
			continue
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, errTooLong
		}
		if err != nil {
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}
