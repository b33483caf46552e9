package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/executor/fake"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
)

// TestNoCrashLosesOrRepeatsAnything lives through many worlds: jobs of all
// kinds on a machine that goes on while the controllers on it die at any of
// their calls, before it or after it was done. Time is not real.
func TestNoCrashLosesOrRepeatsAnything(t *testing.T) {
	worlds := 15 // -count makes more
	if testing.Short() {
		worlds = 5
	}
	first := uint64(time.Now().UnixNano())
	for i := range worlds {
		seed := first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { live(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

// errDead is what a controller hears that was killed.
var errDead = errors.New("killed")

// fate kills a controller at its n-th call.
type fate struct {
	mu    sync.Mutex
	left  int  // guarded by mu; calls until it dies; negative for never
	after bool // what it dies at is done first
	dead  bool // guarded by mu
	kill  context.CancelFunc
	rng   *rand.Rand // guarded by mu
}

func (f *fate) delay() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Duration(f.rng.IntN(40)) * time.Millisecond
}

// meet says whether a call is made, and whether its caller hears of it.
func (f *fate) meet() (made, heard bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return false, false
	}
	if f.left--; f.left != -1 {
		return true, true
	}
	f.dead = true
	f.kill()
	return f.after, false
}

func mortal[T any](f *fate, call func() (T, error)) (T, error) {
	var zero T
	<-time.After(f.delay()) // others come in between
	made, heard := f.meet()
	if !made {
		return zero, errDead
	}
	v, err := call()
	if !heard {
		return zero, errDead
	}
	return v, err
}

func mortally(f *fate, call func() error) error {
	_, err := mortal(f, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// mortalStore is the store as a controller that may die has it.
type mortalStore struct {
	*store.Store
	f       *fate
	machine *fake.Machine
	t       *testing.T
}

func (s mortalStore) Apply(ctx context.Context, c job.Change) (job.Job, error) {
	return mortal(s.f, func() (job.Job, error) {
		j, err := s.Store.Apply(ctx, c)
		if err == nil && j.State.Final() {
			for n := 1; n <= maxRetries+1; n++ {
				if left := s.machine.Left(fmt.Sprintf(`{"fake":"j%d-a%d"}`, j.Seq, n)); left > 0 {
					s.t.Errorf("%s is %s while %d processes of its attempt %d run", j.Key.ID, j.State, left, n)
				}
			}
		}
		return j, err
	})
}

func (s mortalStore) Unfinished(ctx context.Context) ([]job.Work, error) {
	return mortal(s.f, func() ([]job.Work, error) { return s.Store.Unfinished(ctx) })
}

// mortalExecutor is the executor as a controller that may die has it. It sees
// to it that a controller does one thing at a time to an attempt.
type mortalExecutor struct {
	executor.Executor
	f  *fate
	t  *testing.T
	mu *sync.Mutex
	at map[string]string // guarded by mu; what is under way, by the attempt's name
}

func (x mortalExecutor) alone(name, what string) (done func()) {
	if n, ok := strings.CutPrefix(name, `{"fake":"`); ok {
		name = strings.TrimSuffix(n, `"}`)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if other := x.at[name]; other != "" {
		x.t.Errorf("%s of %s during its %s", what, name, other)
		return func() {}
	}
	x.at[name] = what
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.at, name)
	}
}

func (x mortalExecutor) Reserve(ctx context.Context, a executor.Attempt) (map[job.Replica]string, error) {
	defer x.alone(a.Name, "reserve")()
	return mortal(x.f, func() (map[job.Replica]string, error) { return x.Executor.Reserve(ctx, a) })
}

func (x mortalExecutor) Start(ctx context.Context, a executor.Attempt) (string, error) {
	defer x.alone(a.Name, "start")()
	return mortal(x.f, func() (string, error) { return x.Executor.Start(ctx, a) })
}

func (x mortalExecutor) Stop(ctx context.Context, h string) error {
	defer x.alone(h, "stop")()
	return mortally(x.f, func() error { return x.Executor.Stop(ctx, h) })
}

func (x mortalExecutor) Reap(ctx context.Context, h string) error {
	defer x.alone(h, "reap")()
	return mortally(x.f, func() error { return x.Executor.Reap(ctx, h) })
}

func (x mortalExecutor) Remove(ctx context.Context, h string, keep time.Duration) error {
	defer x.alone(h, "remove")()
	return mortally(x.f, func() error { return x.Executor.Remove(ctx, h, keep) })
}

// wish is a job of a world and what must become of it.
type wish struct {
	args      string
	replicas  int
	cancelled bool
	states    []job.State
	starts    [2]int // of programs: at least, at most
}

// life draws a job.
func life(rng *rand.Rand) wish {
	n := 1 + 2*rng.IntN(2)
	switch rng.IntN(8) {
	case 0, 1, 2:
		return wish{"run 3s exit 0", n, false, []job.State{job.Succeeded}, [2]int{n, n}}
	case 3:
		return wish{"run 2s exit 3", n, false, []job.State{job.Failed}, [2]int{n, n}}
	case 4: // five restarts in each of an attempt and its three repetitions
		return wish{"run 1s exit 130", 1, false, []job.State{job.Failed}, [2]int{24, 24}}
	case 5:
		return wish{"run 1s lose", 1, false, []job.State{job.Failed}, [2]int{24, 24}}
	case 6:
		return wish{"run 2s exit 0", n, true, []job.State{job.Succeeded, job.Cancelled}, [2]int{0, n}}
	default:
		return wish{"run forever", n, true, []job.State{job.Cancelled}, [2]int{0, n}}
	}
}

func live(t *testing.T, rng *rand.Rand) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	dir := t.TempDir()
	s, err := store.Open(ctx, filepath.Join(dir, "jobs.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	machine := fake.NewMachine(executor.Capacity{CPUs: 4}, fake.Clock{})

	// The controllers, one after the other.
	immortal := make(chan struct{}) // closed when the next one is not to die
	over := make(chan struct{})
	fates := rand.New(rand.NewPCG(rng.Uint64(), 2))
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			mine, kill := context.WithCancel(ctx)
			f := &fate{left: 1 + fates.IntN(25), after: fates.IntN(2) == 0, kill: kill, rng: rand.New(rand.NewPCG(fates.Uint64(), 3))}
			select {
			case <-immortal:
				f.left = -2
			default:
			}
			c := New(Options{Store: mortalStore{s, f, machine, t}, Executor: mortalExecutor{fake.New(machine), f, t, &sync.Mutex{}, map[string]string{}}, Log: slog.New(slog.DiscardHandler),
				Settings: Settings{Grace: 2 * time.Second, MaxParallel: 4}})
			if err := c.Run(mine, func() {}); err != nil && !errors.Is(err, errDead) && mine.Err() == nil {
				t.Errorf("Run: %v", err)
			}
			kill()
			// Nobody is there for a while: programs end, users change their minds.
			<-time.After(time.Duration(fates.IntN(2000)) * time.Millisecond)
		}
	}()

	wishes := map[job.ID]wish{}
	for i := range 12 {
		w, id := life(rng), job.ID(fmt.Sprintf("j%d", i))
		spec := job.Spec{Key: job.Key{Project: "p", ID: id}, Primary: "master", Module: "m",
			Args:   append([]string{"mark", filepath.Join(dir, string(id))}, strings.Fields(w.args)...),
			Groups: []job.Group{{Role: job.Master, Count: 1, Need: job.Need{CPUs: 1}}}}
		if w.replicas > 1 {
			spec.Groups = append(spec.Groups, job.Group{Role: job.Worker, Count: w.replicas - 1, Need: job.Need{CPUs: 1}})
		}
		if _, made, err := s.Create(ctx, store.New{Spec: spec, Document: []byte("{}"), RequestID: string(id)}); err != nil || !made {
			t.Fatalf("create %s: %t, %v", id, made, err)
		}
		wishes[id] = w
		if w.cancelled {
			time.AfterFunc(time.Duration(rng.IntN(8000))*time.Millisecond, func() {
				if _, err := s.RequestCancel(ctx, spec.Key, "enough"); err != nil {
					t.Errorf("cancel %s: %v", id, err)
				}
			})
		}
		<-time.After(time.Duration(rng.IntN(1500)) * time.Millisecond)
	}
	<-time.After(time.Duration(rng.IntN(600)) * time.Second)
	close(immortal)
	<-time.After(2 * time.Hour)

	for id, w := range wishes {
		j, err := s.Job(ctx, job.Key{Project: "p", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		ok := false
		for _, want := range w.states {
			ok = ok || j.State == want
		}
		if !ok || j.Ended.IsZero() {
			t.Errorf("%s (%s, %d replicas) is %s, ended %s, want one of %v: %s", id, w.args, w.replicas, j.State, j.Ended, w.states, j.Error)
		}
		mark, err := os.ReadFile(filepath.Join(dir, string(id)))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if n := strings.Count(string(mark), "\n"); n < w.starts[0] || n > w.starts[1] {
			t.Errorf("programs of %s (%s, %d replicas) were started %d times, want %d to %d", id, w.args, w.replicas, n, w.starts[0], w.starts[1])
		}
	}
	held, err := fake.New(machine).List(ctx)
	if err != nil || len(held) > 0 {
		t.Errorf("the machine still holds %v, %v", held, err)
	}
	if list, err := s.Unfinished(ctx); err != nil || len(list) > 0 {
		t.Errorf("%d jobs are unfinished, %v", len(list), err)
	}
	end()
	<-over
}
