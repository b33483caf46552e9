package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/mlv1"
)

func newExportConfig(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "export-config JOB", Short: "Write a job as a file to submit it again with", Args: exactly("JOB"),
		Long: `Write a job as a configuration file: what makes it the same job again under another
name. Its packages stay where they are staged.`,
		Example: "  trainyard jobs export-config digits_1 > job.yaml\n  trainyard jobs submit training digits_2 --config job.yaml",
		RunE:    func(cmd *cobra.Command, args []string) error { return runExportConfig(cmd.Context(), a, args[0]) },
	}
}

func runExportConfig(ctx context.Context, a *App, id string) error {
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	j, err := c.Get(ctx, s.Project, id)
	if err != nil {
		return err
	}
	doc, err := mlv1.ParseConfig("job "+id, j.Raw)
	if err != nil {
		return err
	}
	f, err := a.format("yaml")
	if err != nil {
		return err
	}
	out, err := convert(mlv1.Export(doc))
	if err != nil {
		return err
	}
	return f.PrintOne(a.Out, out)
}
