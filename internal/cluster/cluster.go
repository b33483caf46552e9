// Package cluster turns a job's specification into what each replica is told:
// its arguments, the variables by which replicas find each other, and its part
// of a machine. It is pure: addresses come in, text goes out.
package cluster

import (
	"path"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/job"
)

// Trial is one try of a tuning job; the zero value is none.
type Trial struct {
	ID     string // from "1"
	Values []Hyperparameter
}

// Hyperparameter is one tuned value, as text.
type Hyperparameter struct{ Name, Value string }

// Replicas lists every replica of a job, the master first.
func Replicas(spec job.Spec) []job.Replica {
	var all []job.Replica
	for _, g := range spec.Groups {
		for i := range g.Count {
			all = append(all, job.Replica{Role: g.Role, Index: i})
		}
	}
	return all
}

// Args are the program's arguments: the user's, then the tuned values, then
// the job-dir as two tokens at the very end, unless it is not wanted there.
func Args(spec job.Spec, t Trial) []string {
	args := slices.Clone(spec.Args)
	for _, h := range t.Values {
		args = append(args, "--"+h.Name, h.Value)
	}
	if dir := Dir(spec, t); dir != "" && !spec.NoJobDirArg {
		args = append(args, "--job-dir", dir)
	}
	return args
}

// Dir is the job-dir, for a trial the folder of that name in it.
func Dir(spec job.Spec, t Trial) string {
	if spec.JobDir == "" || t.ID == "" {
		return spec.JobDir
	}
	scheme, rest, ok := strings.Cut(spec.JobDir, "://")
	if !ok {
		return path.Join(spec.JobDir, t.ID)
	}
	return scheme + "://" + strings.TrimRight(rest, "/") + "/" + t.ID
}
