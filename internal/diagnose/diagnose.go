// Package diagnose explains why a program ended: the sentence that users of
// the original know, the traceback, and, where a known cause fits, what went
// wrong and what to do in plain words. The causes are data (causes.yaml). It
// reads what the agent recorded and runs nothing.
package diagnose

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/job"
)

// Failure is a run that ended badly.
type Failure struct {
	Spec    job.Spec
	Replica job.ReplicaRun   // that failed first
	Attempt int              // its number
	Others  []job.ReplicaRun // the attempt's replicas; the one above may be among them
}

var signals = map[string]int{"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9, "SIGUSR1": 10, "SIGSEGV": 11, "SIGUSR2": 12, "SIGPIPE": 13, "SIGALRM": 14, "SIGTERM": 15}

// Sentence is the original's sentence about the end of a replica.
func Sentence(r job.ReplicaRun) string {
	who := fmt.Sprintf("The replica %s %d", r.Role, r.Index)
	e := r.Exit
	switch {
	case r.State == job.ReplicaLost || e == nil:
		return who + " was lost: its agent ended without a record, as after the loss of a machine."
	case e.OutOfMem:
		return fmt.Sprintf("%s ran out-of-memory and exited with a non-zero status of 9(SIGKILL).", who)
	case e.Signal != "":
		n := signals[e.Signal]
		if n == 0 {
			n = e.Code - 128
		}
		return fmt.Sprintf("%s exited with a non-zero status of %d(%s).", who, n, e.Signal)
	default:
		return fmt.Sprintf("%s exited with a non-zero status of %d.", who, e.Code)
	}
}

// Diagnosis is what can be said of a failure. Whoever shows one takes it as it
// is: the job's errorMessage and "why" say the same.
type Diagnosis struct {
	Sentence  string      // the original's
	Replica   job.Replica // that failed first
	Cause     string      // its name in the catalogue; empty when no known cause fits
	Text      string      // what happened, a sentence; empty when no known cause fits
	Hint      string      // what to do; may be empty
	Exception string      // that ended the program, as Python writes it; empty when none did
	Where     Place       // of the exception in the user's own code
	Others    string      // what the job's other replicas did, a clause; empty when there are none
	Evidence  string      // the traceback, the agent's message, or the last lines
}

// Place is a line of a program.
type Place struct {
	File string // as the package has it: "trainer/model.py"
	Line int
	Func string // empty for a module's own lines
}

// String is "trainer/model.py:37 in build", or empty.
func (p Place) String() string {
	switch {
	case p.File == "":
		return ""
	case p.Func == "":
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d in %s", p.File, p.Line, p.Func)
	}
}

// Of diagnoses a failure.
func Of(f Failure) Diagnosis {
	d := Diagnosis{Sentence: Sentence(f.Replica), Replica: f.Replica.Replica, Evidence: shown(f.Replica.Exit)}
	d.Text, d.Hint = Cause(f)
	return d
}

// Explain is a failed job's errorMessage.
func Explain(f Failure) string {
	d := Of(f)
	var b strings.Builder
	b.WriteString(d.Sentence)
	if e := f.Replica.Exit; e != nil && e.Step == "run" && e.Signal == "" && e.Code != 0 {
		b.WriteString(" Termination reason: Error.")
	}
	if f.Attempt > 1 || f.Replica.Run > 0 {
		fmt.Fprintf(&b, " It was tried again before: attempt %d, restart %d.", f.Attempt, f.Replica.Run)
	}
	if d.Others != "" {
		b.WriteString(" " + d.Others)
	}
	if d.Evidence != "" {
		b.WriteString("\n" + d.Evidence)
	}
	if where := d.Where.String(); where != "" {
		b.WriteString("\n\nAt: " + where)
	}
	if d.Text != "" {
		b.WriteString("\n\nCause: " + d.Text)
	}
	if d.Hint != "" {
		b.WriteString("\nHint: " + d.Hint)
	}
	fmt.Fprintf(&b, "\n\nTo find out more about why your job exited please check the logs: trainyard jobs stream-logs %s --project %s", f.Spec.Key.ID, f.Spec.Key.Project)
	return b.String()
}

// shown is the part of an exit record that a person should read.
func shown(e *job.Exit) string {
	switch {
	case e == nil:
		return ""
	case e.Traceback != "":
		return strings.TrimRight(e.Traceback, "\n")
	case e.Message != "":
		text := strings.TrimRight(e.Message, "\n")
		if len(e.Tail) > 0 && !strings.Contains(e.Message, strings.TrimSpace(e.Tail[len(e.Tail)-1])) {
			text += "\n" + strings.Join(last(e.Tail, 10), "\n")
		}
		return text
	case len(e.Tail) > 0:
		return "Its last lines:\n" + strings.Join(last(e.Tail, 10), "\n")
	}
	return ""
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// cause is an entry of the catalogue. All conditions that are given must hold.
type cause struct {
	Name    string   `yaml:"name"`
	Step    []string `yaml:"step"`    // of the exit record
	Signal  string   `yaml:"signal"`  // of the exit record
	Memory  bool     `yaml:"memory"`  // the exit record proves out of memory
	Lost    bool     `yaml:"lost"`    // there is no exit record
	Match   string   `yaml:"match"`   // on traceback, message and last lines, multi-line
	Package string   `yaml:"package"` // "own": the captured module belongs to the user's package; "other": it does not
	Text    string   `yaml:"text"`    // ${name} is what Match captured
	Hint    string   `yaml:"hint"`

	re *regexp.Regexp
}

//go:embed causes.yaml
var causesYAML []byte

var catalogue = sync.OnceValue(func() []cause {
	var list []cause
	if err := yaml.Unmarshal(causesYAML, &list); err != nil {
		panic(fmt.Sprintf("causes.yaml: %v", err)) // embedded, and read by a test
	}
	for i := range list {
		if list[i].Match != "" {
			list[i].re = regexp.MustCompile("(?m)" + list[i].Match)
		}
	}
	return list
})

// Cause is the first known cause that fits, and what to do about it; both
// empty when none does.
func Cause(f Failure) (text, hint string) {
	e := f.Replica.Exit
	lost := f.Replica.State == job.ReplicaLost || e == nil
	if e == nil {
		e = &job.Exit{}
	}
	// The innermost text says most: the traceback's last line before others.
	evidence := strings.Join([]string{e.Traceback, e.Message, strings.Join(e.Tail, "\n")}, "\n")
	for _, c := range catalogue() {
		if c.Lost != lost || c.Memory && !e.OutOfMem || c.Signal != "" && c.Signal != e.Signal || len(c.Step) > 0 && !slices.Contains(c.Step, e.Step) {
			continue
		}
		values := map[string]string{
			"module": f.Spec.Module, "job": string(f.Spec.Key.ID), "machine": f.Spec.MasterGroup().Machine,
			"peak": amount(e.PeakMemory), "limit": amount(e.MemLimit), "signal": e.Signal,
		}
		if c.re != nil {
			m := c.re.FindAllStringSubmatch(evidence, -1)
			if m == nil {
				continue
			}
			for i, name := range c.re.SubexpNames() {
				if name != "" {
					values[name] = m[len(m)-1][i]
				}
			}
		}
		if c.Package != "" {
			top, _, _ := strings.Cut(values["missing"], ".")
			own, _, _ := strings.Cut(f.Spec.Module, ".")
			if (top == own) != (c.Package == "own") {
				continue
			}
		}
		if d := distribution(values["missing"]); d != "" {
			values["distribution"] = d
		}
		return fill(c.Text, values), fill(c.Hint, values)
	}
	return "", ""
}

var placeholder = regexp.MustCompile(`\$\{(\w+)\}`)

func fill(text string, values map[string]string) string {
	return strings.TrimSpace(placeholder.ReplaceAllStringFunc(text, func(p string) string { return values[p[2:len(p)-1]] }))
}

func amount(n int64) string {
	switch {
	case n <= 0:
		return "an unknown amount"
	case n < 1<<30:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
}

// distribution is the name under which a module's package is installed.
func distribution(module string) string {
	top, _, _ := strings.Cut(module, ".")
	if d, ok := distributions[module]; ok {
		return d
	}
	if d, ok := distributions[top]; ok {
		return d
	}
	return strings.ReplaceAll(top, "_", "-")
}

var distributions = map[string]string{
	"sklearn": "scikit-learn", "cv2": "opencv-python-headless", "yaml": "PyYAML", "PIL": "Pillow", "skimage": "scikit-image",
	"bs4": "beautifulsoup4", "dateutil": "python-dateutil", "dotenv": "python-dotenv", "hypertune": "cloudml-hypertune",
	"google.cloud.storage": "google-cloud-storage", "google.cloud.bigquery": "google-cloud-bigquery", "googleapiclient": "google-api-python-client",
	"tensorflow_io": "tensorflow-io", "MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary", "Crypto": "pycryptodome", "attr": "attrs",
	"google.protobuf": "protobuf", "apache_beam": "apache-beam", "pkg_resources": "setuptools<81",
}
