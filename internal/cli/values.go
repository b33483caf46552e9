package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pattern"
)

// textValue is a text flag that knows whether it was given and may be checked.
type textValue struct {
	given bool
	text  string
	check func(string) (string, error) // nil takes everything
	kind  string
}

func (v *textValue) String() string { return v.text }

func (v *textValue) Type() string {
	if v.kind == "" {
		return "string"
	}
	return v.kind
}

func (v *textValue) Set(s string) error {
	if v.check != nil {
		var err error
		if s, err = v.check(s); err != nil {
			return err
		}
	}
	v.given, v.text = true, s
	return nil
}

// pointer is the value for mlv1.Flags: nil when it was not given.
func (v *textValue) pointer() *string {
	if !v.given {
		return nil
	}
	return &v.text
}

// countValue is a whole number of at least 1, or of at least 0.
type countValue struct {
	n    *int64
	none bool // 0 is fine
}

func (v *countValue) String() string {
	if v.n == nil {
		return ""
	}
	return strconv.FormatInt(*v.n, 10)
}

func (v *countValue) Type() string { return "N" }

func (v *countValue) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return wrong("Value must be an integer; received: %s", s)
	}
	least := int64(1)
	if v.none {
		least = 0
	}
	if n < least {
		return wrong("Value must be greater than or equal to %d; received: %d", least, n)
	}
	v.n = &n
	return nil
}

// or is the number, or another where none was given.
func (v *countValue) or(n int64) int {
	if v.n != nil {
		n = *v.n
	}
	return int(n)
}

// boolValue is a boolean that takes a value: --use-chief-in-tf-config true.
type boolValue struct{ b *bool }

func (v *boolValue) String() string {
	if v.b == nil {
		return ""
	}
	return strconv.FormatBool(*v.b)
}

func (v *boolValue) Type() string { return "true|false" }

func (v *boolValue) Set(s string) error {
	var b bool
	switch strings.ToLower(s) {
	case "true", "yes":
		b = true
	case "false", "no":
	default:
		return wrong("Invalid value [%s] for boolean flag. Value must be one of [false, no, true, yes].", s)
	}
	v.b = &b
	return nil
}

// acceleratorValue is type=T,count=N.
type acceleratorValue struct{ a *mlv1.Accelerator }

var acceleratorTypes = []string{
	"nvidia-tesla-a100", "nvidia-tesla-k80", "nvidia-tesla-p100", "nvidia-tesla-p4", "nvidia-tesla-t4", "nvidia-tesla-v100",
	"tpu-v2", "tpu-v2-pod", "tpu-v3", "tpu-v3-pod", "tpu-v4-pod",
}

func (v *acceleratorValue) String() string {
	if v.a == nil {
		return ""
	}
	return fmt.Sprintf("type=%s,count=%d", v.a.Type, v.a.Count)
}

func (v *acceleratorValue) Type() string { return "type=T,count=N" }

func (v *acceleratorValue) Set(s string) error {
	got := map[string]string{}
	for item := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(item, "=")
		if !ok {
			return wrong("Bad syntax for dict arg: [%s]. Write type=T,count=N.", item)
		}
		if key != "type" && key != "count" {
			return wrong("valid keys are [count, type]; received: %s", key)
		}
		if _, twice := got[key]; twice {
			return wrong("%q cannot be specified multiple times; received: %s, %s", key, got[key], value)
		}
		got[key] = value
	}
	for _, key := range []string{"count", "type"} {
		if _, ok := got[key]; !ok {
			return wrong("Key [%s] required in dict arg but not provided", key)
		}
	}
	kind := strings.ReplaceAll(strings.ToLower(got["type"]), "_", "-")
	if !slices.Contains(acceleratorTypes, kind) {
		return wrong("Invalid accelerator: %s. Valid choices are: [%s]", got["type"], strings.Join(acceleratorTypes, ", "))
	}
	n, err := strconv.ParseInt(got["count"], 10, 64)
	if err != nil {
		return wrong("Value must be an integer; received: %s", got["count"])
	}
	if n <= 0 {
		return wrong("The count of the accelerator must be greater than 0.")
	}
	v.a = &mlv1.Accelerator{Type: strings.ToUpper(strings.ReplaceAll(kind, "-", "_")), Count: n}
	return nil
}

// tier reads a scale tier as gcloud spells it, or as the API does.
func tier(s string) (string, error) {
	name := strings.ToUpper(strings.ReplaceAll(s, "-", "_"))
	if slices.Contains(job.Tiers, job.Tier(name)) {
		return name, nil
	}
	return "", wrong("Invalid choice: '%s'.\n\nValid choices are [basic, basic-gpu, basic-tpu, custom, premium-1, standard-1].", s)
}

var accountPattern = pattern.New(`^(?:.+@.+\..+|[0-9]+)$`)

func serviceAccount(s string) (string, error) {
	if !accountPattern.MatchString(s) {
		return "", wrong("Bad value [%s]: Not a valid service account identifier. It should be either a numeric string representing the unique_id or an email of the form: my-iam-account@somedomain.com or my-iam-account@PROJECT_ID.iam.gserviceaccount.com", s)
	}
	return s, nil
}

// wrong is what is wrong with a value, in the original's sentence where it had
// one.
func wrong(format string, args ...any) error { return fault.Errorf(fault.Invalid, format, args...) }
