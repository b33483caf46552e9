// Package fault says what kinds of error there are and what each allows.
//
// An error has a kind for the program, a message for the person, a hint that
// says what to do, and a cause for the log. A package that talks to a driver
// translates at once: sql.ErrNoRows and ENOSPC leave it as NotFound and Full.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is what a program may know about an error.
type Kind int

// The kinds. Only Unavailable is ever retried.
const (
	Internal     Kind = iota // a bug or a broken machine; the cause goes to the log, not to the user
	Invalid                  // the request is wrong whoever sends it
	NotFound                 // the thing named does not exist
	Conflict                 // it exists already, or somebody else changed it
	Precondition             // a condition that the caller stated, or that the state sets, does not hold
	Denied                   // the caller may not
	Exhausted                // a quota or limit is used up
	Full                     // the disk is full
	Unavailable              // not now; trying again may help
)

var kindNames = [...]string{"internal", "invalid", "not_found", "conflict", "precondition", "denied", "exhausted", "full", "unavailable"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return kindNames[k]
}

// ExitCode is the exit status of a command that ends with an error of this
// kind. Usage errors (a bad flag) are 2 and are made by the command line itself.
func (k Kind) ExitCode() int { return 1 }

// Violation is one thing wrong with one field of a request.
type Violation struct {
	Field       string // snake_case path, as in "parameter_server_count"
	Description string
}

// Error is an error with a kind. The zero Kind is Internal.
type Error struct {
	Kind       Kind
	Msg        string      // what is wrong, naming the thing; no capital rule, no trailing period rule: it may be the original's sentence
	Hint       string      // what to do about it; may be empty
	Violations []Violation // for Invalid and Precondition: every field that is wrong, not only the first
	Err        error       // the cause, for the log and for errors.Is; may be nil
}

func (e *Error) Error() string {
	switch {
	case e.Msg == "" && e.Err != nil:
		return e.Err.Error()
	case e.Msg == "":
		return e.Kind.String()
	default:
		return e.Msg
	}
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind. A %w operand becomes the cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns a copy of e that says what to do.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// KindOf is the kind of the first *Error in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is an error of the kind; false for nil.
func Is(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}

// HintOf is the first hint in err's chain.
func HintOf(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// Fields joins violations in the original service's form, one per line:
// "Field: region Error: …".
func Fields(vs []Violation) string {
	lines := make([]string, len(vs))
	for i, v := range vs {
		lines[i] = "Field: " + v.Field + " Error: " + v.Description
	}
	return strings.Join(lines, "\n")
}
