package mlv1

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	ml "google.golang.org/api/ml/v1"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Wire is the name of this wire in job.Job.Wire.
const Wire = "ml/v1"

// Rules are what a document is checked against beyond its own logic. A nil
// rule checks nothing.
type Rules struct {
	Regions []string
	// Runtime says whether a runtime version runs here with a Python version;
	// either may be empty.
	Runtime func(runtime, python string) (Runtime, error)
	// Machines is the table of machine types and scale tiers; nil for the
	// built-in one.
	Machines *job.Machines
	// Accelerators says whether this server has them.
	Accelerators func(typ string, count int) error
}

// Runtime is what a job with a runtime version, a Python version, both or
// neither gets.
type Runtime struct {
	Version         string   // of the runtime; empty where the job gets none
	Python          string   // MAJOR.MINOR; empty where that is not known yet
	Notes, Warnings []string // for the user
}

// Parsed is a document that was found right.
type Parsed struct {
	Spec     job.Spec
	Document json.RawMessage // as it was sent, without white space and the values of secrets
	Notes    []string        // what was decided for the user
	Warnings []string        // the same as Spec.Warnings
}

// Parse turns a document from the wire into a specification. Its error is a
// fault of kind Invalid that names everything that is wrong, not only the
// first. Package sizes and generations are not known here and stay zero.
func Parse(project job.Project, doc []byte, rules Rules) (Parsed, error) {
	var form wire
	d, err := form.decode(doc)
	if err != nil {
		return Parsed{}, err
	}
	typed, err := d.Typed()
	if err != nil {
		return Parsed{}, err
	}
	c := &checker{rules: rules, job: typed, in: typed.TrainingInput, broken: form.broken}
	spec := c.check(project)
	c.extensions(&spec, d.Sub("trainingInput"))
	if len(form.violations)+len(c.violations) > 0 {
		return Parsed{}, refusal(form.violations, c.violations, c.hint)
	}
	if spec.Opaque, err = json.Marshal(opaque(d.Sub("trainingInput"))); err != nil {
		return Parsed{}, fault.Errorf(fault.Internal, "write the job for TF_CONFIG: %w", err)
	}
	if open, found := WithoutSecrets(d); found {
		if doc, err = json.Marshal(open); err != nil {
			return Parsed{}, fault.Errorf(fault.Internal, "write the job without its secrets: %w", err)
		}
	}
	var sent bytes.Buffer
	if err := json.Compact(&sent, doc); err != nil {
		return Parsed{}, payloadError(doc, err)
	}
	return Parsed{Spec: spec, Document: sent.Bytes(), Notes: c.notes, Warnings: spec.Warnings}, nil
}

// refusal tells violations of form as they are and those of meaning with their
// field before them, as the original did.
func refusal(form, meaning []fault.Violation, hint string) error {
	var lines []string
	for _, v := range form {
		lines = append(lines, v.Description)
	}
	if len(meaning) > 0 {
		lines = append(lines, fault.Fields(meaning))
	}
	return &fault.Error{Kind: fault.Invalid, Msg: strings.Join(lines, "\n"), Violations: append(form, meaning...), Hint: hint}
}

// opaque is the training input as TF_CONFIG's "job" shows it: snake_case, and
// without what the original did not know.
func opaque(in Doc) any {
	o := snakes(compact(in)).(map[string]any)
	delete(o, "env")
	delete(o, "no_job_dir_arg")
	return o
}

// snakes is a value with its fields in snake_case.
func snakes(v any) any {
	switch v := v.(type) {
	case Doc:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[snake(k)] = snakes(e)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = snakes(e)
		}
		return l
	default:
		return v
	}
}

// seconds reads a duration of the wire; what is longer than a time.Duration
// can say is as good as for ever.
func seconds(s string) time.Duration {
	if s == "" {
		return 0
	}
	whole, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(s, "s"), "-"), ".")
	if len(whole) > 9 {
		return 1<<63 - 1
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0
	}
	return d
}

// primary is the name that TF_CONFIG gives the primary of a job of a runtime
// version: TensorFlow 2 knows no master.
func primary(runtime string) string {
	if major, minor, ok := version(runtime); ok && (major < 2 || major == 2 && minor < 1) {
		return "master"
	}
	return "chief"
}

func replicas(in *ml.GoogleCloudMlV1__TrainingInput) []replica {
	return []replica{
		{job.Worker, "worker", in.WorkerType, in.WorkerCount, in.WorkerConfig},
		{job.ParameterServer, "parameter_server", in.ParameterServerType, in.ParameterServerCount, in.ParameterServerConfig},
		{job.Evaluator, "evaluator", in.EvaluatorType, in.EvaluatorCount, in.EvaluatorConfig},
	}
}

// replica is what the document says of one role.
type replica struct {
	role    job.Role
	field   string // prefix of its fields
	machine string
	count   int64
	config  *ml.GoogleCloudMlV1__ReplicaConfig
}
