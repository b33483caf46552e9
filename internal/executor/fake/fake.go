// Package fake runs attempts in memory: programs do what their arguments say
// and take the time that they say, but no process is started. It is for tests
// of what drives an executor, and for measuring it with thousands of jobs.
//
// The arguments are those of package executortest, and beyond them
//
//	lose             the agent is gone, as with its machine
//
// It knows no agents, packages or environments.
package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Clock is where time comes from. The zero value is the time package, which
// testing/synctest makes a fake one of.
type Clock struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

// Machine is what attempts run on. It outlives the executors that work on it,
// as a machine outlives servers.
type Machine struct {
	clock    Clock
	capacity executor.Capacity

	mu       sync.Mutex
	attempts map[string]*attempt // guarded by mu; by name
	port     int                 // guarded by mu; the last one given
}

// NewMachine returns a machine on which nothing runs.
func NewMachine(capacity executor.Capacity, clock Clock) *Machine {
	if clock.Now == nil {
		clock.Now = time.Now
	}
	if clock.After == nil {
		clock.After = time.After
	}
	return &Machine{clock: clock, capacity: capacity, attempts: map[string]*attempt{}, port: 20000}
}

// Executor runs attempts on a machine.
type Executor struct{ m *Machine }

var _ executor.Executor = (*Executor)(nil)

// New returns an executor of the machine.
func New(m *Machine) *Executor { return &Executor{m: m} }

// attempt is guarded by its machine's mu.
type attempt struct {
	runs    map[job.Replica][]*run // in the order of their numbers
	order   []job.Replica
	changed chan struct{} // closed at a change that no clock tells
}

func (a *attempt) change() {
	close(a.changed)
	a.changed = make(chan struct{})
}

type handle struct {
	Fake string `json:"fake"`
}

// find returns the attempt of a handle; the machine's mu is held.
func (m *Machine) find(s string) (*attempt, string, error) {
	var h handle
	if err := json.Unmarshal([]byte(s), &h); err == nil {
		if a := m.attempts[h.Fake]; a != nil {
			return a, h.Fake, nil
		}
	}
	return nil, h.Fake, fault.Errorf(fault.NotFound, "handle %q is not known to this machine", s)
}

func handleOf(name string) string {
	b, err := json.Marshal(handle{name})
	if err != nil {
		panic(err) // a string
	}
	return string(b)
}

// Capacity is the machine's.
func (e *Executor) Capacity(context.Context) (executor.Capacity, error) { return e.m.capacity, nil }

// Reserve gives addresses that are never given again.
func (e *Executor) Reserve(_ context.Context, a executor.Attempt) (map[job.Replica]string, error) {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	e.m.hold(a.Name)
	addresses := map[job.Replica]string{}
	for _, r := range a.Replicas {
		e.m.port++
		addresses[r.Replica] = fmt.Sprintf("fake-%d.invalid:%d", e.m.port, 2222)
	}
	return addresses, nil
}

// hold returns the attempt of a name, which is there afterwards; mu is held.
func (m *Machine) hold(name string) *attempt {
	at := m.attempts[name]
	if at == nil {
		at = &attempt{runs: map[job.Replica][]*run{}, changed: make(chan struct{})}
		m.attempts[name] = at
	}
	return at
}

// Start begins the runs that were not begun yet.
func (e *Executor) Start(_ context.Context, a executor.Attempt) (string, error) {
	plans := make([]plan, len(a.Replicas))
	for i, r := range a.Replicas {
		p, err := parse(r.Args)
		if err != nil {
			return "", err
		}
		plans[i] = p
	}
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	at := e.m.hold(a.Name)
	now := e.m.clock.Now()
	for i, r := range a.Replicas {
		runs := at.runs[r.Replica]
		if len(runs) > 0 && runs[len(runs)-1].number >= r.Run {
			continue
		}
		if runs == nil {
			at.order = append(at.order, r.Replica)
		}
		n := &run{number: r.Run, grace: r.Grace, plan: plans[i], begun: now}
		at.runs[r.Replica] = append(runs, n)
		if err := n.mark(now); err != nil {
			return "", err
		}
		at.change()
	}
	return handleOf(a.Name), nil
}

// Wait waits for the clock or for a change that somebody makes.
func (e *Executor) Wait(ctx context.Context, s string, seen executor.Status) (executor.Status, error) {
	for {
		st, next, changed, err := e.look(s)
		if err != nil {
			return executor.Status{}, err
		}
		if len(seen.Replicas) == 0 || !same(st, seen) {
			return st, nil
		}
		var tick <-chan time.Time
		if next > 0 {
			tick = e.m.clock.After(next)
		}
		select {
		case <-ctx.Done():
			return executor.Status{}, context.Cause(ctx)
		case <-changed:
		case <-tick:
		}
	}
}

// look says how an attempt stands, how long until it changes by itself (0 for
// never), and what tells of other changes.
func (e *Executor) look(s string) (st executor.Status, next time.Duration, changed <-chan struct{}, err error) {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	a, _, err := e.m.find(s)
	if err != nil {
		return st, 0, nil, err
	}
	now := e.m.clock.Now()
	for _, r := range a.order {
		n := a.runs[r][len(a.runs[r])-1]
		if err := n.mark(now); err != nil {
			return st, 0, nil, err
		}
		rs := n.status(now)
		rs.Replica = r
		st.Replicas = append(st.Replicas, rs)
		if d := n.next(now); d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	return st, next, a.changed, nil
}

func same(a, b executor.Status) bool {
	if len(a.Replicas) != len(b.Replicas) {
		return false
	}
	for i, x := range a.Replicas {
		y := b.Replicas[i]
		if x.Replica != y.Replica || x.Run != y.Run || x.State != y.State || len(x.Steps) != len(y.Steps) || (x.Exit == nil) != (y.Exit == nil) {
			return false
		}
	}
	return true
}

// List names all attempts that were reserved or started, and not removed.
func (e *Executor) List(context.Context) (map[string]string, error) {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	held := map[string]string{}
	for name := range maps.Keys(e.m.attempts) {
		held[name] = handleOf(name)
	}
	return held, nil
}
