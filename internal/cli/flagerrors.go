package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trainyard/trainyard/internal/fault"
)

// flagError words what the flag parser found as the original does.
func flagError(cmd *cobra.Command, err error) error {
	var usage *usageError
	if errors.As(err, &usage) || errors.Is(err, pflag.ErrHelp) {
		return err
	}
	help := "see: " + cmd.CommandPath() + " --help"
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		cause := errors.Unwrap(err)
		if cause == nil {
			cause = err
		}
		h, ok := errors.AsType[*hinted](err)
		if ok {
			help, cause = h.hint, h.error
		}
		told := usagef("argument --%s: %w", e.GetFlag().Name, plainNumber(e, cause)).withHint("%s", help)
		if ok && h.fixed != "" {
			return &fixError{told, func(args []string) []string { return withFlag(args, e.GetFlag().Name, h.fixed) }}
		}
		return told
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(cmd, e)
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usagef("argument --%s: expected one argument", e.GetSpecifiedName()).withHint("%s", help)
	}
	return (&usageError{err: err}).withHint("%s", help)
}

// negative refuses a time below zero.
func negative(flag string, d time.Duration) error {
	return usagef("argument --%s: Value must not be negative; received: %s", flag, d)
}

// plainNumber replaces the text of strconv's errors.
func plainNumber(e *pflag.InvalidValueError, cause error) error {
	if strings.Contains(cause.Error(), "strconv.") || strings.HasPrefix(cause.Error(), "time: ") {
		switch e.GetFlag().Value.Type() {
		case "duration":
			return usagef("%q is not a time such as 90s, 10m or 24h", e.GetValue())
		case "bool":
			return usagef("%q is neither true nor false", e.GetValue())
		default:
			return usagef("%q is not a whole number", e.GetValue())
		}
	}
	return cause
}

// unknownFlag tells a misspelt flag from one that is meant for the user's
// program.
func unknownFlag(cmd *cobra.Command, e *pflag.NotExistError) error {
	dashes := "--"
	if e.GetSpecifiedShortnames() != "" {
		dashes = "-"
	}
	name := dashes + e.GetSpecifiedName()
	err := usagef("unrecognized arguments: %s", name)
	best, dist := "", min(3, len(e.GetSpecifiedName())/2+1)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := fault.Distance(e.GetSpecifiedName(), f.Name); d < dist && !f.Hidden {
			best, dist = f.Name, d
		}
	})
	switch {
	case e.GetSpecifiedName() == "flags-file", e.GetSpecifiedName() == "flatten":
		return err.withHint("gcloud's %s is not supported here; write the flags themselves, or use --config and --format", name)
	case best != "":
		return &fixError{err.withHint("did you mean --%s?", best), func(args []string) []string { return withText(args, name, "--"+best) }}
	case cmd.Name() == "training", cmd.Name() == "train":
		words := 0
		if cmd.Name() == "training" {
			words = 1
		}
		return &fixError{err.withHint("put -- before what is meant for your program: -- %s", name), func(args []string) []string { return separated(cmd, words, args) }}
	}
	return err.withHint("see: %s --help", cmd.CommandPath())
}
