package cli

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/job"
)

type rerunOptions struct {
	*submitOptions
	was   string
	fresh bool
}

func newRerun(a *App) *cobra.Command {
	o := &rerunOptions{submitOptions: &submitOptions{App: a}}
	cmd := &cobra.Command{
		Use:   "rerun JOB [NEW_ID] [flags] [-- PROGRAM-ARGUMENT …]",
		Short: "Repeat a job",
		Long: `Repeat a job under a new id: with the same packages, byte for byte, in the
environment that its last run had, package by package, on the same Python.

Without a new id the job gets the next free one: JOB_2, JOB_3 and so on. What
follows -- is handed to the program in place of the arguments that JOB had.`,
		Example: `  trainyard jobs rerun digits_1 --stream-logs
  trainyard jobs rerun digits_1 digits_slow -- --learning-rate=0.001`,
		Args: o.positional,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRerun(cmd.Context(), o) },
	}
	f := cmd.Flags()
	o.jobDir.check, o.jobDir.kind = jobDir, "gs://BUCKET/PATH"
	f.Var(&o.jobDir, "job-dir", "where the program shall write (default: where JOB did)")
	f.Var(&o.labels, "labels", "labels of the new job (default: those of JOB)")
	f.BoolVar(&o.fresh, "new-environment", false, "choose the packages' versions anew, as for a new job")
	f.BoolVar(&o.stream, "stream-logs", false, "show the log until the job ends; the exit status is 0 only if it succeeded")
	return cmd
}

func (o *rerunOptions) positional(cmd *cobra.Command, args []string) error {
	before := args
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		before, o.args = args[:at], args[at:]
	}
	switch len(before) {
	case 0:
		return usagef("argument JOB: Must be specified.").withHint("see: %s --help", cmd.CommandPath())
	case 1, 2:
	default:
		return separator(cmd, 2, before[2:])
	}
	if o.was = before[0]; len(before) == 2 {
		o.job = before[1]
	}
	return nil
}

func runRerun(ctx context.Context, o *rerunOptions) error {
	if o.job != "" {
		if _, err := job.ParseID(o.job); err != nil {
			return err
		}
	}
	if _, err := o.format(statusFormat); err != nil {
		return err
	}
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	r := client.Rerun{JobID: o.job, JobDir: o.jobDir.pointer(), Labels: o.labels, NewEnvironment: o.fresh}
	if o.args != nil {
		r.Args = &o.args
	}
	j, notes, err := c.Rerun(ctx, s.Project, o.was, r, rand.Text())
	if err != nil {
		if errors.Is(context.Cause(ctx), context.Canceled) {
			o.Say("Interrupted while submitting; whether the repetition of job %s was accepted is not known. See: trainyard jobs list", o.was)
			return exitError(exitInterrupted)
		}
		return err
	}
	for _, n := range notes {
		o.Say("%s", n)
	}
	o.job = j.JobId
	o.Say("Job [%s] submitted successfully; it repeats %s.", o.job, o.was)
	if o.stream {
		return o.watch(ctx, c, s)
	}
	if !s.Quiet {
		o.followUp(o.job)
	}
	return o.printJob(j, statusFormat)
}
