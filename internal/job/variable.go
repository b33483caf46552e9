package job

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// Variable is a variable of the program's environment that the user sets. A
// secret one has its value in the clear only until it is sealed, and shows it
// to nobody: not as text, and not as JSON.
type Variable struct {
	Name   string
	Value  string `json:",omitempty"`
	Secret bool   `json:",omitempty"`
	Sealed string `json:",omitempty"` // what a secret's value is kept as
}

func (v Variable) String() string {
	if v.Secret {
		return v.Name + " (secret)"
	}
	return v.Name + "=" + v.Value
}

// MarshalJSON keeps encoders from writing a secret's value.
func (v Variable) MarshalJSON() ([]byte, error) {
	type plain Variable
	if v.Secret {
		v.Value = ""
	}
	return json.Marshal(plain(v))
}

// The limits of a job's variables, well below those of the system for a
// program's arguments and environment together.
const (
	maxVariables     = 100
	maxVariableName  = 128
	maxVariableValue = 32 << 10
	maxVariablesSize = 128 << 10
)

var variablePattern = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reserved are the variables that tell a program where it is; a job that set
// them would be told wrong. Those that end in _ stand for all that begin so.
var reserved = []string{
	"TF_CONFIG", "CLUSTER_SPEC", "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES",
	"PATH", "HOME", "TMPDIR", "STORAGE_EMULATOR_HOST", "NO_PROXY", "no_proxy", "TRAINYARD_", "CLOUD_ML_", "CLOUDSDK_",
}

// JobDirVariable tells the program its job-dir.
const JobDirVariable = "TRAINYARD_JOB_DIR"

// CheckVariable says what is wrong with the name or the value of a variable.
func CheckVariable(v Variable) error {
	switch {
	case !variablePattern.MatchString(v.Name):
		return fault.Errorf(fault.Invalid, "%.100q is no name of a variable: it is letters, digits and underscores, no digit first", v.Name)
	case len(v.Name) > maxVariableName:
		return fault.Errorf(fault.Invalid, "the name %.40s… is longer than %d characters", v.Name, maxVariableName)
	case slices.ContainsFunc(reserved, func(r string) bool {
		return v.Name == r || strings.HasSuffix(r, "_") && strings.HasPrefix(v.Name, r)
	}):
		return fault.Errorf(fault.Invalid, "%s is set by the service, which tells the program with it where it is", v.Name).WithHint("use another name")
	case strings.ContainsRune(v.Value, 0):
		return fault.Errorf(fault.Invalid, "the value of %s holds a NUL character", v.Name)
	case len(v.Value) > maxVariableValue:
		return fault.Errorf(fault.Invalid, "the value of %s is of %d bytes; at most %d are allowed", v.Name, len(v.Value), maxVariableValue).
			WithHint("put what is larger into an object and give the program its gs:// name")
	}
	return nil
}

// CheckVariables says everything that is wrong with a job's variables, by the
// index of each; -1 is all of them together.
func CheckVariables(vs []Variable, wrong func(i int, err error)) {
	seen, size := map[string]bool{}, 0
	for i, v := range vs {
		if err := CheckVariable(v); err != nil {
			wrong(i, err)
		} else if seen[v.Name] {
			wrong(i, fault.Errorf(fault.Invalid, "%s is there twice", v.Name))
		}
		seen[v.Name] = true
		size += len(v.Name) + len(v.Value)
	}
	if len(vs) > maxVariables {
		wrong(-1, fmt.Errorf("at most %d variables are allowed; there are %d", maxVariables, len(vs)))
	}
	if size > maxVariablesSize {
		wrong(-1, fmt.Errorf("the variables are of %d bytes together; at most %d are allowed", size, maxVariablesSize))
	}
}
