package cli

import (
	"encoding/json"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// statusFormat is how a job is shown in short.
const statusFormat = "yaml(jobId,state,startTime.date(tz=LOCAL),endTime.date(tz=LOCAL))"

// format is what --format asks for, or the command's own.
func (a *App) format(own string) (*format.Format, error) {
	s, err := a.Config()
	if err != nil {
		return nil, err
	}
	f, err := format.Parse(own)
	if err != nil || s.Format == "" {
		return f, err
	}
	asked, err := format.Parse(s.Format)
	if err != nil {
		return nil, &usageError{err: err}
	}
	asked.Borrow(f)
	return asked, nil
}

// document is a job for printing.
func document(j client.Job) (any, error) {
	doc, err := format.Decode(j.Raw)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "the server gave a job that is not understood: %w", err)
	}
	return doc, nil
}

// convert makes a document of a value of ours.
func convert(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode: %w", err)
	}
	return format.Decode(raw)
}

// asked shows a value of ours, a list as one, in the format that was asked for;
// false where none was, and the command has its own way.
func (a *App) asked(v any) (bool, error) {
	s, err := a.Config()
	if err != nil || s.Format == "" {
		return false, err
	}
	f, err := a.format("yaml")
	if err != nil {
		return true, err
	}
	doc, err := convert(v)
	if err != nil {
		return true, err
	}
	if list, ok := doc.([]any); ok {
		return true, f.Print(a.Out, list)
	}
	return true, f.PrintOne(a.Out, doc)
}

// printJob shows a job on standard output.
func (a *App) printJob(j client.Job, own string) error {
	f, err := a.format(own)
	if err != nil {
		return err
	}
	doc, err := document(j)
	if err != nil {
		return err
	}
	return f.PrintOne(a.Out, doc)
}

// outcome turns a job's final state into the end of a command: nothing where it
// succeeded, else a word on why and the status 1.
func (a *App) outcome(j client.Job) error {
	switch j.JobState() {
	case job.Succeeded:
		return nil
	case job.Failed:
		a.Say("%s job %s failed: %s", a.paint(red, "error:"), j.JobId, orUnknown(j.ErrorMessage))
	case job.Cancelled:
		a.Say("%s job %s was cancelled: %s", a.paint(red, "error:"), j.JobId, orUnknown(j.ErrorMessage))
	default:
		a.Say("Job %s is %s.", j.JobId, j.JobState())
	}
	return exitError(exitFailed)
}

func orUnknown(s string) string {
	if s == "" {
		return "the server gives no reason"
	}
	return s
}

// followUp says how to look after a job that goes on.
func (a *App) followUp(id string) {
	a.Say("Your job is still active. You may view the status of your job with the command\n\n  $ trainyard jobs describe %s\n\nor continue streaming the logs with the command\n\n  $ trainyard jobs stream-logs %s\n", id, id)
}
