package runtimes

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// Ask is what a job asks for; empty means that it leaves the choice to us.
type Ask struct {
	Runtime, Python string
	Now             time.Time
	// Fetch says that a Python that is not there can be fetched.
	Fetch bool
}

// Choice is what a job gets.
type Choice struct {
	Python   string   // one of the versions that were there, whole: "3.11.7"
	Fetch    string   // instead of Python: the line, or version, that is to be fetched first
	Runtime  *Runtime // nil: no version, no packages of its own
	Notes    []string // what was decided for who submits
	Warnings []string
}

// Line is the line that the Python is of: "3.11".
func (c Choice) Line() string {
	v, _ := parse(cmp.Or(c.Python, c.Fetch))
	return v[:min(len(v), 2)].String()
}

// Choose chooses the Python of a job that asks for a runtime version, a Python
// version, both or neither, from the versions that are there. A refusal is
// fault.Invalid with the field's violation and names what would do.
func (c Catalogue) Choose(a Ask, have []string) (Choice, error) {
	found := versions(have)
	if a.Runtime == "" && c.Default != "" {
		if r, err := c.Get(c.Default); err == nil && (a.Python == "" || r.serves(a.Python)) {
			a.Runtime = c.Default
			choice, err := c.chooseRuntime(a, found)
			if err == nil {
				choice.Notes = append(choice.Notes, fmt.Sprintf("No runtime version is named: the job gets this server's default, %s.", c.Default))
			}
			return choice, err
		}
	}
	if a.Runtime != "" {
		return c.chooseRuntime(a, found)
	}
	if a.Python == "" {
		if a.Fetch && len(found) == 0 {
			return Choice{Fetch: NewestPython}, nil
		}
		return newest(found)
	}
	want, ok := parse(a.Python)
	if ok {
		for _, v := range found {
			if v.begins(want) && (len(want) > 1 || !v.newer(newestServed())) {
				return Choice{Python: v.String()}, nil
			}
		}
		if a.Fetch && len(want) > 1 && !oldestServed().newer(want) {
			return Choice{Fetch: a.Python}, nil
		}
	}
	return Choice{}, refuse("python_version", fmt.Sprintf("Python version '%s' is not on this machine; %s", a.Python, there(found)),
		howToGet(a.Python)+", or name one of these in pythonVersion")
}

func (c Catalogue) chooseRuntime(a Ask, found []version) (Choice, error) {
	sentence := fmt.Sprintf("The specified runtime version '%s' with the Python version '%s' is not supported or is deprecated.  "+
		"Please specify a different runtime version. See https://cloud.google.com/ml-engine/docs/runtime-version-list for a list of supported versions",
		a.Runtime, a.Python)
	r, err := c.Get(a.Runtime)
	if fault.Is(err, fault.NotFound) {
		return Choice{}, refuse("runtime_version", sentence+". Nearest here: "+strings.Join(c.nearest(a.Runtime), ", "),
			"see all with: trainyard runtimes list; without a runtime version a job gets a current Python and what it requires")
	}
	if err != nil {
		return Choice{}, refuse("runtime_version", err.Error(), fault.HintOf(err))
	}
	if r.Ends.Passed(a.Now) {
		return Choice{}, refuse("runtime_version", sentence+fmt.Sprintf(". Runtime version %s ended on %s. Nearest here: %s", r.Version, r.Ends, strings.Join(c.nearest(a.Runtime), ", ")),
			"choose another; see: trainyard runtimes list")
	}
	lines := r.Python
	if a.Python != "" {
		if !r.serves(a.Python) {
			return Choice{}, refuse("runtime_version", sentence+fmt.Sprintf(". Runtime version %s has Python %s", r.Version, strings.Join(r.Python, " or ")),
				"set pythonVersion to "+r.Python[0]+" or leave it out")
		}
		if want, _ := parse(a.Python); len(want) > 1 {
			lines = []string{a.Python}
		}
	}
	for _, line := range lines {
		want, _ := parse(line)
		for _, v := range found {
			if v.begins(want) {
				choice := Choice{Python: v.String(), Runtime: r}
				if r.Deprecated.Passed(a.Now) {
					choice.Warnings = append(choice.Warnings, fmt.Sprintf("Runtime version %s is deprecated since %s; see newer ones with: trainyard runtimes list.", r.Version, r.Deprecated))
				}
				return choice, nil
			}
		}
	}
	if a.Fetch {
		return Choice{Fetch: lines[0], Runtime: r}, nil
	}
	return Choice{}, refuse("runtime_version", sentence+fmt.Sprintf(". It needs Python %s, which is not on this machine; %s", strings.Join(lines, " or "), there(found)),
		howToGet(lines[0])+", or leave the runtime version out to get the newest Python there is")
}

// serves reports whether a Python version, in part or whole, is one of the
// runtime's.
func (r *Runtime) serves(python string) bool {
	want, ok := parse(python)
	return ok && slices.ContainsFunc(r.Python, func(line string) bool {
		have, _ := parse(line)
		return want.begins(have) || have.begins(want)
	})
}

// Status is one word for a list.
func (r *Runtime) Status(now time.Time) string {
	switch {
	case r.Ends.Passed(now):
		return "ended"
	case r.Deprecated.Passed(now):
		return "deprecated"
	}
	return "supported"
}

// newest is the default: the newest that current wheels serve.
func newest(found []version) (Choice, error) {
	for _, v := range found {
		if !v.newer(newestServed()) {
			return Choice{Python: v.String(), Notes: []string{fmt.Sprintf(
				"No runtime version is named: the job gets Python %s, the newest here that current scikit-learn and TensorFlow packages serve.", v)}}, nil
		}
	}
	if len(found) > 0 {
		v := found[len(found)-1] // the oldest of those that are too new
		return Choice{Python: v.String(), Warnings: []string{fmt.Sprintf(
			"Python %s is newer than what current scikit-learn and TensorFlow packages serve (%s).", v, NewestPython)}}, nil
	}
	return Choice{}, fault.Errorf(fault.Precondition, "there is no Python on this machine").
		WithHint("%s, or name an interpreter with TRAINYARD_PYTHONS", howToGet(NewestPython))
}

func howToGet(python string) string {
	return fmt.Sprintf("install it (uv python install %s, or pyenv install %s)", python, python)
}

func refuse(field, sentence, hint string) error {
	return &fault.Error{Kind: fault.Invalid, Msg: sentence, Hint: hint, Violations: []fault.Violation{{Field: field, Description: sentence}}}
}

func there(found []version) string {
	if len(found) == 0 {
		return "no Python was found here"
	}
	var names []string
	for _, v := range found {
		names = append(names, v.String())
	}
	return "there is Python " + strings.Join(names, ", ")
}

// CheckDir reads all of a site's files, so that a mistake in one is told when
// the server starts and not to the first who asks for it.
func (c Catalogue) CheckDir() error {
	if c.Dir != "" {
		for _, v := range names(os.DirFS(c.Dir), ".") {
			if _, err := c.Get(v); err != nil {
				return err
			}
		}
	}
	if c.Default != "" {
		if _, err := c.Get(c.Default); err != nil {
			return fault.Errorf(fault.Invalid, "default-runtime: there is no runtime version %q", c.Default).
				WithHint("nearest here: %s", strings.Join(c.nearest(c.Default), ", "))
		}
	}
	return nil
}
