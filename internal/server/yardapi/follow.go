package yardapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/server"
)

// state is the data of a state event.
type state struct {
	JobID     job.ID     `json:"jobId"`
	State     job.State  `json:"state"`
	StartTime *time.Time `json:"startTime,omitempty"`
	EndTime   *time.Time `json:"endTime,omitempty"`
	Error     string     `json:"errorMessage,omitempty"`
	Waiting   string     `json:"waiting,omitempty"`
	Version   int64      `json:"version"`
}

// pingInterval keeps connections open through whatever sits between, and lets
// both ends notice that the other is gone.
const pingInterval = 10 * time.Second

// follow streams states and log lines until the job has ended and every line
// was sent, then how the program ended and the job itself. The id of a log event is the cursor that
// resumes after it; states need none, since a new stream begins with the
// present one.
func (o Options) follow(w http.ResponseWriter, r *http.Request, j job.Job) {
	cursor := r.Header.Get("Last-Event-ID")
	if cursor == "" {
		cursor = r.URL.Query().Get("after")
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if stopping := server.Stopping(ctx); stopping != nil {
		go func() {
			select {
			case <-stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	s := newStream(w)
	defer s.close()

	g, both := errgroup.WithContext(ctx)
	g.Go(func() error { return o.states(both, s, j) })
	if r.URL.Query().Get("logs") != "false" {
		task := r.URL.Query().Get("task")
		g.Go(func() error {
			return o.Lines.Follow(both, j.Key, cursor, task, func(e logs.Entry, cursor string) error {
				return s.send("log", cursor, e)
			})
		})
	}
	done := make(chan struct{})
	pings := make(chan struct{})
	go func() {
		defer close(pings)
		t := time.NewTicker(pingInterval)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if s.comment("ping") != nil {
					cancel()
					return
				}
			case <-done:
				return
			}
		}
	}()
	err := g.Wait()
	close(done)
	<-pings
	if err != nil {
		if r.Context().Err() == nil && ctx.Err() == nil {
			o.Log.Error("following a job ended early", "job", j.Key, "err", err)
		}
		return
	}
	last, err := o.Jobs.Job(r.Context(), j.Key)
	if err != nil {
		return
	}
	if e, ok := o.exit(r.Context(), j.Key); ok {
		_ = s.send("exit", "", e)
	}
	if doc, err := o.Render(last); err == nil {
		_ = s.send("end", "", json.RawMessage(doc))
	}
}

// exit is the data of an exit event: how the job's program, which is its
// master's, ended at last.
type exit struct {
	Code   int    `json:"code"` // 128+n for signal n
	Signal string `json:"signal,omitempty"`
	Step   string `json:"step"` // "run" where it was the program that ended
}

func (o Options) exit(ctx context.Context, key job.Key) (exit, bool) {
	attempts, err := o.Jobs.Attempts(ctx, key)
	if err != nil || len(attempts) == 0 {
		return exit{}, false
	}
	for _, r := range attempts[len(attempts)-1].Replicas {
		if r.Role == job.Master && r.Exit != nil {
			return exit{r.Exit.Code, r.Exit.Signal, r.Exit.Step}, true
		}
	}
	return exit{}, false
}

// states sends the job's state now and whenever it changes, until it is final.
func (o Options) states(ctx context.Context, s *stream, j job.Job) error {
	var sent int64 = -1
	var waiting string
	for {
		changed, stop := o.Jobs.Watch(j.Key)
		now, err := o.Jobs.Job(ctx, j.Key)
		if err != nil {
			stop()
			return err
		}
		why := ""
		if now.State == job.Queued && o.Waiting != nil {
			why = o.Waiting(now.Key)
		}
		if now.Version != sent || why != waiting {
			sent, waiting = now.Version, why
			err := s.send("state", "", state{now.Key.ID, now.Shown(), moment(now.Started), moment(now.Ended), now.Error, why, now.Version})
			if err != nil {
				stop()
				return err
			}
		}
		if now.State.Final() {
			stop()
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
		stop()
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// stream writes events. What several goroutines send in quick succession goes
// out in one write: a flush is asked for and done apart, so that a program that
// prints a million lines does not cost a million system calls.
type stream struct {
	mu    sync.Mutex
	buf   *bufio.Writer // guarded by mu
	err   error         // guarded by mu; the first that writing gave
	flush func() error
	kick  chan struct{}
	gone  chan struct{}
}

func newStream(w http.ResponseWriter) *stream {
	s := &stream{
		buf: bufio.NewWriterSize(w, 64<<10), flush: http.NewResponseController(w).Flush,
		kick: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	go func() {
		defer close(s.gone)
		for range s.kick {
			s.mu.Lock()
			s.out()
			s.mu.Unlock()
		}
	}()
	return s
}

// out is called with mu held.
func (s *stream) out() {
	if s.err == nil {
		s.err = s.buf.Flush()
	}
	if s.err == nil {
		s.err = s.flush()
	}
}

func (s *stream) close() {
	close(s.kick)
	<-s.gone
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out()
}

func (s *stream) send(name, id string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("event: " + name + "\n")
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	fmt.Fprintf(&b, "data: %s\n\n", body)
	return s.write(b.String())
}

func (s *stream) comment(text string) error { return s.write(": " + text + "\n\n") }

func (s *stream) write(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		_, s.err = s.buf.WriteString(text)
	}
	select {
	case s.kick <- struct{}{}:
	default:
	}
	return s.err
}
