package runtimes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// Choice is what a job gets.
type Choice struct {
	Python   string // one of the versions that were there, whole: "3.11.7"
	Runtime  string // as asked; empty when none was
	Notes    []string
	Warnings []string
}

// Line is the line that the Python is of: "3.11".
func (c Choice) Line() string {
	v, _ := parse(c.Python)
	return v[:min(len(v), 2)].String()
}

// Check chooses the Python of a job that asks for a runtime version, a Python
// version, both or neither, from the versions that are there. A refusal is
// fault.Invalid with the field's violation and names what would do.
func Check(runtime, python string, have []string) (Choice, error) {
	found := versions(have)
	if runtime != "" {
		return checkRuntime(runtime, python, found)
	}
	if python == "" {
		return newest(found)
	}
	want, ok := parse(python)
	if ok {
		for _, v := range found {
			if v.begins(want) && (len(want) > 1 || !v.newer(newestServed())) {
				return Choice{Python: v.String()}, nil
			}
		}
	}
	return Choice{}, refuse("python_version", fmt.Sprintf("Python version '%s' is not on this machine; %s", python, there(found)),
		"install that Python, or name one of these in pythonVersion")
}

func checkRuntime(runtime, python string, found []version) (Choice, error) {
	sentence := fmt.Sprintf("The specified runtime version '%s' with the Python version '%s' is not supported or is deprecated.  "+
		"Please specify a different runtime version. See https://cloud.google.com/ml-engine/docs/runtime-version-list for a list of supported versions",
		runtime, python)
	at := slices.IndexFunc(google().Runtimes, func(r Runtime) bool { return r.Version == runtime })
	if at < 0 {
		return Choice{}, refuse("runtime_version", sentence+". Known here are "+known()+"; "+there(found),
			"leave the runtime version out to get the newest Python there is")
	}
	r := google().Runtimes[at]
	need, _ := parse(r.Python)
	if python != "" {
		want, ok := parse(python)
		if !ok || !want.begins(need) && !need.begins(want) {
			return Choice{}, refuse("runtime_version", sentence+fmt.Sprintf(". Runtime version %s has Python %s", runtime, r.Python),
				"set pythonVersion to "+r.Python+" or leave it out")
		}
		if len(want) > len(need) {
			need = want
		}
	}
	for _, v := range found {
		if v.begins(need) {
			return Choice{Python: v.String(), Runtime: runtime, Warnings: []string{fmt.Sprintf(
				"Runtime version %s runs with Python %s, but its own packages (tensorflow %s, scikit-learn %s, xgboost %s and others) are not installed yet: list what the program needs in install_requires.",
				runtime, v, r.TensorFlow, r.ScikitLearn, r.XGBoost)}}, nil
		}
	}
	return Choice{}, refuse("runtime_version", sentence+fmt.Sprintf(". It needs Python %s, which is not on this machine; %s", need, there(found)),
		"install Python "+need.String()+", or leave the runtime version out to get the newest Python there is")
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
			"Python %s is newer than what current scikit-learn and TensorFlow packages serve (%s).", v, google().NewestPython)}}, nil
	}
	return Choice{}, fault.Errorf(fault.Precondition, "there is no Python on this machine").
		WithHint("install Python %s or older, or name an interpreter with TRAINYARD_PYTHONS", google().NewestPython)
}

func refuse(field, sentence, hint string) error {
	return &fault.Error{Kind: fault.Invalid, Msg: sentence, Hint: hint, Violations: []fault.Violation{{Field: field, Description: sentence}}}
}

func known() string {
	var names []string
	for _, r := range google().Runtimes {
		names = append(names, r.Version)
	}
	return strings.Join(names, ", ")
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
