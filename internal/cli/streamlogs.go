package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/logs"
)

type streamLogsOptions struct {
	*App
	job       string
	task      string
	multiline bool
}

func newStreamLogs(a *App) *cobra.Command {
	o := &streamLogsOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard jobs stream-logs my_job --task-name master-replica-0",
		Use:     "stream-logs JOB", SuggestFor: []string{"logs", "log", "tail"},
		Short: "Show the log of a job until it ends",
		Long:  "Show the log of a job from its beginning until the job ends. Ctrl-C ends the\nshowing, not the job.",
		Args:  exactly("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.job = args[0]
			return runStreamLogs(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.task, "task-name", "", "only the lines of this task, as in master-replica-0")
	f.BoolVar(&o.multiline, "allow-multiline-logs", false, "show a message of several lines as one entry")
	f.Var(&textValue{check: pollingInterval}, "polling-interval", "accepted and ignored: lines are shown as they come")
	_ = f.MarkHidden("polling-interval")
	return cmd
}

// pollingInterval checks what gcloud takes: a whole number of seconds from 1
// on, or unlimited.
func pollingInterval(s string) (string, error) {
	if s == "unlimited" {
		return s, nil
	}
	return s, new(countValue).Set(s)
}

func runStreamLogs(ctx context.Context, o *streamLogsOptions) error {
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	w, err := o.logWriter(o.Out, s.Format, o.multiline)
	if err != nil {
		return err
	}
	_, err = o.follow(ctx, c, s.Project, o.job, o.task, w)
	if err == nil && o.task != "" && w.entries == 0 {
		o.noSuchTask(ctx, c, s.Project)
	}
	if errors.Is(err, context.Canceled) {
		o.Say("\nInterrupted.")
		o.followUp(o.job)
		return exitError(exitInterrupted)
	}
	return err
}

// noSuchTask tells of a task that said nothing, which may be one that the job
// never had.
func (o *streamLogsOptions) noSuchTask(ctx context.Context, c *client.Client, project string) {
	names := []string{"service"}
	if v, err := c.Replicas(ctx, project, o.job); err == nil {
		for _, r := range v.Replicas {
			names = append(names, r.Task)
		}
	}
	if slices.Contains(names, o.task) {
		return
	}
	o.Warn("no line is from task %s; the tasks of job %s are %s", o.task, o.job, strings.Join(names, ", "))
}

// follow shows a job's log until the job ends, and gives the job.
func (a *App) follow(ctx context.Context, c *client.Client, project, id, task string, w *logWriter) (client.Job, error) {
	var last client.Job
	lost := false
	o := client.FollowOptions{Task: task, Lost: func(error) {
		lost = true
		a.Say("The server does not answer; waiting for it. The job goes on.")
	}}
	err := c.Follow(ctx, project, id, o, func(e client.Event) error {
		if lost {
			lost = false
			a.Say("The server is back.")
		}
		switch {
		case e.Log != nil:
			return w.add(*e.Log)
		case e.End != nil:
			last = *e.End
		}
		return nil
	})
	if closeErr := w.close(); err == nil {
		err = closeErr
	}
	return last, err
}

// timestamp is a time as the wire writes it: the digits are always nine.
const timestamp = "2006-01-02T15:04:05.000000000Z"

// logWriter shows log entries, each at once: as tab-separated columns, or in a
// format that was asked for.
type logWriter struct {
	out       *bufio.Writer
	stream    *format.Stream // nil for the columns
	multiline bool
	entries   int
}

func (a *App) logWriter(w io.Writer, asked string, multiline bool) (*logWriter, error) {
	l := &logWriter{out: bufio.NewWriterSize(w, 64<<10), multiline: multiline}
	if asked != "" {
		f, err := a.format("none")
		if err != nil {
			return nil, err
		}
		l.stream = f.Stream(l.out)
	}
	return l, nil
}

func (l *logWriter) add(e logs.Entry) error {
	l.entries++
	lines := []string{e.Message}
	if !l.multiline {
		lines = strings.Split(strings.TrimRight(e.Message, "\n"), "\n")
	}
	if e.Severity == "" {
		e.Severity = logs.Default
	}
	for _, line := range lines {
		if err := l.line(e, line); err != nil {
			return err
		}
	}
	return l.out.Flush()
}

func (l *logWriter) line(e logs.Entry, message string) error {
	if l.stream == nil {
		_, err := fmt.Fprintf(l.out, "%s\t%s\t%s\t%s\t%s\n", e.Severity, e.Time.Local().Format("2006-01-02 15:04:05 -0700"), e.Task, e.Trial, message)
		return err
	}
	doc := map[string]any{
		"severity": string(e.Severity), "timestamp": e.Time.UTC().Format(timestamp), "task_name": e.Task, "message": message,
		"json": map[string]any{},
	}
	if e.Trial != "" {
		doc["trial_id"] = e.Trial
	}
	if attempt, restart := e.Try(); attempt > 1 || restart > 0 {
		doc["attempt"], doc["restart"] = attempt, restart
	}
	if len(e.Fields) > 0 {
		if fields, err := format.Decode(e.Fields); err == nil {
			doc["json"] = fields
		}
	}
	return l.stream.Add(doc)
}

func (l *logWriter) close() error {
	if l.stream != nil {
		if err := l.stream.Close(); err != nil {
			return err
		}
	}
	return l.out.Flush()
}
