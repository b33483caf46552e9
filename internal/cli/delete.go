package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/fault"
)

func newDelete(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "delete JOB …",
		Short: "Remove jobs that have ended",
		Long: `Remove jobs that have ended: their records and logs, what their failed runs left,
and the packages in the server's default bucket that were staged for them and
that no other job has. What the jobs wrote to storage stays. Their ids cannot
be used again.`,
		Example: `  trainyard jobs delete digits_1 digits_2
  trainyard jobs list --filter="state=FAILED" --format="value(jobId)" | xargs trainyard jobs delete --quiet`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("argument JOB: Must be specified.").withHint("see: %s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runDelete(cmd.Context(), a, args) },
	}
}

// runDelete looks at all jobs before it deletes any.
func runDelete(ctx context.Context, a *App, ids []string) error {
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	var todo []string
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		j, err := c.Get(ctx, s.Project, id)
		if err != nil {
			return err
		}
		if !j.JobState().Final() {
			return fault.Errorf(fault.Precondition, "job %s is %s; only a job that has ended can be deleted", id, j.JobState()).
				WithHint("end it first: trainyard jobs cancel %s", id)
		}
		todo = append(todo, id)
	}
	what := "job " + todo[0]
	if len(todo) > 1 {
		what = fmt.Sprintf("%d jobs", len(todo))
	}
	if a.InTTY && a.ErrTTY && !s.Quiet && !a.Ask("Delete "+what+", with records, logs and staged packages?") {
		return fault.Errorf(fault.Precondition, "nothing was deleted")
	}
	for _, id := range todo {
		if err := c.Delete(ctx, s.Project, id); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		a.Say("Deleted job [%s].", id)
	}
	return nil
}
