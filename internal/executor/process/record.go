package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/fault"
)

// record says that there is an attempt: it is written before anything of the
// attempt and removed after everything.
type record struct {
	handle
	Ports []int               `json:"ports,omitempty"` // reserved for it
	GPUs  map[string][]string `json:"gpus,omitempty"`  // by replica; nil until given
}

func (e *Executor) readRecord(name string) (record, error) {
	var r record
	b, err := os.ReadFile(e.record(name))
	if errors.Is(err, fs.ErrNotExist) {
		return r, &fault.Error{Kind: fault.NotFound, Msg: "attempt " + name + " is not known here", Err: err}
	}
	if err != nil {
		return r, fmt.Errorf("read attempt %s: %w", name, err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		// What it reserved cannot be known; a server that does not start because of
		// it helps nobody.
		return record{}, &fault.Error{Kind: fault.NotFound, Msg: "the record of attempt " + name + " is damaged: " + err.Error(), Err: err}
	}
	return r, nil
}

func (e *Executor) writeRecord(r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return agent.WriteFile(e.record(r.Name), b, true)
}

// runs are the attempt's run folders. An empty one is what a Start that was cut
// off, or a Remove, left: nothing of it was ever begun, or nothing is left of it.
func (e *Executor) runs(h handle) ([]run, error) {
	entries, err := os.ReadDir(e.attemptDir(h))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := e.readRecord(h.Name); err != nil {
			return nil, err
		}
		return nil, nil // reserved, nothing started
	}
	if err != nil {
		return nil, fmt.Errorf("read attempt %s: %w", h.Name, err)
	}
	var list []run
	for _, entry := range entries {
		if r, ok := parseRun(entry.Name()); ok {
			r.dir = agent.Folder(filepath.Join(e.attemptDir(h), entry.Name()))
			if !r.dir.There() {
				continue
			}
			list = append(list, r)
		}
	}
	return list, nil
}
