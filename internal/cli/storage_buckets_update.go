package cli

import (
	"context"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
)

func newBucketsUpdate(a *App) *cobra.Command {
	var class, lifecycle string
	var versioning, noVersioning, clearLifecycle, clearLabels, keepGoing bool
	var update pairsValue
	var remove listValue
	cmd := &cobra.Command{
		Use: "update URL…", Short: "Change the facts of buckets", Args: atLeastOne("URL"),
		Example: "  trainyard storage buckets update gs://my-bucket --versioning --update-labels team=vision",
		RunE: func(cmd *cobra.Command, args []string) error {
			fixed := client.Changes{}
			switch {
			case versioning && noVersioning:
				return usagef("argument --versioning: At most one of --versioning | --no-versioning can be specified.")
			case clearLifecycle && lifecycle != "":
				return usagef("argument --clear-lifecycle: At most one of --clear-lifecycle | --lifecycle-file can be specified.")
			case versioning || noVersioning:
				fixed["versioning"] = map[string]bool{"enabled": versioning}
			}
			if class != "" {
				fixed["storageClass"] = strings.ToUpper(class)
			}
			switch {
			case clearLifecycle:
				fixed["lifecycle"] = nil
			case lifecycle != "":
				rules, err := lifecycleFile(lifecycle)
				if err != nil {
					return err
				}
				fixed["lifecycle"] = rules
			}
			if clearLabels {
				fixed["labels"] = nil
			}
			if len(fixed) == 0 && update == nil && remove == nil {
				return usagef("nothing to change was given").withHint("see: %s --help", cmd.CommandPath())
			}
			return eachBucketURL(cmd.Context(), a, args, keepGoing, func(ctx context.Context, c *client.Client, _, bucket string) error {
				a.tell("Updating gs://%s/...", bucket)
				changes := maps.Clone(fixed)
				if update != nil || remove != nil {
					labels := map[string]any{}
					for k, v := range update {
						labels[k] = v
					}
					for _, k := range remove {
						labels[k] = nil
					}
					changes["labels"] = labels
				}
				_, err := c.UpdateBucket(ctx, bucket, changes)
				return missingBucket(err, bucket)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&versioning, "versioning", false, "keep what is overwritten or deleted, as noncurrent objects")
	f.BoolVar(&noVersioning, "no-versioning", false, "keep no more of it")
	f.StringVar(&class, "default-storage-class", "", "recorded with the bucket and its objects")
	f.StringVar(&lifecycle, "lifecycle-file", "", "file with lifecycle rules, in JSON")
	f.BoolVar(&clearLifecycle, "clear-lifecycle", false, "remove the lifecycle rules")
	f.Var(&update, "update-labels", "labels to add or change")
	f.Var(&remove, "remove-labels", "keys of labels to remove")
	f.BoolVar(&clearLabels, "clear-labels", false, "remove all labels")
	f.BoolVarP(&keepGoing, "continue-on-error", "c", false, "go on with the rest whatever fails; the exit status is 1 then")
	return cmd
}
