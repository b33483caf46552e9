// Package logs holds what programs print and what the service says about them:
// entries are appended to spool files by agents, queried with filters, merged
// and followed. It knows no HTTP and no database; the service's own lines
// come through an interface.
package logs

import (
	"encoding/json"
	"strconv"
	"time"
)

// Severity is a log severity as Cloud Logging names it.
type Severity string

// The severities in use, in order.
const (
	Default  Severity = "DEFAULT"
	Debug    Severity = "DEBUG"
	Info     Severity = "INFO"
	Warning  Severity = "WARNING"
	Error    Severity = "ERROR"
	Critical Severity = "CRITICAL"
)

// Entry is one log entry.
type Entry struct {
	Task     string    `json:"task"`            // "master-replica-0", "service"
	Trial    string    `json:"trial,omitempty"` // of a tuning job
	Time     time.Time `json:"time"`
	Severity Severity  `json:"severity"`
	Message  string    `json:"message"`
	// Fields are further facts of a structured line: levelname, pathname,
	// lineno, created, name. A JSON object, or nil.
	Fields json.RawMessage `json:"fields,omitempty"`
	// Stream is where the program printed the line: "stdout" or "stderr". Empty
	// for what the service or an agent says itself.
	Stream string `json:"stream,omitempty"`
	// InsertID sorts entries of one timestamp in the order they were written,
	// also across replicas, attempts and runs.
	InsertID string `json:"insertId"`
}

// Try is which attempt of the job the entry's replica wrote it in, from 1, and
// which run of the replica in that attempt, from 0, as its InsertID says. It is
// 0, 0 for what the service says.
func (e Entry) Try() (attempt, run int) {
	const digits = len("0001m00000") // see agent.Task.IDPrefix
	id := e.InsertID
	if len(id) < digits || id[4] < 'a' || id[4] > 'z' {
		return 0, 0
	}
	attempt, err := strconv.Atoi(id[:4])
	run, err2 := strconv.Atoi(id[8:10])
	if err != nil || err2 != nil || attempt < 1 || run < 0 {
		return 0, 0
	}
	return attempt, run
}
