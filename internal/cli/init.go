package cli

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/scaffold"
)

func newInit(a *App) *cobra.Command {
	kind, container := &textValue{text: "sklearn", kind: "NAME", check: framework}, false
	cmd := &cobra.Command{
		Use: "init [DIR]", Short: "Write the structure of a training application, with a program that works", Args: atMost("DIR"),
		Example: `  trainyard init digits --framework sklearn`,
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return runInit(a, dir, kind.text, container)
		},
	}
	cmd.Flags().Var(kind, "framework", strings.Join(scaffold.Frameworks(), ", "))
	cmd.Flags().BoolVar(&container, "custom-container", false, "write a Dockerfile, too; the README says what to do with it")
	return cmd
}

func framework(name string) (string, error) {
	if known := scaffold.Frameworks(); !slices.Contains(known, name) {
		return "", wrong("Invalid choice: '%s'. Valid choices are [%s].", name, strings.Join(known, ", "))
	}
	return name, nil
}

func runInit(a *App, dir, kind string, container bool) error {
	written, err := scaffold.Write(dir, kind, container)
	if err != nil {
		return err
	}
	for _, name := range written {
		a.Say("Wrote %s.", filepath.Join(dir, name))
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s: %w", dir, err)
	}
	name, cd := scaffold.Name(whole), ""
	if dir != "." {
		cd = "cd " + quote(dir) + " && "
	}
	if container {
		a.Say("The Dockerfile is for a server that runs images; README.md says what runs without one.")
	}
	a.Say("Try it:\n\n  %strainyard local train --package-path trainer --job-dir output\n  %[1]strainyard jobs submit training %[2]s_1 --package-path trainer --job-dir gs://trainyard-default/%[2]s_1 --stream-logs\n", cd, name)
	return nil
}
