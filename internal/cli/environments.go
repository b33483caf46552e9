package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
)

func newEnvironments(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "environments", Short: "See and remove the Python environments that jobs run in", RunE: group, Args: cobra.ArbitraryArgs,
		Long: `The server keeps what jobs run in, in layers: runtime versions, dependencies,
programs, and the packages that programs were built from. Later jobs use them
again. What was used longest ago goes when they take more than the setting
environments-size.`,
	}
	var ofJob bool
	inspect := &cobra.Command{
		Use: "inspect KEY", Short: "Show what is in an environment, or in a job's", Args: exactly("KEY"),
		Example: "  trainyard environments inspect 3f9a\n  trainyard environments inspect --job my_job",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, c, err := a.connected(cmd.Context())
			if err != nil {
				return err
			}
			if ofJob {
				raw, err := c.JobEnvironment(cmd.Context(), s.Project, args[0])
				if err != nil {
					return err
				}
				return a.printOneRaw(raw)
			}
			raw, err := c.Environment(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printOneRaw(raw)
		},
	}
	inspect.Flags().BoolVar(&ofJob, "job", false, "KEY is a job: show the Python and the packages that its latest run had")
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the environments, the latest used first", Args: exactly(),
			RunE: func(cmd *cobra.Command, _ []string) error { return runEnvironmentsList(cmd.Context(), a) },
		},
		inspect,
		newEnvironmentsPrune(a),
	)
	return cmd
}

func runEnvironmentsList(ctx context.Context, a *App) error {
	_, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	list, err := c.Environments(ctx)
	if err != nil {
		return err
	}
	for i, raw := range list {
		if list[i], err = withShort(raw); err != nil {
			return err
		}
	}
	return a.printRaw("table(short:label=KEY, kind, python, runtime, contents.list():label=PACKAGES, size, used.date(tz=LOCAL), inUse:label=IN_USE)", list...)
}

// withShort adds what a table shows: enough of the key, the size for a person,
// and the given packages or, of dependencies, how many there are.
func withShort(raw json.RawMessage) (json.RawMessage, error) {
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fault.Errorf(fault.Internal, "the server gave an environment that is not understood: %w", err)
	}
	key, _ := doc["key"].(string)
	bytes, _ := doc["sizeBytes"].(string)
	n, _ := strconv.ParseInt(bytes, 10, 64)
	doc["short"], doc["size"] = key[:min(12, len(key))], roughly(n)
	packages, _ := doc["packages"].([]any)
	for i, p := range packages { // less their digests
		name, _ := p.(string)
		if words := strings.Fields(name); len(words) > 2 {
			packages[i] = strings.Join(words[:2], " ")
		}
	}
	doc["contents"] = packages
	if lock, ok := doc["lock"].([]any); ok && len(packages) == 0 {
		doc["contents"] = []any{fmt.Sprintf("%d installed", len(lock))}
	}
	return json.Marshal(doc)
}

type pruneOptions struct {
	*App
	size   string
	unused time.Duration
	all    bool
}

func newEnvironmentsPrune(a *App) *cobra.Command {
	o := &pruneOptions{App: a}
	cmd := &cobra.Command{
		Use: "prune", Short: "Remove environments that nobody uses", Args: exactly(),
		Example: "  trainyard environments prune --size 10GiB\n  trainyard environments prune --unused 720h\n  trainyard environments prune --all",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runEnvironmentsPrune(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.size, "size", "", "disk space that may stay in use, as in 10GiB; what was used longest ago goes first")
	cmd.Flags().DurationVar(&o.unused, "unused", 0, "remove what was not used for so long, as in 720h")
	cmd.Flags().BoolVar(&o.all, "all", false, "remove everything that no running job uses")
	return cmd
}

func runEnvironmentsPrune(ctx context.Context, o *pruneOptions) error {
	if o.unused < 0 {
		return negative("unused", o.unused)
	}
	l := client.Limits{Unused: o.unused.Seconds(), All: o.all}
	if o.size != "" {
		n, err := config.ParseSize(o.size)
		if err != nil || n == 0 {
			return usagef("argument --size: %q is not a size such as 10GiB", o.size)
		}
		l.Size = n
	}
	if l == (client.Limits{}) {
		return usagef("nothing says what may go").withHint("say --size 10GiB, --unused 720h or --all")
	}
	_, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	p, err := c.PruneEnvironments(ctx, l)
	if err != nil {
		return err
	}
	o.Say("Removed %d environments and packages, and freed %s; %s are left.", len(p.Removed), roughly(p.Freed), roughly(p.Left))
	return nil
}

// roughly is a size for a person.
func roughly(n int64) string {
	switch {
	case n >= 10<<30:
		return config.FormatSize(n >> 30 << 30)
	case n >= 10<<20:
		return config.FormatSize(n >> 20 << 20)
	}
	return config.FormatSize(n >> 10 << 10)
}
