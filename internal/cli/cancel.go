package cli

import (
	"github.com/spf13/cobra"
)

func newCancel(a *App) *cobra.Command {
	return &cobra.Command{
		Example: "  trainyard jobs cancel my_job",
		Use:     "cancel JOB",
		Short:   "Ask a job to end",
		Long:    "Ask a job to end: its programs get SIGTERM and, after a grace period, SIGKILL.\nA job that has ended is no error.",
		Args:    exactly("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, c, err := a.connected(ctx)
			if err != nil {
				return err
			}
			return c.Cancel(ctx, s.Project, args[0])
		},
	}
}
