package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/job"
)

func newWhy(a *App) *cobra.Command {
	return &cobra.Command{
		Example: "  trainyard jobs why my_job",
		Use:     "why JOB",
		Short:   "Say in a sentence what a job is doing, what it waits for, or why it failed",
		Long: "Say in a sentence what a job is doing, at any instant of its life: what it waits for, its place and who is ahead, when it may start;\n" +
			"which replica is behind; why it is tried again; or why it failed, where in your code, and what to do.\n\n" +
			"--format json has the facts: position, needs, lacks, holders, estimatedStart, failure …",
		Args: exactly("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error { return runWhy(cmd.Context(), a, args[0]) },
	}
}

func runWhy(ctx context.Context, a *App, id string) error {
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	w, err := c.Why(ctx, s.Project, id)
	if err != nil {
		return err
	}
	if s.Format != "" {
		f, err := a.format("yaml")
		if err != nil {
			return err
		}
		doc, err := format.Decode(w.Facts)
		if err != nil {
			return err
		}
		return f.PrintOne(a.Out, doc)
	}
	fmt.Fprintln(a.Out, w.Sentence)
	if w.Hint != "" {
		fmt.Fprintln(a.Out, "hint: "+w.Hint)
	}
	return nil
}

// sayWhatItWaitsFor says it beside a description, which the API's fields have
// no place for. A server that cannot tell is no reason to fail.
func sayWhatItWaitsFor(ctx context.Context, a *App, c *client.Client, project string, j client.Job) {
	if st := j.JobState(); st != job.Queued && st != job.Preparing && st != job.Cancelling {
		return
	}
	if w, err := c.Why(ctx, project, j.JobId); err == nil && w.Sentence != "" {
		a.Say("\n%s", w.Sentence)
	}
}
