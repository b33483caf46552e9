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
}

// write changes the status. That it cannot be written (a full disk) stops nothing.
func (r *reporter) write(change func(*status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.st)
	_ = writeJSON(r.path, r.st, false)
}

func (r *reporter) done(name string, start time.Time, note string) {
	r.write(func(st *status) {
		st.Steps = append(st.Steps, executor.Step{Name: name, Start: start.UTC(), Took: time.Since(start), Note: note})
	})
}
