// Package repeat makes a job once more under another id: of the same packages,
// found by generation and digest, in the environment that the last run had, with
// the runtime and Python version that were chosen then.
package repeat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Request says how a repetition differs; zero fields say that it does not.
type Request struct {
	ID     job.ID // empty for the next free one
	Args   *[]string
	JobDir *string
	Labels map[string]string
	// Fresh has the packages chosen anew, as a new job's would be.
	Fresh     bool
	RequestID string
	Client    string
}

// New is a job to be accepted.
type New struct {
	Spec      job.Spec
	Document  json.RawMessage
	Wire      string
	RequestID string
	Events    []job.Event
}

// Repeater repeats the jobs of one server.
type Repeater struct {
	// Create accepts a job; an id that was ever used is a fault.Conflict.
	Create func(ctx context.Context, n New) (job.Job, bool, error)
	// Again is the job under another id, as its wire says it.
	Again func(was job.Job, id job.ID, r Request, packages []job.Package) (job.Spec, json.RawMessage, error)
	// Find says where a package is that a job had; fault.NotFound where nobody
	// has it any more.
	Find func(ctx context.Context, was job.Job, p job.Package) (job.Package, error)
	// Made is the environment of the job's latest run; fault.NotFound where there
	// was none.
	Made func(was job.Job) (job.Lock, error)
	// Python says whether an environment's interpreter is still there.
	Python func(ctx context.Context, lock job.Lock) error
}

// attempts is how many ids are tried where none is named.
const attempts = 10_000

// Rerun accepts the repetition of a job. notes is what the user should know.
func (r *Repeater) Rerun(ctx context.Context, was job.Job, q Request) (again job.Job, notes []string, err error) {
	lock, notes, err := r.lock(ctx, was, q)
	if err != nil {
		return job.Job{}, nil, err
	}
	packages := make([]job.Package, len(was.Packages))
	for i, p := range was.Packages {
		found, err := r.Find(ctx, was, p)
		if fault.Is(err, fault.NotFound) {
			return job.Job{}, nil, fault.Errorf(fault.Precondition, "the package %s of job %s is not there any more as it was", p.URI, was.Key.ID).
				WithHint("submit the job anew from its source, or put the archive back and submit it with --packages %s", p.URI)
		}
		if err != nil {
			return job.Job{}, nil, err
		}
		if packages[i] = found; found.URI != p.URI || found.Generation != p.Generation {
			notes = append(notes, fmt.Sprintf("The package %s is gone; its copy from the last run is used, as %s.", p.URI, found.URI))
		}
	}
	if was.JobDir != "" && q.JobDir == nil {
		notes = append(notes, fmt.Sprintf("It writes to the same place as %s: %s; --job-dir names another.", was.Key.ID, was.JobDir))
	}
	for n := 2; ; n++ {
		id := q.ID
		if id == "" {
			if id, err = next(was, n); err != nil {
				return job.Job{}, nil, err
			}
		}
		spec, doc, err := r.Again(was, id, q, packages)
		if err != nil {
			return job.Job{}, nil, err
		}
		spec.Lock = lock
		spec.Origin.Repeats, spec.Origin.Client = was.Key.ID, q.Client
		again, _, err = r.Create(ctx, New{Spec: spec, Document: doc, Wire: was.Wire, RequestID: q.RequestID, Events: events(spec, notes)})
		switch {
		case err == nil:
			return again, notes, nil
		case !fault.Is(err, fault.Conflict):
			return job.Job{}, nil, err
		case q.ID != "":
			return job.Job{}, nil, &fault.Error{Kind: fault.Conflict, Err: err, Msg: fmt.Sprintf("A job with the id %s exists already, or did.", id), Hint: "job ids cannot be used again; choose another, or none for the next free one"}
		case n > attempts:
			return job.Job{}, nil, fault.Errorf(fault.Exhausted, "%d repetitions of job %s have been made", attempts, was.Key.ID).WithHint("name the next one")
		}
	}
}

// lock is the environment that the repetition gets.
func (r *Repeater) lock(ctx context.Context, was job.Job, q Request) (*job.Lock, []string, error) {
	switch {
	case q.Fresh:
		return nil, nil, nil
	case was.MasterGroup().Image != "":
		return nil, nil, nil // the image is the environment
	}
	lock, err := r.Made(was)
	switch {
	case fault.Is(err, fault.NotFound) && was.Lock != nil:
		lock = *was.Lock
	case fault.Is(err, fault.NotFound):
		return nil, []string{fmt.Sprintf("Job %s never had an environment, so its repetition's packages are chosen anew.", was.Key.ID)}, nil
	case err != nil:
		return nil, nil, err
	}
	if err := r.Python(ctx, lock); err != nil {
		if e, ok := errors.AsType[*fault.Error](err); ok {
			return nil, nil, e.WithHint("%s: --new-environment", fault.HintOf(err))
		}
		return nil, nil, err
	}
	return &lock, nil, nil
}

var numbered = regexp.MustCompile(`^(.+)_([0-9]+)$`)

// next is the n-th id for a repetition. One that repeats a repetition is a
// repetition of the same.
func next(was job.Job, n int) (job.ID, error) {
	base := string(was.Key.ID)
	if m := numbered.FindStringSubmatch(base); m != nil && string(was.Origin.Repeats) != "" && (m[1] == string(was.Origin.Repeats) || sameBase(m[1], string(was.Origin.Repeats))) {
		base = m[1]
	}
	id, err := job.ParseID(base + "_" + strconv.Itoa(n))
	if err != nil {
		return "", fault.Errorf(fault.Invalid, "job %s has no room in its id for a number", was.Key.ID).WithHint("name the repetition: trainyard jobs rerun %s NEW_ID", was.Key.ID)
	}
	return id, nil
}

func sameBase(base, repeats string) bool {
	m := numbered.FindStringSubmatch(repeats)
	return m != nil && m[1] == base
}

// events are the first lines of the repetition's log.
func events(spec job.Spec, notes []string) []job.Event {
	line := func(name, text string) job.Event {
		return job.Event{Name: name, Step: "queue", Text: text, Service: true, Severity: "INFO"}
	}
	how := "its packages and arguments"
	if spec.Lock != nil {
		how = fmt.Sprintf("its packages and the environment of its last run: Python %s, %d packages", spec.Lock.Python, len(spec.Lock.Packages))
	}
	list := []job.Event{line("repeats", fmt.Sprintf("This job repeats job %s with %s.", spec.Origin.Repeats, how)), line("queued", "Job "+string(spec.Key.ID)+" is queued.")}
	for i, n := range notes {
		list = append(list, line(fmt.Sprintf("note-%d", i+1), n))
	}
	return list
}
