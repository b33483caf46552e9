package agent

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"
)

var errStopped = errors.New("stopped on request")

// stoppable cancels the context when the process is told to end or the wish is
// found on disk.
func stoppable(ctx context.Context, d Folder) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, stopSignal)
	tick := time.NewTicker(stopTick)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ch:
				cancel(errStopped)
			case <-tick.C:
				if d.StopWished() {
					cancel(errStopped)
				}
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
		tick.Stop()
		signal.Stop(ch)
	}
}

// stopped says whether the run was told to end, also when no signal came: the
// wish may have been written before there was anybody to signal.
func (a *agent) stopped(ctx context.Context) error {
	if ctx.Err() != nil || a.dir.StopWished() {
		return errStopped
	}
	return nil
}
