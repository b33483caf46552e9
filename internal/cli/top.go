package cli

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

type topOptions struct {
	*App
	job  string
	once bool
}

// topJob is a job of the picture.
type topJob struct {
	id       string
	replicas client.Replicas
}

// topPause is how often the picture is made anew.
const topPause = 2 * time.Second

func newTop(a *App) *cobra.Command {
	o := &topOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard jobs top my_job --once",
		Use:     "top [JOB]",
		Short:   "Show what running jobs use of the machine, replica by replica",
		Long: "Show what running jobs use of the machine, replica by replica: processors, memory and its peak, GPUs, and what is free.\n" +
			"On a terminal the picture is made anew every two seconds until Ctrl-C; elsewhere, and with --once, it is written once.",
		Args: atMost("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.job = args[0]
			}
			return runTop(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.once, "once", false, "write one picture and end")
	return cmd
}

func runTop(ctx context.Context, o *topOptions) error {
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	if s.Format != "" {
		return o.topFacts(ctx, c, s.Project)
	}
	live, clear := o.OutTTY && !o.once, "\x1b[2J"
	for {
		picture, ended, err := o.picture(ctx, c, s.Project)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if live { // up to the left, and what was there before is written over, so that nothing flickers
			picture = clear + "\x1b[H" + strings.ReplaceAll(picture, "\n", "\x1b[K\n") + "\x1b[J"
			clear = ""
		}
		if _, err := o.Out.Write([]byte(picture)); err != nil {
			return err
		}
		if !live || ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(topPause):
		}
	}
}

// picture is what the command writes; ended says that the job it is about has.
func (o *topOptions) picture(ctx context.Context, c *client.Client, project string) (text string, ended bool, err error) {
	load, err := c.Load(ctx)
	if err != nil {
		return "", false, err
	}
	jobs, err := o.running(ctx, c, project)
	if err != nil {
		return "", false, err
	}
	var b bytes.Buffer
	writeTop(&b, load, jobs)
	if o.job != "" {
		ended = slices.Contains([]string{"SUCCEEDED", "FAILED", "CANCELLED"}, jobs[0].replicas.State)
	}
	return b.String(), ended, nil
}

// running are the jobs of the picture: the one that was named, or all that have
// begun and not ended, which are among the newest.
func (o *topOptions) running(ctx context.Context, c *client.Client, project string) ([]topJob, error) {
	ids := []string{o.job}
	if o.job == "" {
		ids = nil
		err := c.ListActive(ctx, project, func(j client.Job) bool { ids = append(ids, j.JobId); return true })
		if err != nil {
			return nil, err
		}
	}
	var jobs []topJob
	for _, id := range ids {
		v, err := c.Replicas(ctx, project, id)
		if fault.Is(err, fault.NotFound) && o.job == "" {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, topJob{id, v})
	}
	return jobs, nil
}

// topFacts is the same for programs.
func (o *topOptions) topFacts(ctx context.Context, c *client.Client, project string) error {
	f, err := o.format("yaml")
	if err != nil {
		return err
	}
	jobs, err := o.running(ctx, c, project)
	if err != nil {
		return err
	}
	docs := []any{}
	for _, j := range jobs {
		doc, err := format.Decode(j.replicas.Facts)
		if err != nil {
			return err
		}
		if m, ok := doc.(map[string]any); ok {
			m["jobId"] = j.id
		}
		docs = append(docs, doc)
	}
	return f.Print(o.Out, docs)
}
