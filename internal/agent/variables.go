package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// variables are what the job's user sets for the program, opened.
type variables struct {
	values map[string]string
	hidden *strings.Replacer // of secrets in what the program prints; nil where there are none
}

// openVariables opens secrets at last, for the program alone.
func (a *agent) openVariables() (variables, error) {
	v := variables{values: map[string]string{}}
	var secrets []string
	for _, x := range a.task.Replica.Vars {
		if x.Secret {
			if a.Unseal == nil {
				return v, fault.Errorf(fault.Precondition, "the variable %s is secret, and there is no key here to open it with", x.Name)
			}
			value, err := a.Unseal(a.task.Job, x)
			if err != nil {
				return v, fault.Errorf(fault.Precondition, "the secret variable %s cannot be opened: %w", x.Name, err).WithHint("submit the job again; its secrets were kept with a key that is gone")
			}
			x.Value = value
			secrets = append(secrets, value)
		}
		v.values[x.Name] = x.Value
	}
	v.hidden = hide(secrets)
	return v, nil
}

// shortest is how long a secret, or a line of one, must be to be looked for in
// the log: what is shorter is found in too much.
const shortest = 6

// hide replaces secrets line by line, as they are and as a JSON string has
// them, the longest first.
func hide(secrets []string) *strings.Replacer {
	var texts []string
	for _, s := range secrets {
		for _, line := range append(strings.Split(s, "\n"), s) {
			if line = strings.TrimSpace(line); len(line) >= shortest {
				texts = append(texts, line, quoted(line, false), quoted(line, true))
			}
		}
	}
	if len(texts) == 0 {
		return nil
	}
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, t := range slices.Compact(texts) {
		pairs = append(pairs, t, "***")
	}
	return strings.NewReplacer(pairs...)
}

// quoted is a text inside a JSON string, all in ASCII as Python writes it or not.
func quoted(s string, ascii bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return s
	}
	s = b.String()[1 : b.Len()-2] // less the quotes and the line's end
	if !ascii {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		switch {
		case r < 128:
			out.WriteRune(r)
		case r < 1<<16:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			r -= 1 << 16
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return out.String()
}

// hide is a line of the program's without the secrets in it.
func (v variables) hide(line []byte) []byte {
	if v.hidden == nil {
		return line
	}
	return []byte(v.hidden.Replace(string(line)))
}

// Unseal opens the value of a secret variable of a job.
type Unseal func(job.Key, job.Variable) (string, error)
