package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

type waitOptions struct {
	*App
	job     string
	timeout time.Duration
}

func newWait(a *App) *cobra.Command {
	o := &waitOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard jobs wait my_job --timeout 2h && echo it succeeded",
		Use:     "wait JOB",
		Short:   "Wait until a job has ended",
		Long:    "Wait until a job has ended and show it. The exit status is 0 when it succeeded\nand 1 when it failed, was cancelled, or the time-out passed.",
		Args:    exactly("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.job = args[0]
			return runWait(cmd.Context(), o)
		},
	}
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "give up after this long, as in 90s or 2h; 0 waits for ever")
	return cmd
}

func runWait(ctx context.Context, o *waitOptions) error {
	if o.timeout < 0 {
		return negative("timeout", o.timeout)
	}
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	var last client.Job
	state := job.Queued
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errTimeout)
		defer cancel()
	}
	err = c.Follow(ctx, s.Project, o.job, client.FollowOptions{NoLogs: true}, func(e client.Event) error {
		switch {
		case e.State != nil:
			state = e.State.State
		case e.End != nil:
			last = *e.End
		}
		return nil
	})
	if err != nil && context.Cause(ctx) == error(errTimeout) {
		return fault.Errorf(fault.Unavailable, "job %s is still %s after %s", o.job, state, o.timeout)
	}
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return &interruptError{"Interrupted; job " + o.job + " goes on."}
	}
	if err != nil {
		return err
	}
	if err := o.printJob(last, statusFormat); err != nil {
		return err
	}
	return o.outcome(last)
}

var errTimeout = fault.Errorf(fault.Unavailable, "the time-out passed")
