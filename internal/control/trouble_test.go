package control

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/executor/fake"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
)

// unwell is a machine on which starts fail: those from one on, and so many.
type unwell struct {
	executor.Executor
	from, many int32
	err        error
	starts     *atomic.Int32
}

func (x unwell) Start(ctx context.Context, a executor.Attempt) (string, error) {
	if n := x.starts.Add(1); n >= x.from && n < x.from+x.many {
		return "", x.err
	}
	return x.Executor.Start(ctx, a)
}

func TestWhatCannotBeStartedIsTriedAgainOrSaid(t *testing.T) {
	broken := errors.New("fork: a secret of the machine")
	full := fault.Errorf(fault.Full, "the disk of the server is full")
	wrong := fault.Errorf(fault.Invalid, "the image has no such program")
	for _, tt := range []struct {
		name       string
		args       string
		from, many int32
		err        error
		want       job.State
		said       string // in the job's error, or in why when it is not over within a minute
		starts     int32
	}{
		{"an error of ours goes away", "exit 0", 1, 2, broken, job.Succeeded, "", 3},
		{"an error of ours stays", "exit 0", 1, 1000, broken, job.Failed, "Internal error occurred for the current attempt", 3},
		{"a full disk is waited for", "exit 0", 1, 20, full, job.Succeeded, "", 21},
		{"a full disk is told of", "exit 0", 1, 1000, full, job.Preparing, "the disk of the server is full", 0},
		{"a wrong request is the end", "exit 0", 1, 1000, wrong, job.Failed, "could not be started: the image has no such program", 1},
		{"one that cannot be started again takes the others with it", "exit 130", 2, 1000, wrong, job.Failed, "could not be started", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, end := context.WithCancel(t.Context())
				s, err := store.Open(ctx, filepath.Join(t.TempDir(), "jobs.db"), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				machine := fake.NewMachine(executor.Capacity{CPUs: 4}, fake.Clock{})
				x := unwell{fake.New(machine), tt.from, tt.many, tt.err, &atomic.Int32{}}
				c := New(Options{Store: s, Executor: x, Log: slog.New(slog.DiscardHandler), Settings: Settings{Grace: time.Second}})
				over := make(chan error, 1)
				go func() { over <- c.Run(ctx, func() {}) }()
				key := job.Key{Project: "p", ID: "j"}
				spec := job.Spec{Key: key, Primary: "master", Module: "m", Args: strings.Fields(tt.args),
					Groups: []job.Group{{Role: job.Master, Count: 1, Need: job.Need{CPUs: 1}}, {Role: job.Worker, Count: 1, Need: job.Need{CPUs: 1}}}}
				if _, _, err := s.Create(ctx, store.New{Spec: spec, Document: []byte("{}")}); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				j, err := s.Job(ctx, key)
				if err != nil {
					t.Fatal(err)
				}
				w, err := c.Why(ctx, j, s)
				if err != nil {
					t.Fatal(err)
				}
				if j.State != tt.want || !strings.Contains(j.Error+w.Sentence, tt.said) || !strings.Contains(w.Sentence, tt.said) {
					t.Errorf("it is %s, error %q, why %q; want %s and %q", j.State, j.Error, w.Sentence, tt.want, tt.said)
				}
				if strings.Contains(j.Error+w.Sentence, "secret") {
					t.Errorf("it tells %q and %q", j.Error, w.Sentence)
				}
				if n := x.starts.Load(); tt.starts > 0 && n != tt.starts {
					t.Errorf("%d starts, want %d", n, tt.starts)
				}
				if tt.want.Final() {
					if s, waits := c.Standing(ctx, key); waits {
						t.Errorf("it is over, and %s", s.Reason())
					}
					if held, err := x.List(ctx); err != nil || len(held) > 0 {
						t.Errorf("the machine still holds %v, %v", held, err)
					}
				}
				end()
				if err := <-over; err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
