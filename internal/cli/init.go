package cli

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/scaffold"
)

func newInit(a *App) *cobra.Command {
	kind := ""
	cmd := &cobra.Command{
		Use: "init [DIR]", Short: "Write the structure of a training application, with a program that works", Args: cobra.MaximumNArgs(1),
		Example: `  trainyard init digits --framework sklearn`,
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return runInit(a, dir, kind)
		},
	}
	cmd.Flags().StringVar(&kind, "framework", "sklearn", strings.Join(scaffold.Frameworks(), ", "))
	return cmd
}

func runInit(a *App, dir, kind string) error {
	written, err := scaffold.Write(dir, kind)
	if err != nil {
		return err
	}
	for _, name := range written {
		a.Say("Wrote %s.", name)
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s: %w", dir, err)
	}
	name, cd := scaffold.Name(whole), ""
	if dir != "." {
		cd = "cd " + quote(dir) + " && "
	}
	a.Say("Try it:\n\n  %strainyard jobs submit training %s_1 --package-path trainer --job-dir gs://trainyard-default/%[2]s_1 --stream-logs\n", cd, name)
	return nil
}
