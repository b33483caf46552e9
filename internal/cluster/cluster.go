// Package cluster turns a job's specification into what each replica is told:
// its arguments, and the variables by which replicas find each other. It is
// pure: addresses come in, text goes out.
package cluster

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/job"
)

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
func Args(spec job.Spec, trial string, tuned []Hyperparameter) []string {
	args := slices.Clone(spec.Args)
	for _, h := range tuned {
		args = append(args, "--"+h.Name, h.Value)
	}
	if dir := Dir(spec, trial); dir != "" && !spec.NoJobDirArg {
		args = append(args, "--job-dir", dir)
	}
	return args
}

// Dir is the job-dir, for a trial the folder of that name in it.
func Dir(spec job.Spec, trial string) string {
	if spec.JobDir == "" || trial == "" {
		return spec.JobDir
	}
	scheme, rest, ok := strings.Cut(spec.JobDir, "://")
	if !ok {
		return path.Join(spec.JobDir, trial)
	}
	return scheme + "://" + strings.TrimRight(rest, "/") + "/" + trial
}

type task struct {
	Type  string `json:"type"`
	Index int    `json:"index"`
	Trial string `json:"trial,omitempty"`
	Cloud string `json:"cloud,omitempty"`
}

type clusterSpec struct {
	Cluster     map[string][]string `json:"cluster"`
	Task        task                `json:"task"`
	Job         json.RawMessage     `json:"job"`
	Environment string              `json:"environment"`
}

// Env is what a replica's environment says of the job and of its place in it.
func Env(spec job.Spec, self job.Replica, addresses map[job.Replica]string, trial string) (map[string]string, error) {
	all := Replicas(spec)
	hosts := map[job.Role][]string{}
	rank, world := -1, 0
	for _, r := range all {
		addr, ok := addresses[r]
		if !ok {
			return nil, fmt.Errorf("replica %s %d has no address", r.Role, r.Index)
		}
		hosts[r.Role] = append(hosts[r.Role], addr)
		// Parameter servers and evaluators take no part in collective
		// communication.
		if r.Role == job.Master || r.Role == job.Worker {
			if r == self {
				rank = world
			}
			world++
		}
	}
	opaque := spec.Opaque
	if len(opaque) == 0 {
		opaque = json.RawMessage("{}")
	}
	name := func(r job.Role, primary string) string {
		if r == job.Master {
			return primary
		}
		return string(r)
	}
	build := func(primary string, evaluators bool, cloud string) (string, error) {
		c := clusterSpec{Cluster: map[string][]string{}, Job: opaque, Environment: "cloud",
			Task: task{Type: name(self.Role, primary), Index: self.Index, Trial: trial, Cloud: cloud}}
		for role, h := range hosts {
			if role != job.Evaluator || evaluators {
				c.Cluster[name(role, primary)] = h
			}
		}
		b, err := json.Marshal(c)
		return string(b), err
	}
	primary := spec.Primary
	if primary == "" {
		primary = string(job.Master)
	}
	tf, err := build(primary, false, string(spec.Key.Project))
	if err != nil {
		return nil, fmt.Errorf("write TF_CONFIG: %w", err)
	}
	cs, err := build(string(job.Master), true, "")
	if err != nil {
		return nil, fmt.Errorf("write CLUSTER_SPEC: %w", err)
	}
	env := map[string]string{
		"TF_CONFIG":           tf,
		"CLUSTER_SPEC":        cs,
		"CLOUD_ML_JOB_ID":     string(spec.Key.ID),
		"CLOUD_ML_PROJECT_ID": string(spec.Key.Project),
		"KMP_BLOCKTIME":       "0",
		"WORLD_SIZE":          strconv.Itoa(world),
	}
	if rank >= 0 {
		env["RANK"] = strconv.Itoa(rank)
	}
	if len(hosts[job.Master]) > 0 {
		host, port, err := net.SplitHostPort(hosts[job.Master][0])
		if err != nil {
			return nil, fmt.Errorf("address of the master: %w", err)
		}
		env["MASTER_ADDR"], env["MASTER_PORT"] = host, port
	}
	if dir := Dir(spec, trial); dir != "" {
		env["TRAINYARD_JOB_DIR"] = dir
	}
	if trial != "" {
		env["CLOUD_ML_TRIAL_ID"] = trial
	}
	return env, nil
}

// Need is what a group's replica gets of a machine: its wish, or the machine
// where that is smaller.
func Need(g job.Group, cpus float64, memory int64) job.Need {
	n := g.Need
	if cpus > 0 {
		n.CPUs = math.Min(n.CPUs, cpus)
	}
	if memory > 0 {
		n.Memory = min(n.Memory, memory)
	}
	return n
}
