package agent

import (
	"context"
	"os"
	"os/signal"
	"time"
)

// stoppable cancels the context when the process is told to end or the wish is
// found on disk.
func stoppable(ctx context.Context, d Folder) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, stopSignal)
	tick := time.NewTicker(stopTick)
	if d.StopWished() {
		cancel(errStopped)
	}
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

func stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
