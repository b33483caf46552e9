package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/fault"
)

func newRuntimes(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "runtimes", Short: "See and prepare the runtime versions that jobs may ask for", RunE: group, Args: cobra.ArbitraryArgs,
		Long: `A runtime version is a Python with packages, each at one version: AI Platform's
1.15 and 2.1 to 2.11, current ones, the bare Pythons of the machine, and what a
site adds. A job asks for one with --runtime-version; what it installs itself
comes before the runtime's packages, which stay otherwise.`,
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the runtime versions", Args: exactly(),
			RunE: func(cmd *cobra.Command, _ []string) error { return runRuntimesList(cmd.Context(), a) },
		},
		&cobra.Command{
			Example: "  trainyard runtimes describe 2.11",
			Use:     "describe VERSION", Short: "Show a runtime version with all its packages", Args: exactly("VERSION"),
			RunE: func(cmd *cobra.Command, args []string) error { return runRuntimesDescribe(cmd.Context(), a, args[0]) },
		},
		newRuntimesPrepare(a),
		newRuntimesAdd(a),
	)
	return cmd
}

func runRuntimesList(ctx context.Context, a *App) error {
	_, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	list, err := c.Runtimes(ctx)
	if err != nil {
		return err
	}
	return a.printRaw("table(version, python.list(), main.list():label=WITH, state, status, title)", list...)
}

func runRuntimesDescribe(ctx context.Context, a *App, version string) error {
	_, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	raw, err := c.Runtime(ctx, version)
	if err != nil {
		return err
	}
	return a.printOneRaw(raw)
}

// printRaw prints answers of the server as rows.
func (a *App) printRaw(own string, list ...json.RawMessage) error {
	f, err := a.format(own)
	if err != nil {
		return err
	}
	docs := []any{}
	for _, raw := range list {
		doc, err := format.Decode(raw)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if len(docs) == 0 {
		a.Say("Listed 0 items.")
	}
	return f.Print(a.Out, docs)
}

func (a *App) printOneRaw(raw json.RawMessage) error {
	f, err := a.format("yaml")
	if err != nil {
		return err
	}
	doc, err := format.Decode(raw)
	if err != nil {
		return err
	}
	return f.PrintOne(a.Out, doc)
}

type prepareOptions struct {
	*App
	version, python string
}

func newRuntimesPrepare(a *App) *cobra.Command {
	o := &prepareOptions{App: a}
	cmd := &cobra.Command{
		Use: "prepare VERSION", Short: "Download and install a runtime version's packages ahead of the first job",
		Example: "  trainyard runtimes prepare 2.11", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.version = args[0]
			return runRuntimesPrepare(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.python, "python-version", "", "one of the version's Pythons; the best that is there by default")
	return cmd
}

func runRuntimesPrepare(ctx context.Context, o *prepareOptions) error {
	_, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	cached, err := c.PrepareRuntime(ctx, o.version, o.python, func(line string) { o.tell("%s", line) })
	if err != nil {
		return err
	}
	if cached {
		o.tell("Runtime version %s is ready; it was before.", o.version)
		return nil
	}
	o.tell("Runtime version %s is ready, after %s.", o.version, fmt.Sprintf("%.1f s", time.Since(start).Seconds()))
	return nil
}

func newRuntimesAdd(a *App) *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use: "add FILE", Short: "Add a runtime version of your own to the server", Args: exactly("FILE"),
		Long: `Add a runtime version of your own to the server, which jobs then name like others.

FILE is YAML: version, python (a list of lines, the best first) and requires (a
list of requirements), or packages (NAME==VERSION, with sha256:… digests where
wanted) for an exact set. Optional: title, released, and deprecated and ends,
the dates from which jobs are warned and refused.`,
		Example: "  trainyard runtimes add house.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			_, c, err := a.connected(cmd.Context())
			if err != nil {
				return err
			}
			raw, err := c.AddRuntime(cmd.Context(), args[0], replace)
			if rest, ok := strings.CutPrefix(fmt.Sprint(err), "the file: "); ok { // the server knows no name of it
				return fault.Errorf(fault.KindOf(err), "%s: %s", args[0], rest).WithHint("%s", fault.HintOf(err))
			}
			if err != nil {
				return err
			}
			return a.printOneRaw(raw)
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a version that is there already")
	return cmd
}
