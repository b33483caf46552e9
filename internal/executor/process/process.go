// Package process runs attempts on this machine: one agent, a process of its
// own, per replica. All that is known about a run is in its folder, so that
// any server finds it again:
//
//	D/attempts/NAME                              which attempts there are, their handles, ports and GPUs
//	D/jobs/SEQ/aATTEMPT/ROLE-INDEX.RUN/          one run of one replica; see package agent
//	D/jobs/SEQ/logs/                             the agents' logs; never removed here
//	D/jobs/SEQ/packages/                         fetched archives
//	D/jobs/SEQ/kept/                             working folders of failed runs, for a while
//
// It does not know what a job's states are, nor what an agent does.
package process

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Options are the executor's settings.
type Options struct {
	DataDir string
	// Binary is the program whose `agent` sub-command is the agent; empty
	// means this one.
	Binary string
	// Token is what programs of a job show to the server; nil means nothing.
	Token func(job.Key) string
	// Environments is handed to the maker of environments in each agent.
	Environments map[string]string
	// JobMemory caps a job's memory: its replicas get parts of it by what they
	// ask for. Zero is no cap.
	JobMemory int64
	// StorageProxy and PrivateTmp are as in agent.Task.
	StorageProxy, PrivateTmp bool
	// Environ is the environment of which agents get what they need; nil means
	// this process's.
	Environ []string
	Log     *slog.Logger
}

// Executor runs attempts as processes of this machine.
type Executor struct {
	Options
	launchGrace time.Duration // how long an agent may take to begin
	fileTick    time.Duration // how often the files of runs are looked at

	mu       sync.Mutex
	launched map[agent.Folder]*launch // guarded by mu; agents that this value started
	waits    map[chan struct{}]string // guarded by mu; who waits → for news of which attempt's folder
	ports    map[int]string           // guarded by mu; port → attempt; nil until read
	gpus     map[string]string        // guarded by mu; GPU → attempt; read with ports
	next     int                      // guarded by mu; where the search for a port goes on
	removing map[string]int           // guarded by mu; attempts that are being removed

	meter meter

	gpuOnce  sync.Once
	gpuNames []string // set by gpuOnce
}

var _ executor.Executor = (*Executor)(nil)

// New returns an executor of the data directory. Several values may work on
// one directory, one after the other or at once.
func New(o Options) (*Executor, error) {
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, err
	}
	o.DataDir = dir
	if o.Binary == "" {
		if o.Binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Executor{Options: o, launchGrace: launchGrace, fileTick: fileTick, launched: map[agent.Folder]*launch{}, waits: map[chan struct{}]string{}, removing: map[string]int{}}
	if err := os.MkdirAll(filepath.Join(dir, "attempts"), 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	return e, nil
}

// handle is what a stored handle says. It holds no path, so that a data
// directory may move.
type handle struct {
	Name    string `json:"name"`
	Seq     int64  `json:"seq"`
	Attempt int    `json:"attempt"`
}

func handleOf(a executor.Attempt) handle { return handle{Name: a.Name, Seq: a.Seq, Attempt: a.Number} }

func (h handle) String() string {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(b)
}

func parseHandle(s string) (handle, error) {
	var h handle
	if err := json.Unmarshal([]byte(s), &h); err != nil || !validName(h.Name) {
		return h, &fault.Error{Kind: fault.NotFound, Msg: fmt.Sprintf("handle %q is not one of the process executor's", s), Err: err}
	}
	return h, nil
}

// validName keeps names from being paths.
func validName(name string) bool {
	return name != "" && name[0] != '.' && filepath.Base(name) == name
}

func (e *Executor) jobDir(h handle) string {
	return filepath.Join(e.DataDir, "jobs", fmt.Sprint(h.Seq))
}

func (e *Executor) attemptDir(h handle) string {
	return filepath.Join(e.jobDir(h), fmt.Sprintf("a%d", h.Attempt))
}

func (e *Executor) record(name string) string { return filepath.Join(e.DataDir, "attempts", name) }

// List names every attempt that was reserved or started and not removed.
func (e *Executor) List(context.Context) (map[string]string, error) {
	entries, err := os.ReadDir(filepath.Join(e.DataDir, "attempts"))
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	found := map[string]string{}
	for _, entry := range entries {
		if !validName(entry.Name()) {
			continue
		}
		r, err := e.readRecord(entry.Name())
		if fault.Is(err, fault.NotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		found[r.Name] = r.handle.String()
	}
	return found, nil
}
