package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestFrameworksTrainTogether has the frameworks' own ways of training with
// several replicas find each other by what a job's environment says; some jobs
// are sent by gcloud, unmodified.
func TestFrameworksTrainTogether(t *testing.T) {
	needFrameworks(t, true)
	y := newYard(t)
	for _, tt := range []struct {
		name, app, runtime, python string
		requires                   []string
		counts                     [3]int   // workers, parameter servers, evaluators
		gcloud                     []string // how gcloud asks for the cluster; else our own command line does
		says                       []string // beside what every program says at its end
		leaves                     string   // a pattern of objects in the job-dir
		landing                    bool
	}{
		{name: "mirrored_today", app: "mirrored", runtime: "2026.11-tf2", python: "3.12", counts: [3]int{1, 0, 0}, says: []string{"TensorFlow 2.21.0 is chief 0", "is worker 0", "replicas in sync 2"}, leaves: "weights.json", landing: true},
		{name: "mirrored_2_11", app: "mirrored", runtime: "2.11", python: "3.7", counts: [3]int{2, 0, 0}, says: []string{"TensorFlow 2.11.0 is chief 0", "is worker 1", "replicas in sync 3"}, leaves: "weights.json"},
		{name: "servers_2_11", app: "servers", runtime: "2.11", python: "3.7", counts: [3]int{2, 1, 0}, says: []string{"TensorFlow 2.11.0 is chief 0", "is worker 1", "is ps 0"}, leaves: "loss.json"},
		{name: "estimator_1_15", app: "estimator", runtime: "1.15", python: "3.7", counts: [3]int{2, 1, 1}, says: []string{"TensorFlow 1.15.5 is master 0", "is worker 1", "is ps 0", "is evaluator 0"}, leaves: "model.ckpt-4*.index", landing: true},
		{name: "ddp_2", app: "ddp", runtime: "pytorch-cpu.1-4", python: "3.7", counts: [3]int{1, 0, 0}, says: []string{"PyTorch 1.4.0 is rank 0 of 2", "is rank 1 of 2"}},
		{name: "ddp_4", app: "ddp", runtime: "pytorch-cpu.1-4", python: "3.7", counts: [3]int{3, 0, 0}, says: []string{"PyTorch 1.4.0 is rank 0 of 4", "is rank 3 of 4"}},
		{name: "ddp_today", app: "ddp", runtime: "2026.11-torch", python: "3.12", counts: [3]int{1, 0, 0}, says: []string{"is rank 0 of 2", "is rank 1 of 2"}},
		{name: "xgboost_today", app: "xgb", python: "3.12", requires: []string{"xgboost-cpu"}, counts: [3]int{2, 0, 0}, says: []string{"is 0 of 3", "is 2 of 3"}},
		{name: "gcloud_standard", app: "estimator", python: "3.7", gcloud: []string{"--scale-tier", "standard-1", "--runtime-version", "1.15", "--python-version", "3.7"},
			says: []string{"TensorFlow 1.15.5 is master 0", "is worker 3", "is ps 2"}, leaves: "model.ckpt-4*.index", landing: true},
		{name: "gcloud_custom", app: "ddp", python: "3.7", gcloud: []string{"--scale-tier", "custom", "--master-machine-type", "n1-standard-4", "--worker-machine-type", "n1-highcpu-16", "--worker-count", "2",
			"--master-image-uri", "gcr.io/cloud-ml-public/training/pytorch-cpu.1-4"}, says: []string{"PyTorch 1.4.0 is rank 0 of 3", "is rank 2 of 3"}, landing: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			needFrameworks(t, tt.landing)
			if !hasPython(tt.python) {
				t.Skipf("SKIPPED: no Python %s on this machine", tt.python)
			}
			parent := t.TempDir()
			copyDir(t, filepath.Join("testdata", "frameworks", tt.app), filepath.Join(parent, tt.app))
			if tt.requires != nil {
				write(t, filepath.Join(parent, "requirements.txt"), strings.Join(tt.requires, "\n")+"\n")
			}
			dir := "gs://trainyard-default/" + tt.name
			args := []string{"jobs", "submit", "training", tt.name, "--package-path", filepath.Join(parent, tt.app), "--module-name", tt.app + ".task", "--job-dir", dir, "--stream-logs"}
			submit := y.run
			switch {
			case tt.gcloud != nil:
				submit = y.gcloud
				args = append(append([]string{"ai-platform"}, args...), append(tt.gcloud, "--staging-bucket", "gs://trainyard-default", "--region", "us-central1")...)
			case tt.runtime != "":
				args = append(args, "--config", cluster(t, parent, tt.counts), "--runtime-version", tt.runtime)
			default:
				args = append(args, "--config", cluster(t, parent, tt.counts), "--python-version", tt.python)
			}
			_, stderr, err := submit(args...)
			for _, say := range append(tt.says, "trained together") {
				if !strings.Contains(stderr, say) {
					t.Errorf("no line says %q", say)
				}
			}
			if err != nil || t.Failed() {
				t.Fatalf("%v\n%s", err, stderr)
			}
			if tt.leaves != "" {
				if out, _, err := y.run("storage", "ls", dir+"/"+tt.leaves); err != nil || out == "" {
					t.Errorf("nothing is at %s/%s: %v", dir, tt.leaves, err)
				}
			}
		})
	}
}

// cluster writes a configuration as a user of the original did.
func cluster(t *testing.T, dir string, counts [3]int) string {
	t.Helper()
	config := "trainingInput:\n  scaleTier: CUSTOM\n  masterType: n1-standard-4\n"
	for i, role := range []string{"worker", "parameterServer", "evaluator"} {
		if n := counts[i]; n > 0 {
			config += fmt.Sprintf("  %sType: n1-standard-4\n  %sCount: %d\n", role, role, n)
		}
	}
	file := filepath.Join(dir, "cluster.yaml")
	write(t, file, config)
	return file
}
