// Package diagnose explains why a program ended: the sentence that users of
// the original know, the exception and where in the user's own code it came
// from, and, where a known cause fits, what went wrong and what to do in plain
// words. The causes are data (causes.yaml). It reads what the agent recorded
// and runs nothing. It would rather say nothing than something wrong.
package diagnose

import (
	"fmt"
	"strings"

	"github.com/trainyard/trainyard/internal/job"
)

// Failure is a run that ended badly.
type Failure struct {
	Spec     job.Spec
	Replica  job.ReplicaRun   // that failed first
	Attempt  int              // its number
	Others   []job.ReplicaRun // the attempt's replicas; the one above may be among them
	Overtime bool             // it was ended because its maxRunningTime was over
}

// Diagnosis is what can be said of a failure. Whoever shows one takes it as it
// is: the job's errorMessage and "why" say the same.
type Diagnosis struct {
	Sentence  string      // the original's
	Replica   job.Replica // that failed first
	Cause     string      // its name in the catalogue; empty when no known cause fits
	Text      string      // what happened, a sentence; empty when no known cause fits
	Hint      string      // what to do; may be empty
	Exception string      // that ended the program, its first line; empty when none did
	Where     Place       // of the failure in the user's own code
	Others    string      // what the job's other replicas did, a sentence; empty when there are none
	Evidence  string      // the traceback, the agent's message, or the last lines
}

// Of diagnoses a failure.
func Of(f Failure) Diagnosis {
	e := evidenceOf(f.Replica)
	d := Diagnosis{Sentence: Sentence(f.Replica), Replica: f.Replica.Replica, Evidence: e.shown(), Others: others(f)}
	if len(e.chains) > 0 {
		place, from := placeOf(f.Spec, e.chains[0])
		d.Where, d.Exception = place, exceptionOf(from)
	} else if e.exit.Signal != "" {
		d.Where = faultPlace(f.Spec, e.exit.Tail)
	}
	if c, values := find(f, e); c != nil {
		d.Cause, d.Text, d.Hint = c.Name, fill(c.Text, values), fill(c.Hint, values)
	}
	return d
}

// Cause is the text and the hint of the known cause that fits; both empty when
// none does.
func Cause(f Failure) (text, hint string) {
	d := Of(f)
	return d.Text, d.Hint
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
		fmt.Fprintf(&b, " It was tried again before: attempt %d", f.Attempt)
		if f.Replica.Run > 0 {
			fmt.Fprintf(&b, ", restart %d", f.Replica.Run)
		}
		b.WriteString(".")
	}
	if d.Others != "" {
		b.WriteString(" " + d.Others)
	}
	if d.Evidence != "" {
		b.WriteString("\n" + d.Evidence)
	}
	if d.Where.File != "" || d.Text != "" {
		b.WriteString("\n")
	}
	if d.Where.File != "" {
		b.WriteString("\nAt: " + d.Where.String())
	}
	if d.Text != "" {
		b.WriteString("\nCause: " + d.Text)
	}
	if d.Hint != "" {
		b.WriteString("\nHint: " + d.Hint)
	}
	fmt.Fprintf(&b, "\n\nTo find out more about why your job exited please check the logs: trainyard jobs stream-logs %s --project %s", f.Spec.Key.ID, f.Spec.Key.Project)
	return b.String()
}
