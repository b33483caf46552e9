// Package logs holds what programs print and what the service says about them:
// entries are appended to spool files by agents, queried with filters, merged
// and followed. It knows no HTTP and no database; the service's own lines
// come through an interface.
package logs

import (
	"encoding/json"
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
