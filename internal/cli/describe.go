package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/job"
)

type describeOptions struct {
	*App
	job       string
	timeline  bool
	origin    bool
	summarize bool
	replicas  bool
}

func newDescribe(a *App) *cobra.Command {
	o := &describeOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard jobs describe my_job --timeline\n  trainyard jobs describe my_job --format 'value(state)'",
		Use:     "describe JOB",
		Short:   "Show a job",
		Args:    exactly("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var asked []string
			for _, name := range []string{"provenance", "replicas", "summarize", "timeline"} {
				if on, _ := cmd.Flags().GetBool(name); on {
					asked = append(asked, "--"+name)
				}
			}
			if len(asked) > 1 {
				return usagef("argument %s: At most one of %s can be specified.", asked[0], strings.Join(asked, " | "))
			}
			o.job = args[0]
			return runDescribe(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.timeline, "timeline", false, "show what happened to the job, step by step, and how long each took")
	cmd.Flags().BoolVar(&o.replicas, "replicas", false, "show the replicas of the latest attempt: state, restarts, exit, and what each uses or used")
	cmd.Flags().BoolVar(&o.origin, "provenance", false, "show where the job came from: packages, source, environment, and what it repeats")
	cmd.Flags().BoolVar(&o.summarize, "summarize", false, "show tables of the main facts instead of the whole job")
	return cmd
}

func runDescribe(ctx context.Context, o *describeOptions) error {
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	if o.timeline {
		events, waiting, err := c.Timeline(ctx, s.Project, o.job)
		if err != nil {
			return err
		}
		if waiting != "" {
			o.Say("The job is %s.", waiting)
		}
		return o.printTimeline(events)
	}
	if o.replicas {
		return o.printReplicas(ctx, c, s.Project)
	}
	if o.origin {
		return o.provenance(ctx, c, s)
	}
	j, err := c.Get(ctx, s.Project, o.job)
	if err != nil {
		return err
	}
	if o.summarize {
		if s.Format != "" {
			o.Warn("--format is ignored when --summarize is present")
		}
		return o.summary(j)
	}
	if err := o.printJob(j, "yaml"); err != nil {
		return err
	}
	if !s.Quiet {
		if p, _, err := c.Provenance(ctx, s.Project, o.job); err == nil && p.Repeats != "" {
			o.Say("\nIt repeats job %s.", p.Repeats)
		}
		sayWhatItWaitsFor(ctx, o.App, c, s.Project, j)
		o.Say("\nView logs with the command\n\n  $ trainyard jobs stream-logs %s", o.job)
	}
	return nil
}

// timelineEntry is an event as --timeline shows it.
type timelineEntry struct {
	Time    string `json:"time"`
	Since   string `json:"since"` // since the first event
	Step    string `json:"step"`
	Took    string `json:"took,omitempty"`
	Task    string `json:"task,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Text    string `json:"text"`
}

func (o *describeOptions) printTimeline(events []job.Event) error {
	f, err := o.format("table(time.date(tz=LOCAL), since:label=AFTER, step, took, task, text:label=WHAT)")
	if err != nil {
		return err
	}
	docs := []any{}
	for _, e := range events {
		entry := timelineEntry{Time: e.Time.UTC().Format(time.RFC3339Nano), Since: seconds(e.Time.Sub(events[0].Time)), Step: e.Step, Task: e.Task, Attempt: e.Attempt, Text: e.Text}
		if e.Took > 0 {
			entry.Took = seconds(e.Took)
		}
		doc, err := convert(entry)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	return f.Print(o.Out, docs)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }

func get(doc any, path string) string {
	s := &format.Scanner{Text: path, What: "path"}
	p, err := s.Path()
	if err != nil {
		return ""
	}
	v, _ := p.Get(doc)
	return format.Text(v)
}
