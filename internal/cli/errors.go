package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/trainyard/trainyard/internal/fault"
)

// Exit statuses, besides 0.
const (
	exitFailed      = 1   // it did not work, or the job did not succeed
	exitUsage       = 2   // the command line is wrong; nothing was done
	exitInterrupted = 130 // Ctrl-C, as a shell counts
)

// usageError is a mistake in the command line itself.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) *usageError {
	return &usageError{err: fmt.Errorf(format, args...)}
}

func (e *usageError) withHint(format string, args ...any) *usageError {
	return &usageError{e.err, fmt.Sprintf(format, args...)}
}

// exitError ends a command with a status when all has been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// interruptError ends a command after a Ctrl-C and says what that means here.
type interruptError struct{ msg string }

func (e *interruptError) Error() string { return e.msg }

// report tells the user what went wrong and gives the exit status.
func report(s *Streams, err error) int {
	var exit exitError
	var usage *usageError
	var interrupt *interruptError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &interrupt):
		s.Say("\n%s", interrupt.msg)
		return exitInterrupted
	case errors.Is(err, syscall.EPIPE):
		return exitFailed // whoever read us has gone; there is nobody to tell
	case errors.As(err, &usage):
		s.problem(usage.Error(), usage.hint)
		return exitUsage
	case errors.Is(err, context.Canceled):
		s.problem("interrupted", "")
		return exitInterrupted
	default:
		s.problem(err.Error(), fault.HintOf(err))
		return fault.KindOf(err).ExitCode()
	}
}

func (s *Streams) problem(msg, hint string) {
	s.Say("%s %s", s.paint(red, "error:"), strings.TrimRight(msg, "\n"))
	if hint != "" {
		s.Say("%s %s", s.paint(cyan, "hint:"), hint)
	}
}
