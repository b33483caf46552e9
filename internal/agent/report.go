package agent

import (
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
)

// reporter keeps status.json.
type reporter struct {
	path string
	mu   sync.Mutex
	st   status // guarded by mu

	behind bool // guarded by mu; steps are not written yet
}

// write changes the status. That it cannot be written (a full disk) stops nothing.
func (r *reporter) write(change func(*status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.st)
	r.behind = false
	_ = writeJSON(r.path, r.st, false)
}

// brief is how short a step may be for nobody to want to hear of it before the
// next write: a file more is what a start in a crowd is slowed by.
const brief = 50 * time.Millisecond

// done adds a step. A brief one is told with the next, if that is as brief.
func (r *reporter) done(name string, start time.Time, note string) {
	s := executor.Step{Name: name, Start: start.UTC(), Took: time.Since(start), Note: note}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.Steps = append(r.st.Steps, s)
	if r.behind = s.Took < brief; !r.behind {
		_ = writeJSON(r.path, r.st, false)
		return
	}
	time.AfterFunc(brief, r.tell)
}

// tell writes what has not been told.
func (r *reporter) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.behind {
		r.behind = false
		_ = writeJSON(r.path, r.st, false)
	}
}
