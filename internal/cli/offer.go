package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
)

// fixError is a mistake with the command line that was probably meant. The
// error's own hint says so in words.
type fixError struct {
	error
	fix func(args []string) []string
}

func (e *fixError) Unwrap() error { return e.error }

// offer asks, when the mistake has been told, whether to run what was probably
// meant. Where nobody can answer, or wants no questions, it is not asked.
func (a *App) offer(err error, args []string) (better []string, yes bool) {
	e, ok := errors.AsType[*fixError](err)
	if !ok || slices.ContainsFunc(own(args), func(w string) bool { return w == "-q" || w == "--quiet" || w == "--quiet=true" }) {
		return nil, false
	}
	if s, err := a.Config(); err != nil || s.Quiet {
		return nil, false
	}
	better = append([]string{args[0]}, e.fix(slices.Clone(args[1:]))...)
	if slices.Equal(better, args) {
		return nil, false
	}
	words := make([]string, len(better))
	for i, w := range better[1:] {
		words[i+1] = quote(w)
	}
	words[0] = "trainyard"
	return better, a.Ask("\n  " + join(words) + "\n\nRun this instead?")
}

// own are the words of a command line that are not the program's.
func own(args []string) []string {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i]
	}
	return args
}

// withFlag is a command line with a flag's value set.
func withFlag(args []string, name, value string) []string {
	mine := own(args)
	for i, w := range mine {
		switch {
		case strings.HasPrefix(w, "--"+name+"="):
			args[i] = "--" + name + "=" + value
			return args
		case w == "--"+name && i+1 < len(mine):
			args[i+1] = value
			return args
		}
	}
	return slices.Insert(args, len(mine), "--"+name+"="+value)
}

// withWord is a command line with a word replaced, or added where it is not
// there.
func withWord(args []string, old, word string) []string {
	mine := own(args)
	if i := slices.Index(mine, old); i >= 0 {
		args[i] = word
		return args
	}
	return slices.Insert(args, len(mine), word)
}

// withText is a command line with a part of a word replaced.
func withText(args []string, old, text string) []string {
	for i, w := range own(args) {
		args[i] = strings.Replace(w, old, text, 1)
	}
	return args
}

// separated is a command line with all that is not the command's own after --.
// Its own are its flags with their values and the first words.
func separated(cmd *cobra.Command, words int, args []string) []string {
	words += strings.Count(cmd.CommandPath(), " ")
	var mine, theirs []string
	for i := 0; i < len(args); i++ {
		w := args[i]
		if w == "--" {
			theirs = append(theirs, args[i+1:]...)
			break
		}
		name, _, has := strings.Cut(strings.TrimLeft(w, "-"), "=")
		f := cmd.Flags().Lookup(name)
		if !strings.HasPrefix(w, "--") && name != "" {
			f = cmd.Flags().ShorthandLookup(name[:1])
		}
		switch {
		case strings.HasPrefix(w, "-") && f != nil:
			mine = append(mine, w)
			if !has && f.NoOptDefVal == "" && i+1 < len(args) {
				i++
				mine = append(mine, args[i])
			}
		case !strings.HasPrefix(w, "-") && words > 0:
			mine = append(mine, w)
			words--
		default:
			theirs = append(theirs, w)
		}
	}
	return append(append(mine, "--"), theirs...)
}

// region adds to a refusal of the job's region which one was probably meant.
func (o *submitOptions) region(ctx context.Context, c *client.Client, in mlv1.Doc, err error) error {
	refused, ok := errors.AsType[*fault.Error](err)
	if !ok || !slices.ContainsFunc(refused.Violations, func(v fault.Violation) bool { return v.Field == "region" }) {
		return err
	}
	info, failed := c.Server(ctx)
	if failed != nil || len(info.Regions) == 0 || slices.Contains(info.Regions, in.Text("region")) {
		return err
	}
	asked, best := in.Text("region"), info.Regions[0]
	for _, r := range info.Regions {
		if d := fault.Distance(asked, r); d < 4 && d < fault.Distance(asked, best) {
			best = r
		}
	}
	return &fixError{refused.WithHint("use --region %s", best), func(args []string) []string { return withFlag(args, "region", best) }}
}
