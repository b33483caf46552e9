package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

func newConfig(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Look at and change settings", RunE: group, Args: cobra.ArbitraryArgs,
		Long: "Look at and change settings. Each is a key in the configuration file, an environment\nvariable (TRAINYARD_…) and, where a command has it, a flag, which wins. `trainyard\nconfig show` lists them all.",
	}
	names := cobra.FixedCompletions(config.Keys(), cobra.ShellCompDirectiveNoFileComp)
	cmd.AddCommand(
		&cobra.Command{
			Example: "  trainyard config set endpoint http://yard:8450",
			Use:     "set KEY VALUE", Short: "Write a setting into the configuration file", Args: exactly("KEY", "VALUE"), ValidArgsFunction: names,
			RunE: func(_ *cobra.Command, args []string) error {
				if err := valid(args[0], args[1]); err != nil {
					return err
				}
				return a.editConfig(func(path string) error { return config.Set(path, args[0], args[1]) }, args[0])
			},
		},
		&cobra.Command{
			Example: "  trainyard config unset endpoint",
			Use:     "unset KEY", Short: "Remove a setting from the configuration file", Args: exactly("KEY"), ValidArgsFunction: names,
			RunE: func(_ *cobra.Command, args []string) error {
				return a.editConfig(func(path string) error { return config.Unset(path, args[0]) }, args[0])
			},
		},
		&cobra.Command{
			Example: "  trainyard config get endpoint",
			Use:     "get KEY", Short: "Print the value of one setting", Args: exactly("KEY"), ValidArgsFunction: names,
			RunE: func(_ *cobra.Command, args []string) error { return runConfigGet(a, args[0]) },
		},
		&cobra.Command{
			Use: "list", Short: "Print the settings that are not at their default", Args: exactly(),
			RunE: func(*cobra.Command, []string) error { return runConfigShow(a, false) },
		},
		&cobra.Command{
			Use: "show", Short: "Print every setting and where it came from", Args: exactly(),
			RunE: func(*cobra.Command, []string) error { return runConfigShow(a, true) },
		},
	)
	return cmd
}

// valid checks what only the commands that use a setting know of it.
func valid(key, value string) (err error) {
	switch key {
	case "project":
		_, err = job.ParseProject(value)
	case "format":
		_, err = format.Parse(value)
	}
	return err
}

// editConfig changes the file, which may be one that cannot be loaded: setting
// a wrong value right must be possible.
func (a *App) editConfig(change func(path string) error, key string) error {
	s, loadErr := a.Config()
	if err := change(s.File); err != nil {
		return err
	}
	if a.Say("Updated %s.", s.File); loadErr == nil && s.SourceOf(key).Level > config.File {
		a.Warn("%s is also set by %s, which wins", key, s.SourceOf(key))
	}
	return nil
}

func runConfigGet(a *App, key string) error {
	s, err := a.Config()
	if err != nil {
		return err
	}
	for _, v := range s.Values() {
		if v.Key == key {
			_, err := fmt.Fprintln(a.Out, v.Value)
			return err
		}
	}
	return fault.Errorf(fault.Invalid, "unknown key %q", key).WithHint("%s", config.Suggest(key))
}

func runConfigShow(a *App, all bool) error {
	s, err := a.Config()
	if err != nil {
		return err
	}
	values := s.Values()[:0:0]
	for _, v := range s.Values() {
		if all || s.SourceOf(v.Key).Level != config.Default {
			values = append(values, v)
		}
	}
	if done, err := a.asked(values); done || err != nil {
		return err
	}
	if len(values) == 0 {
		a.Say("Every setting is at its default; see them with: trainyard config show")
	}
	const widest = 44 // a longer value, such as the regions, does not push the rest out of sight
	key, value := 0, 0
	for _, v := range values {
		key = max(key, len(v.Key))
		if n := len(v.Value); n <= widest {
			value = max(value, n)
		}
	}
	for _, v := range values {
		if _, err := fmt.Fprintf(a.Out, "%-*s  %-*s  %s\n", key, v.Key, value, v.Value, v.Source); err != nil {
			return err
		}
	}
	return nil
}
