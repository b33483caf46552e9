package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/trainyard/trainyard/internal/cli/dotenv"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
)

// envOptions is what a command line says of the program's variables.
type envOptions struct{ given, files []string }

func (e *envOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&e.given, "env", nil, "variable of the program, NAME=VALUE; NAME alone is taken from your environment and kept secret (repeatable)")
	f.StringArrayVar(&e.files, "env-file", nil, "file of variables, one NAME=VALUE a line; their values are kept secret (repeatable)")
}

// unset is a variable whose value is to be taken from the environment.
type unset struct {
	job.Variable
	bare bool
}

// over lays what the command line says over a job file's variables.
func (e *envOptions) over(vs []unset) ([]unset, error) {
	set := func(v unset) {
		i := slices.IndexFunc(vs, func(o unset) bool { return o.Name == v.Name })
		if i < 0 {
			vs = append(vs, v)
			return
		}
		v.Secret = v.Secret || vs[i].Secret
		vs[i] = v
	}
	for _, path := range e.files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "--env-file: Unable to read file [%s]: %s", path, reason(err))
		}
		lines, err := dotenv.Parse(path, string(text))
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			set(unset{job.Variable{Name: l.Name, Value: l.Value, Secret: true}, l.Bare})
		}
	}
	for _, g := range e.given {
		name, value, has := strings.Cut(g, "=")
		set(unset{job.Variable{Name: name, Value: value, Secret: !has}, !has})
	}
	return vs, nil
}

// variables writes into a training input what the job file and the command
// line say of the program's variables, with the values that only the caller's
// environment has.
func (o *submitOptions) variables(in mlv1.Doc) error {
	var all []unset
	vs, bare := mlv1.Variables(in)
	for _, v := range vs {
		all = append(all, unset{v, slices.Contains(bare, v.Name)})
	}
	all, err := o.env.over(all)
	if err != nil {
		return err
	}
	vs = vs[:0:0]
	var missing []string
	for _, v := range all {
		if v.bare {
			value, there := o.Env.Lookup(v.Name)
			if v.Value = value; !there {
				missing = append(missing, v.Name)
			}
		}
		vs = append(vs, v.Variable)
	}
	var wrong error
	job.CheckVariables(vs, func(_ int, err error) {
		if wrong == nil {
			wrong = err
		}
	})
	switch {
	case wrong != nil:
		return fault.Errorf(fault.Invalid, "variables: %w", wrong)
	case len(missing) > 0:
		return fault.Errorf(fault.Invalid, "variables: %s: not set in your environment, and no value is given", strings.Join(missing, ", ")).
			WithHint("export %s, or give it with --env %[1]s=VALUE or --env-file", missing[0])
	}
	mlv1.SetVariables(in, vs)
	return nil
}
