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
	Price    Pricer           // nil: nothing has a price
}

// Controller is the loop that moves jobs. Only Run changes anything; the other
// methods may be called while it runs.
type Controller struct {
	o Options

	// The loop's own; nobody else touches them.
	items    map[job.Key]*Item
	order    []*Item // the same, by Seq
	capacity executor.Capacity
	watches  map[job.Key]context.CancelFunc
	inbox    chan func()
	work     sync.WaitGroup

	mu   sync.Mutex
	live map[job.Key]*job.Attempt // guarded by mu; that go on; never changed in place

	// asking is held while the loop is waited for, so the loop never takes it.
	asking    sync.Mutex
	standings map[job.Key]Standing // guarded by asking; of the jobs that wait
	asked     time.Time            // guarded by asking; when standings were made
}

// fresh is how old an answer about the queue may be: with thousands of jobs it
// is not made anew for each question.
const fresh = 100 * time.Millisecond

// New makes a controller; nothing happens before Run.
func New(o Options) *Controller {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Controller{o: o, items: map[job.Key]*Item{}, watches: map[job.Key]context.CancelFunc{}, live: map[job.Key]*job.Attempt{}, inbox: make(chan func(), 64)}
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
	c.capacity = capacity
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
			name := it.name(a)
			if h, ok := held[name]; ok && a.State == job.AttemptCreated && a.Handle == "" {
				// It may have been started: the server ended before it could write
				// so down. What runs of it, the executor will say.
				it.Current = clone(a)
				it.Current.Handle, it.Current.State = h, job.AttemptStarted
			}
			delete(held, name)
		}
		// The next attempt may have been reserved, and no more: what is started
		// is stored first. It will be reserved anew under the same name, so it
		// cannot be swept beside the loop.
		if next := it.name(&job.Attempt{Number: w.Attempt + 1}); held[next] != "" {
			if err := c.o.Executor.Remove(ctx, held[next], 0); err != nil {
				c.o.Log.Error("a reservation is not freed", "attempt", next, "err", err)
			}
			delete(held, next)
		}
		c.add(it)
	}
	c.sweep(ctx, held)

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
		if c.quick(actions) {
			continue // what was written may call for more at once
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
	}
}

// add takes a job in; the loop's.
func (c *Controller) add(it *Item) {
	c.items[it.Key] = it
	at, _ := slices.BinarySearchFunc(c.order, it.Seq, func(x *Item, seq int64) int { return cmp.Compare(x.Seq, seq) })
	c.order = slices.Insert(c.order, at, it)
}

// drop lets go of a job; the loop's.
func (c *Controller) drop(it *Item) {
	delete(c.items, it.Key)
	at, ok := slices.BinarySearchFunc(c.order, it.Seq, func(x *Item, seq int64) int { return cmp.Compare(x.Seq, seq) })
	if ok {
		c.order = slices.Delete(c.order, at, at+1)
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
	return View{Capacity: capacity, Settings: c.o.Settings, Items: c.order}
}

// Standing says where a job stands that waits. It asks the loop, and answers
// "does not wait" when there is none.
func (c *Controller) Standing(ctx context.Context, key job.Key) (Standing, bool) {
	c.asking.Lock()
	defer c.asking.Unlock()
	// One that is not in the last answer may have come since.
	_, ok := c.standings[key]
	if now := c.o.Now(); !ok || now.Sub(c.asked) >= fresh || now.Before(c.asked) {
		answer := make(chan map[job.Key]Standing, 1) // its own, should the wait for it end first
		asked := c.inLoop(ctx, func() {
			if it := c.items[key]; it != nil && waits(it) {
				answer <- standings(c.snapshot(c.capacity))
			} else {
				close(answer)
			}
		})
		if !asked {
			return Standing{}, false
		}
		all, waits := <-answer
		if !waits {
			return Standing{}, false
		}
		c.standings, c.asked = all, now
	}
	s, ok := c.standings[key]
	return s, ok
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
					c.add(&Item{Work: job.Work{Job: j}})
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
