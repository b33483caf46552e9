package cluster_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/cluster"
	"github.com/trainyard/trainyard/internal/job"
)

var update = flag.Bool("update", false, "write golden files anew")

// shapes are clusters by name: the tiers, and each mix of roles of CUSTOM.
func shapes() map[string][]job.Group {
	all := map[string][]job.Group{}
	for _, tier := range []job.Tier{job.Basic, job.Standard1, job.Premium1, job.BasicGPU} {
		all[string(tier)] = tier.Groups()
	}
	for mix := range 8 {
		name, groups := "CUSTOM", []job.Group{{Role: job.Master, Count: 1}}
		for i, g := range []job.Group{{Role: job.Worker, Count: 2}, {Role: job.ParameterServer, Count: 2}, {Role: job.Evaluator, Count: 1}} {
			if mix&(1<<i) != 0 {
				name, groups = name+"-"+string(g.Role), append(groups, g)
			}
		}
		all[name] = groups
	}
	all["CUSTOM-4gpus"] = []job.Group{{Role: job.Master, Count: 1, Accelerator: job.Accelerator{Type: "NVIDIA_TESLA_T4", Count: 4}}}
	all["CUSTOM-4gpus-worker"] = append(slices.Clone(all["CUSTOM-4gpus"]), job.Group{Role: job.Worker, Count: 1})
	return all
}

// jobs are what may differ beside the cluster.
var jobs = []struct {
	name  string
	spec  job.Spec
	trial cluster.Trial
}{
	{"plain", job.Spec{Opaque: json.RawMessage(`{"python_module":"trainer.task"}`)}, cluster.Trial{}},
	{"full", job.Spec{
		Args: []string{"--lr", "0.1", "ü <x>", ""}, JobDir: "gs://b/out",
		Opaque: json.RawMessage(`{"scale_tier":"CUSTOM","python_module":"trainer.task","args":["--lr","0.1","ü <x>",""],"job_dir":"gs://b/out"}`),
	}, cluster.Trial{}},
	{"trial", job.Spec{
		Args: []string{"--lr", "0.1"}, JobDir: "gs://b/out/", Opaque: json.RawMessage(`{"args":["--lr","0.1"]}`),
	}, cluster.Trial{ID: "3", Values: []cluster.Hyperparameter{{Name: "depth", Value: "4"}, {Name: "rate", Value: "1e-3"}}}},
	{"job-dir only", job.Spec{JobDir: "gs://b/out"}, cluster.Trial{}},
	{"empty", job.Spec{}, cluster.Trial{}},
}

// TestWhatReplicasAreTold writes, for every cluster under both names of its
// primary, everything that the first and the last replica of each role are told.
func TestWhatReplicasAreTold(t *testing.T) {
	for name, groups := range shapes() {
		for _, primary := range []string{"master", "chief"} {
			var b bytes.Buffer
			for _, j := range jobs {
				s := j.spec
				s.Key, s.Primary, s.Groups = job.Key{Project: "demo", ID: "j1"}, primary, groups
				at := addresses(s)
				for _, r := range cluster.Replicas(s) {
					i := slices.IndexFunc(groups, func(g job.Group) bool { return g.Role == r.Role })
					if r.Index != 0 && r.Index != groups[i].Count-1 {
						continue
					}
					tell(t, &b, j.name, s, r, at, j.trial)
				}
			}
			golden(t, name+"."+primary+".golden", b.Bytes())
		}
	}
}

func tell(t *testing.T, b *bytes.Buffer, name string, s job.Spec, r job.Replica, at map[job.Replica]string, trial cluster.Trial) {
	t.Helper()
	env, err := cluster.Env(s, r, at, trial)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(b, "== %s: %s %d\n", name, r.Role, r.Index)
	if r.Index == 0 && r.Role == job.Master {
		fmt.Fprintf(b, "arguments: %q\n", cluster.Args(s, trial))
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(b, "%s=%s\n", k, env[k])
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}
