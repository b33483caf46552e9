package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
)

func newRoot(a *App) *cobra.Command {
	root := &cobra.Command{
		Use:   "trainyard",
		Short: "Package, run and watch Python training jobs",
		Long: `Trainyard packages a Python training application, stages it in object storage and
runs it: on this machine, or on a server that you point it at.

Exit status: 0 when it worked, 1 when it did not, 2 when the command line is
wrong, 130 when it was interrupted.`,
		Example: `  trainyard init my_app && cd my_app
  trainyard jobs submit training my_job --package-path trainer --stream-logs
  trainyard jobs list`,
		Version:           a.Programs.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.parsed(cmd) },
		RunE:              group,
		Args:              cobra.ArbitraryArgs,
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate(versionLine(a))
	root.SetHelpCommand(newHelp())
	root.CompletionOptions.DisableDescriptions = false

	f := root.PersistentFlags()
	f.StringVar(&a.configFile, "config-file", "", "configuration file (default $XDG_CONFIG_HOME/trainyard/config.yaml)")
	for _, name := range []string{"endpoint", "project", "token-file", "format"} {
		f.String(name, "", config.Help(name))
	}
	f.String("access-token-file", "", "the original's name for --token-file")
	_ = f.MarkHidden("access-token-file")
	f.BoolP("quiet", "q", false, config.Help("quiet"))
	original(f)

	root.AddCommand(
		newJobs(a),
		newLocal(a),
		newInit(a),
		newPackage(a),
		newCheck(a),
		newStorage(a),
		newRuntimes(a),
		newEnvironments(a),
		newConfig(a),
		newVersion(a),
		newServe(a),
		newServer(a),
		newAgent(a),
	)
	// The original's spelling, so that "alias gcloud=trainyard" keeps a script
	// running.
	for _, track := range []string{"", "beta", "alpha"} {
		in := root
		if track != "" {
			in = &cobra.Command{Use: track, Hidden: true, RunE: group, Args: cobra.ArbitraryArgs}
			root.AddCommand(in)
		}
		for _, name := range []string{"ai-platform", "ml-engine"} {
			tree := &cobra.Command{Use: name, Short: "The jobs commands under the original's name", Hidden: name != "ai-platform" || track != "", RunE: group, Args: cobra.ArbitraryArgs}
			tree.AddCommand(newJobs(a), newLocal(a))
			in.AddCommand(tree)
		}
	}
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // a shell that it does not know is a mistake, not a wish for help
			c.RunE, c.Args = group, cobra.ArbitraryArgs
		}
	}
	return root
}

// original takes the flags that every gcloud command has and that mean nothing
// here.
func original(f *pflag.FlagSet) {
	for _, name := range []string{"account", "billing-project", "configuration", "impersonate-service-account", "trace-token", "verbosity"} {
		f.String(name, "", "accepted and ignored")
		_ = f.MarkHidden(name)
	}
	for _, name := range []string{"log-http", "no-log-http"} {
		f.Bool(name, false, "accepted and ignored")
		_ = f.MarkHidden(name)
	}
	f.Bool("user-output-enabled", true, "print anything at all")
	f.Bool("no-user-output-enabled", false, "print nothing")
	_ = f.MarkHidden("user-output-enabled")
	_ = f.MarkHidden("no-user-output-enabled")
}

// ownFlag marks a flag that has a setting's name and is none.
const ownFlag = "own"

func noSetting(f *pflag.FlagSet, name string) { _ = f.SetAnnotation(name, ownFlag, nil) }

// parsed collects the given flags that are settings.
func (a *App) parsed(cmd *cobra.Command) error {
	a.flags = map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		name := f.Name
		if name == "access-token-file" {
			name = "token-file"
		}
		if _, own := f.Annotations[ownFlag]; !own && config.Known(name) {
			a.flags[name] = f.Value.String()
		}
	})
	on, _ := cmd.Flags().GetBool("user-output-enabled")
	if off, _ := cmd.Flags().GetBool("no-user-output-enabled"); off || !on {
		a.Out, a.Err, a.ErrTTY = io.Discard, io.Discard, false
	}
	return nil
}

// group is a command that only has commands below it.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	e := usagef("unknown command %q for %q", args[0], cmd.CommandPath())
	if near := nearest(cmd, args[0]); len(near) > 0 {
		return e.withHint("did you mean %s?", strings.Join(near, " or "))
	}
	return e.withHint("see: %s --help", cmd.CommandPath())
}

// nearest are the commands that somebody may have meant by a word: those here
// that are written like it, else those elsewhere that have this very name.
func nearest(cmd *cobra.Command, word string) (near []string) {
	best := min(2, (len(word)+1)/3)
	for _, c := range cmd.Commands() {
		if c.Hidden {
			continue
		}
		d := fault.Distance(strings.ToLower(word), c.Name())
		switch {
		case slices.Contains(c.SuggestFor, word), d == 0:
			d = 0
		case len(word) > 2 && strings.HasPrefix(c.Name(), word):
			d = 1
		}
		if d < best {
			near, best = nil, d
		}
		if d == best {
			near = append(near, c.Name())
		}
	}
	if len(near) == 0 {
		near = called(cmd.Root(), word)
	}
	return near[:min(len(near), 3)]
}

// called are the commands below one that have a name, or are suggested for it.
func called(in *cobra.Command, name string) (paths []string) {
	for _, c := range in.Commands() {
		switch {
		case c.Hidden, c.Name() == "ai-platform", c.Name() == "help":
		case c.Name() == name, slices.Contains(c.SuggestFor, name):
			paths = append(paths, "`"+c.CommandPath()+"`")
		default:
			paths = append(paths, called(c, name)...)
		}
	}
	return paths
}

// newHelp is cobra's command, which takes a word that is no command for a wish
// for help of what is above it.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Show the help of a command",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			if in, _, err := c.Root().Find(args); err == nil {
				for _, sub := range in.Commands() {
					if !sub.Hidden {
						names = append(names, sub.Name())
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			in, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 && in.HasSubCommands() {
				return group(in, rest)
			}
			in.InitDefaultHelpFlag()
			return in.Help()
		},
	}
}

// atMost takes so many positional arguments as there are names.
func atMost(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return exactly(names[:min(len(args), len(names))]...)(cmd, args)
	}
}

// exactly wants n positional arguments, named for the message.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("argument %s: Must be specified.", strings.Join(names[len(args):], " ")).withHint("see: %s --help", cmd.CommandPath())
		case len(args) > len(names):
			return usagef("unrecognized arguments: %s", strings.Join(args[len(names):], " ")).withHint("see: %s --help", cmd.CommandPath())
		}
		return nil
	}
}
