package agent

import (
	"context"
	"path/filepath"

	"github.com/trainyard/trainyard/internal/job"
)

// Environments makes Python environments. Another room does; the agent says
// what it needs.
type Environments interface {
	// Prepare returns an environment in which the packages are installed in
	// order. Lines for the job's log go to log as they come. An error that is
	// fault.Unavailable may go away by itself; a *StepError says more.
	Prepare(ctx context.Context, req EnvRequest, log func(line string)) (Env, error)
}

// EnvRequest is what a program needs.
type EnvRequest struct {
	Server   string    // where the server is reached, as this job
	Runtime  string    // runtime version as asked; may be empty
	Python   string    // Python version as asked; may be empty
	Packages []File    // in the order they are installed
	Lock     *job.Lock // exactly what it is to be made of; nil to choose
}

// File is a fetched package archive.
type File struct {
	Name   string // its base name in storage: wheels carry their meaning in it
	Path   string
	SHA256 string // hexadecimal
}

// Env is an environment, ready to run in.
type Env struct {
	Python  string            // the interpreter
	BinDir  string            // of the programs that packages install; put first in PATH
	Vars    map[string]string // that the program needs beyond these
	Cached  bool              // nothing had to be built
	Made    Made              // what it is made of
	Notes   []string          // for the job's log
	Release func()            // called when the program has ended; may be nil
}

// Made is what an environment is made of: enough to make it again.
type Made struct {
	Python   string   `json:"python"`            // "3.11.7"
	Runtime  string   `json:"runtime,omitempty"` // runtime version
	Packages []string `json:"packages"`          // "name==version", the given ones with their digests
}

// madeFile is beside a job's logs, where it stays when the run's folder goes.
const madeFile = "environment.json"

// MadeFile is where the agent of the job's first replica says what the
// environment of its latest run was made of.
func MadeFile(jobDir string) string { return filepath.Join(jobDir, madeFile) }

// keepMade stores what the environment is made of with the job. All replicas
// have the same.
func (a *agent) keepMade(m Made) {
	if r := a.task.Replica; r.Role != job.Master || r.Index != 0 {
		return
	}
	if err := writeJSON(MadeFile(filepath.Dir(filepath.Dir(a.task.Spool))), m, false); err != nil {
		a.Log.Warn("what the environment is made of is not kept", "err", err)
	}
}

// StepError is why an environment could not be made.
type StepError struct {
	Step string   // "environment" or "install"
	Code int      // the installer's exit status; 0 where there was none
	Tail []string // its last lines
	Err  error
}

func (e *StepError) Error() string { return e.Err.Error() }
func (e *StepError) Unwrap() error { return e.Err }
