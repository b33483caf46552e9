package cli

import (
	"context"
	"maps"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/fault"
)

type updateOptions struct {
	*App
	job    string
	update labelsValue
	remove listValue
	clear  bool
}

func newUpdate(a *App) *cobra.Command {
	o := &updateOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard jobs update my_job --update-labels team=vision",
		Use:     "update JOB",
		Short:   "Change the labels of a job",
		Args:    exactly("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.job = args[0]
			if o.clear && cmd.Flags().Changed("remove-labels") {
				return usagef("argument --clear-labels: At most one of --clear-labels | --remove-labels can be specified.")
			}
			return runUpdate(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.Var(&o.update, "update-labels", "labels to set")
	f.Var(&o.remove, "remove-labels", "labels to remove, by key")
	f.BoolVar(&o.clear, "clear-labels", false, "remove all labels, before --update-labels is looked at")
	return cmd
}

func runUpdate(ctx context.Context, o *updateOptions) error {
	if len(o.update) == 0 && len(o.remove) == 0 && !o.clear {
		return fault.Errorf(fault.Invalid, "No updates requested.").WithHint("use --update-labels, --remove-labels or --clear-labels")
	}
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	j, err := c.Get(ctx, s.Project, o.job)
	if err != nil {
		return err
	}
	labels := maps.Clone(j.Labels)
	if labels == nil || o.clear {
		labels = map[string]string{}
	}
	maps.Copy(labels, o.update)
	for _, k := range o.remove {
		delete(labels, k)
	}
	if maps.Equal(labels, j.Labels) {
		o.Say("No update to perform.")
	} else if _, err := c.PatchLabels(ctx, s.Project, o.job, labels); err != nil {
		return err
	}
	o.Say("Updated ml engine job [%s].", o.job)
	return nil
}
