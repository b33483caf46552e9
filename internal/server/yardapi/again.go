package yardapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Rerun is what a repetition has otherwise than the job that it repeats.
type Rerun struct {
	JobID  job.ID            `json:"jobId,omitempty"` // empty for the next free one
	Args   *[]string         `json:"args,omitempty"`
	JobDir *string           `json:"jobDir,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// NewEnvironment has the packages chosen anew.
	NewEnvironment bool `json:"newEnvironment,omitempty"`
}

// Repeat repeats jobs.
type Repeat interface {
	// Rerun accepts the repetition; the same request id is the same job.
	Rerun(ctx context.Context, was job.Job, r Rerun, requestID, client string) (again job.Job, notes []string, err error)
}

const maxRerun = 4 << 20

func (o Options) rerun(w http.ResponseWriter, r *http.Request, j job.Job) {
	var asked Rerun
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRerun))
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil && !errors.Is(err, io.EOF) {
		o.fail(w, r, fault.Errorf(fault.Invalid, "a repetition is described by jobId, args, jobDir, labels and newEnvironment: %w", err))
		return
	}
	if asked.JobID != "" {
		if _, err := job.ParseID(string(asked.JobID)); err != nil {
			o.fail(w, r, err)
			return
		}
	}
	again, notes, err := o.Repeat.Rerun(r.Context(), j, asked, r.Header.Get("X-Trainyard-Request-Id"), job.ClientOf(r.UserAgent()))
	if err != nil {
		o.fail(w, r, err)
		return
	}
	raw, err := o.Render(again)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	write(w, map[string]any{"job": json.RawMessage(raw), "notes": notes})
}

// remove deletes a job: DELETE /v1/projects/P/jobs/J. The original could not.
func (o Options) remove(w http.ResponseWriter, r *http.Request, j job.Job) {
	if err := o.Delete(r.Context(), j.Key); err != nil {
		o.fail(w, r, err)
		return
	}
	write(w, struct{}{})
}

// provenance is where a job came from and what it is made of.
type provenance struct {
	JobID    job.ID `json:"jobId"`
	Repeats  job.ID `json:"repeats,omitempty"`
	Client   string `json:"client,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Branch   string `json:"branch,omitempty"`
	Dirty    bool   `json:"dirty,omitempty"`
	Packages []part `json:"packages"`
	// Environment is what the latest run had; Locked that it was given, not
	// chosen.
	Environment json.RawMessage `json:"environment,omitempty"`
	Locked      bool            `json:"locked,omitempty"`
}

// part is an archive as it was when the job was accepted.
type part struct {
	URI        string `json:"uri"`
	Generation int64  `json:"generation,omitempty,string"`
	Size       int64  `json:"sizeBytes,omitempty,string"`
	MD5        []byte `json:"md5,omitempty"`
}

func (o Options) provenance(w http.ResponseWriter, r *http.Request, j job.Job) {
	p := provenance{JobID: j.Key.ID, Repeats: j.Origin.Repeats, Client: j.Origin.Client, Commit: j.Origin.Commit, Branch: j.Origin.Branch, Dirty: j.Origin.Dirty, Packages: []part{}, Locked: j.Lock != nil}
	for _, g := range j.Packages {
		p.Packages = append(p.Packages, part(g))
	}
	made, err := o.Made(j)
	if err != nil && !fault.Is(err, fault.NotFound) {
		o.fail(w, r, err)
		return
	}
	p.Environment = made
	write(w, p)
}
