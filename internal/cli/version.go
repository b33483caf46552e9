package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.Out, versionLine(a))
			return err
		},
	}
}

func versionLine(a *App) string {
	return fmt.Sprintf("trainyard %s (build %s, %s, %s/%s)\n", a.Programs.Version, a.Programs.Build, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
