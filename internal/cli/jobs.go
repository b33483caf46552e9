package cli

import "github.com/spf13/cobra"

func newJobs(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "jobs", Short: "Submit and watch jobs", RunE: group, Args: cobra.ArbitraryArgs,
		Example: "  trainyard jobs submit training my_job --package-path trainer --stream-logs\n  trainyard jobs list --filter state=FAILED\n  trainyard jobs why my_job"}
	submit := &cobra.Command{Use: "submit", Short: "Submit a job", RunE: group, Args: cobra.ArbitraryArgs}
	submit.AddCommand(newSubmit(a, runSubmit))
	cmd.AddCommand(
		submit,
		newDescribe(a),
		newExportConfig(a),
		newList(a),
		newCancel(a),
		newWhy(a),
		newTop(a),
		newUpdate(a),
		newStreamLogs(a),
		newWait(a),
		newRerun(a),
		newDelete(a),
		newDiff(a),
	)
	return cmd
}
