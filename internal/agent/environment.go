package agent

import "context"

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
	Runtime  string // runtime version as asked; may be empty
	Python   string // Python version as asked; may be empty
	Packages []File // in the order they are installed
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
	Notes   []string          // for the job's log
	Release func()            // called when the program has ended; may be nil
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
