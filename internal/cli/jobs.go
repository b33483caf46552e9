package cli

import "github.com/spf13/cobra"

func newJobs(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "jobs", Short: "Submit and watch jobs", RunE: group, Args: cobra.ArbitraryArgs}
	cmd.AddCommand(newCancel(a))
	return cmd
}
