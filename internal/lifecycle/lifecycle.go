// Package lifecycle starts the parts of a program in order and stops them in
// reverse, within a grace period. It knows nothing of what the parts do.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Part is something that runs until it is told to stop.
type Part struct {
	Name string
	// Run works until ctx is cancelled, and has stopped completely when it
	// returns. It calls ready once, when the next part may start. Returning
	// before ctx is cancelled is a failure, even with a nil error.
	Run func(ctx context.Context, ready func()) error
}

// Run starts the parts in order, each when the one before is ready, and waits
// for ctx to be cancelled or for a part to fail. Then it stops them in reverse
// order; those that have not stopped after grace are named in the error and
// left behind.
func Run(ctx context.Context, grace time.Duration, parts ...Part) error {
	type running struct {
		name string
		stop context.CancelFunc
		done chan error
	}
	var (
		live   []running
		failed = make(chan error, len(parts))
		first  error
	)
start:
	for _, p := range parts {
		pctx, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := running{name: p.Name, stop: stop, done: make(chan error, 1)}
		ready := make(chan struct{})
		var once bool
		go func() {
			err := p.Run(pctx, func() {
				if !once {
					once = true
					close(ready)
				}
			})
			if pctx.Err() == nil {
				if err == nil {
					err = errors.New("stopped by itself")
				}
				failed <- fmt.Errorf("%s: %w", p.Name, err)
			}
			r.done <- err
		}()
		live = append(live, r)
		select {
		case <-ready:
		case first = <-failed:
			break start
		case <-ctx.Done():
			break start
		}
	}
	if first == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case first = <-failed:
		}
	}

	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	late := false
	for i := len(live) - 1; i >= 0; i-- {
		r := live[i]
		r.stop()
		if late {
			select {
			case <-r.done:
			default:
				first = errors.Join(first, fmt.Errorf("%s did not stop within %s", r.name, grace))
			}
			continue
		}
		select {
		case <-r.done:
		case <-deadline.C:
			late = true
			first = errors.Join(first, fmt.Errorf("%s did not stop within %s", r.name, grace))
		}
	}
	return first
}
