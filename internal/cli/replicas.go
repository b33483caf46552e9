package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
)

// printReplicas shows a job's latest attempt.
func (o *describeOptions) printReplicas(ctx context.Context, c *client.Client, project string) error {
	v, err := c.Replicas(ctx, project, o.job)
	if err != nil {
		return err
	}
	if o.settings.Format != "" {
		f, err := o.format("yaml")
		if err != nil {
			return err
		}
		doc, err := format.Decode(v.Facts)
		if err != nil {
			return err
		}
		return f.PrintOne(o.Out, doc)
	}
	if len(v.Replicas) == 0 {
		o.Say("Job [%s] is %s; it has no replicas yet.", o.job, v.State)
		return nil
	}
	if v.Attempt > 1 {
		o.Say("Attempt %d of the job.", v.Attempt)
	}
	w := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REPLICA\tSTATE\tRESTARTS\tEXIT\tMACHINE\tCPU\tCPU TIME\tMEMORY\tPEAK\tDISK\tGPU\tRAN")
	for _, r := range v.Replicas {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", strings.Replace(r.Task, "-replica-", " ", 1), r.State, r.Run, dash(r.Exit), r.Machine,
			processors(r), seconds(time.Duration(r.CPUSeconds*float64(time.Second))), memoryOf(r.Memory), memoryOf(r.Peak), memoryOf(r.Disk), devices(r), ran(r))
	}
	if price := v.Price(); price != "" {
		defer o.Say("\nCost: %s.", price)
	}
	return w.Flush()
}

// writeTop writes one picture of what runs.
func writeTop(out io.Writer, load client.Load, jobs []topJob) {
	gpus := ""
	if n := load.Total.GPUs; n > 0 {
		gpus = fmt.Sprintf(", %d of %d GPUs", load.Free.GPUs, n)
	}
	free := fmt.Sprintf("%.4g of %.4g vCPUs", load.Free.CPUs, load.Total.CPUs)
	if load.Total.Memory > 0 {
		free += fmt.Sprintf(", %.1f of %.1f GiB", float64(load.Free.Memory)/(1<<30), float64(load.Total.Memory)/(1<<30))
	}
	fmt.Fprintf(out, "running: %d, waiting: %d; free: %s%s\n\n", load.Running, load.Waiting, free, gpus)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tREPLICA\tSTATE\tRESTARTS\tCPU\tCPU TIME\tMEMORY\tPEAK\tGPU\tRAN")
	for _, j := range jobs {
		for _, r := range j.replicas.Replicas {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", j.id, strings.Replace(r.Task, "-replica-", " ", 1), r.State, r.Run,
				processors(r), seconds(time.Duration(r.CPUSeconds*float64(time.Second))), memoryOf(r.Memory), memoryOf(r.Peak), devices(r), ran(r))
		}
	}
	_ = w.Flush()
}

// processors is what a replica kept busy, in per cent of one.
func processors(r client.Replica) string {
	if r.State != "running" {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*r.CPU)
}

func devices(r client.Replica) string {
	var list []string
	for _, g := range r.GPUs {
		list = append(list, fmt.Sprintf("%s: %d%% %s", g.Name, g.Busy, memoryOf(g.Memory)))
	}
	return dash(strings.Join(list, ", "))
}

// ran is how long a program has run, or ran.
func ran(r client.Replica) string {
	if r.Started.IsZero() {
		return "-"
	}
	end := r.Ended
	if end.IsZero() {
		end = time.Now()
	}
	return max(0, end.Sub(r.Started)).Round(time.Second).String()
}

func memoryOf(n int64) string {
	switch {
	case n <= 0:
		return "-"
	case n < 1<<20:
		return fmt.Sprintf("%.0fKiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.0fMiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1fGiB", float64(n)/(1<<30))
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
