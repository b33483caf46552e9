package control

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Store is what the loop asks of the job store.
type Store interface {
	Job(ctx context.Context, key job.Key) (job.Job, error)
	Unfinished(ctx context.Context) ([]job.Work, error)
	Apply(ctx context.Context, c job.Change) (job.Job, error)
	// News waits until jobs were created or wished to end.
	News(ctx context.Context) ([]job.Key, error)
}

// Options are what a controller is made of.
type Options struct {
	Store    Store
	Executor executor.Executor
	Settings Settings
	Log      *slog.Logger
	Now      func() time.Time // nil for the clock
}

// Controller is the loop that moves jobs. Only Run changes anything; the other
// methods may be called while it runs.
type Controller struct {
	o Options

	// The loop's own; nobody else touches them.
	items   map[job.Key]*Item
	watches map[job.Key]context.CancelFunc
	inbox   chan func()
	work    sync.WaitGroup

	mu   sync.Mutex
	view View // guarded by mu; a copy for questions
}

// New makes a controller; nothing happens before Run.
func New(o Options) *Controller {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Controller{o: o, items: map[job.Key]*Item{}, watches: map[job.Key]context.CancelFunc{}, inbox: make(chan func(), 64)}
}

// pause is how long a job is left alone after something about it failed that
// may go away by itself.
const pause = time.Second

// Run works until ctx is cancelled. What runs goes on without it, and the next
// Run on the same store and executor takes it up where it is.
func (c *Controller) Run(ctx context.Context, ready func()) error {
	capacity, err := c.o.Executor.Capacity(ctx)
	if err != nil {
		return fmt.Errorf("ask the executor for its capacity: %w", err)
	}
	list, err := c.o.Store.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("read the unfinished jobs: %w", err)
	}
	held, err := c.o.Executor.List(ctx)
	if err != nil {
		return fmt.Errorf("list what the executor holds: %w", err)
	}
	for _, w := range list {
		it := &Item{Work: w}
		if a := w.Current; a != nil {
			name := fmt.Sprintf("j%d-a%d", w.Seq, a.Number)
			if a.State == job.AttemptCreated && a.Handle == "" {
				// It was started, but the server ended before it could write so down.
				if h, ok := held[name]; ok {
					adopted := clone(a)
					adopted.Handle, adopted.State = h, job.AttemptStarted
					for i := range adopted.Replicas {
						adopted.Replicas[i].State = job.ReplicaPending
					}
					it.Current = adopted
				}
			}
			// What was about to be started may have been or not: it is asked for
			// again, which starts nothing twice.
			if it.Current.Handle != "" && !w.State.Final() && it.Current.State != job.AttemptDone && it.Current.State != job.AttemptStopping {
				again := clone(it.Current)
				for i := range again.Replicas {
					if again.Replicas[i].State == job.ReplicaPreparing {
						again.Replicas[i].State = job.ReplicaPending
					}
				}
				it.Current = again
			}
			delete(held, name)
		}
		c.items[w.Key] = it
	}
	c.sweep(ctx, held)
	c.publish(capacity)

	inner, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		c.drain()
	}()
	c.work.Go(func() { c.listen(inner) })
	for _, it := range c.items {
		c.attend(inner, it)
	}
	ready()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		actions, wake := Decide(c.o.Now(), c.snapshot(capacity))
		for _, a := range actions {
			c.do(inner, a)
		}
		if len(actions) > 0 {
			c.publish(capacity)
			if c.quick(actions) {
				continue // what was written may call for more at once
			}
		}
		if wake.IsZero() {
			timer.Reset(time.Hour)
		} else {
			timer.Reset(max(0, wake.Sub(c.o.Now())))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case fn := <-c.inbox:
			fn()
			for range len(c.inbox) { // whatever else has come meanwhile
				(<-c.inbox)()
			}
		}
		c.publish(capacity)
	}
}

// quick reports whether any action was done on the spot.
func (c *Controller) quick(actions []Action) bool {
	return slices.ContainsFunc(actions, func(a Action) bool { return a.Kind == Write })
}

// drain waits for what is under way when the loop ends, so that nothing writes
// after Run has returned.
func (c *Controller) drain() {
	done := make(chan struct{})
	go func() { c.work.Wait(); close(done) }()
	for {
		select {
		case <-c.inbox:
		case <-done:
			return
		}
	}
}

// send hands the loop something to do; false when it has ended.
func (c *Controller) send(ctx context.Context, fn func()) bool {
	select {
	case c.inbox <- fn:
		return true
	case <-ctx.Done():
		return false
	}
}

// snapshot is what Decide sees. Only the loop calls it; items are its own.
func (c *Controller) snapshot(capacity executor.Capacity) View {
	v := View{Capacity: capacity, Settings: c.o.Settings, Items: make([]*Item, 0, len(c.items))}
	for _, it := range c.items {
		v.Items = append(v.Items, it)
	}
	slices.SortFunc(v.Items, func(a, b *Item) int { return cmp.Compare(a.Seq, b.Seq) })
	return v
}

// publish makes a copy for questions from outside.
func (c *Controller) publish(capacity executor.Capacity) {
	v := c.snapshot(capacity)
	for i, it := range v.Items {
		copied := *it
		v.Items[i] = &copied
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view = v
}

// Waiting says why a job waits and how many are before it; ok is false for one
// that does not wait.
func (c *Controller) Waiting(key job.Key) (reason string, before int, ok bool) {
	c.mu.Lock()
	v := c.view
	c.mu.Unlock()
	return Waiting(v, key)
}

// listen takes up jobs that were created or cancelled.
func (c *Controller) listen(ctx context.Context) {
	for {
		keys, err := c.o.Store.News(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.o.Log.Error("waiting for new jobs failed", "err", err)
			if !sleep(ctx, pause) {
				return
			}
			continue
		}
		for _, key := range keys {
			c.refresh(ctx, key)
		}
	}
}

// refresh reads a job again and gives it to the loop.
func (c *Controller) refresh(ctx context.Context, key job.Key) {
	for {
		j, err := c.o.Store.Job(ctx, key)
		if err == nil {
			c.send(ctx, func() {
				if it := c.items[key]; it != nil {
					it.Job.Cancel, it.Job.Version, it.Job.Labels = j.Cancel, j.Version, j.Labels
				} else if !j.State.Final() && j.Attempt == 0 {
					c.items[key] = &Item{Work: job.Work{Job: j}}
				}
			})
			return
		}
		if ctx.Err() != nil || fault.Is(err, fault.NotFound) {
			return
		}
		c.o.Log.Error("reading a job failed", "job", key, "err", err)
		if !sleep(ctx, pause) {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
