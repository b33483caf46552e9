package cluster_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/cluster"
	"github.com/trainyard/trainyard/internal/job"
)

func spec(primary string, groups ...job.Group) job.Spec {
	return job.Spec{Key: job.Key{Project: "demo", ID: "j1"}, Primary: primary, Groups: groups, Opaque: json.RawMessage(`{"python_module":"trainer.task"}`)}
}

func addresses(s job.Spec) map[job.Replica]string {
	m := map[job.Replica]string{}
	for i, r := range cluster.Replicas(s) {
		m[r] = fmt.Sprintf("127.0.0.1:%d000", i+1)
	}
	return m
}

// same compares JSON by meaning.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v in %s", what, err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestASingleReplica(t *testing.T) {
	for _, primary := range []string{"master", "chief"} {
		s := spec(primary, job.Group{Role: job.Master, Count: 1})
		s.JobDir = "gs://b/out"
		env, err := cluster.Env(s, job.Replica{Role: job.Master}, addresses(s), cluster.Trial{})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "TF_CONFIG", env["TF_CONFIG"], `{"cluster":{"`+primary+`":["127.0.0.1:1000"]},"task":{"type":"`+primary+`","index":0,"cloud":"demo"},"job":{"python_module":"trainer.task","args":["--job-dir","gs://b/out"]},"environment":"cloud"}`)
		// CLUSTER_SPEC always says master.
		same(t, "CLUSTER_SPEC", env["CLUSTER_SPEC"], `{"cluster":{"master":["127.0.0.1:1000"]},"task":{"type":"master","index":0},"job":{"python_module":"trainer.task","args":["--job-dir","gs://b/out"]},"environment":"cloud"}`)
		for name, want := range map[string]string{"CLOUD_ML_JOB_ID": "j1", "CLOUD_ML_PROJECT_ID": "demo", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1000", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "TRAINYARD_JOB_DIR": "gs://b/out"} {
			if env[name] != want {
				t.Errorf("%s = %q, want %q", name, env[name], want)
			}
		}
		if _, ok := env["CLOUD_ML_TRIAL_ID"]; ok {
			t.Error("a trial's variable outside tuning")
		}
	}
}

func TestAWholeCluster(t *testing.T) {
	s := spec("chief", job.Group{Role: job.Master, Count: 1}, job.Group{Role: job.Worker, Count: 2}, job.Group{Role: job.ParameterServer, Count: 1}, job.Group{Role: job.Evaluator, Count: 1})
	env, err := cluster.Env(s, job.Replica{Role: job.Worker, Index: 1}, addresses(s), cluster.Trial{ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "TF_CONFIG", env["TF_CONFIG"], `{"cluster":{"chief":["127.0.0.1:1000"],"worker":["127.0.0.1:2000","127.0.0.1:3000"],"ps":["127.0.0.1:4000"]},"task":{"type":"worker","index":1,"trial":"1","cloud":"demo"},"job":{"python_module":"trainer.task"},"environment":"cloud"}`)
	same(t, "CLUSTER_SPEC", env["CLUSTER_SPEC"], `{"cluster":{"master":["127.0.0.1:1000"],"worker":["127.0.0.1:2000","127.0.0.1:3000"],"ps":["127.0.0.1:4000"],"evaluator":["127.0.0.1:5000"]},"task":{"type":"worker","index":1,"trial":"1"},"job":{"python_module":"trainer.task"},"environment":"cloud"}`)
	if env["RANK"] != "2" || env["WORLD_SIZE"] != "3" || env["CLOUD_ML_TRIAL_ID"] != "1" {
		t.Errorf("rank %q of %q, trial %q", env["RANK"], env["WORLD_SIZE"], env["CLOUD_ML_TRIAL_ID"])
	}
	if env["MASTER_ADDR"] != "127.0.0.1" || env["MASTER_PORT"] != "1000" || env["LOCAL_RANK"] != "0" {
		t.Errorf("the rendezvous is %s:%s, the local rank %q", env["MASTER_ADDR"], env["MASTER_PORT"], env["LOCAL_RANK"])
	}
	ps, err := cluster.Env(s, job.Replica{Role: job.ParameterServer}, addresses(s), cluster.Trial{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} {
		if v, ok := ps[k]; ok {
			t.Errorf("a parameter server has %s=%s", k, v)
		}
	}
	if _, err := cluster.Env(s, job.Replica{Role: job.Master}, nil, cluster.Trial{}); err == nil {
		t.Error("replicas without addresses are accepted")
	}
}

func TestArgumentsEndWithTheJobDir(t *testing.T) {
	s := spec("master", job.Group{Role: job.Master, Count: 1})
	s.Args = []string{"--epochs=2", "--job-dir=mine", ""}
	if got := cluster.Args(s, cluster.Trial{}); !slices.Equal(got, s.Args) {
		t.Errorf("without a job-dir: %q", got)
	}
	for dir, want := range map[string]string{"gs://b/out": "gs://b/out/3", "gs://b/out/": "gs://b/out/3", "gs://b/": "gs://b/3", "/tmp/x": "/tmp/x/3"} {
		s.JobDir = dir
		if got := cluster.Args(s, cluster.Trial{}); !slices.Equal(got[3:], []string{"--job-dir", dir}) {
			t.Errorf("job-dir %s: %q", dir, got)
		}
		got := cluster.Args(s, cluster.Trial{ID: "3", Values: []cluster.Hyperparameter{{Name: "lr", Value: "0.1"}}})
		if !slices.Equal(got[3:], []string{"--lr", "0.1", "--job-dir", want}) {
			t.Errorf("trial 3 of %s: %q", dir, got)
		}
	}
}
