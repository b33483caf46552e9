package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAJobOfGcloudIsRepeatedComparedAndRemoved does with a job that unmodified
// gcloud made what can be done with our own.
func TestAJobOfGcloudIsRepeatedComparedAndRemoved(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	pkg := filepath.Join(t.TempDir(), "trainer")
	write(t, filepath.Join(pkg, "__init__.py"), "")
	write(t, filepath.Join(pkg, "task.py"), "import sys\nprint('line', sys.argv[1:])\n")
	y.mustGcloud("ai-platform", "jobs", "submit", "training", "g1", "--package-path", pkg, "--module-name", "trainer.task",
		"--staging-bucket", "gs://trainyard-default", "--region", "europe-west1", "--labels", "team=a", "--", "--epochs=2")
	first := y.ended("demo", "g1")
	if first.State != "SUCCEEDED" {
		t.Fatalf("g1: %s %s", first.State, first.ErrorMessage)
	}
	if got := y.mustRun("--project", "demo", "jobs", "describe", "g1", "--provenance", "--format", "value(client, commit)"); !strings.HasPrefix(got, "gcloud/") {
		t.Errorf("g1 comes from %q", got)
	}
	y.mustRun("--project", "demo", "jobs", "rerun", "g1", "--stream-logs")
	again := y.ended("demo", "g1_2")
	if again.TrainingInput.Region != "europe-west1" || again.Labels["team"] != "a" || strings.Join(y.printed("demo", "g1_2"), "") != "line ['--epochs=2']" {
		t.Errorf("the repetition is %+v of labels %v and printed %q", again.TrainingInput, again.Labels, y.printed("demo", "g1_2"))
	}
	if got := y.mustRun("--project", "demo", "jobs", "diff", "g1", "g1_2"); !strings.Contains(got, "have the same code, arguments, environment and settings") {
		t.Errorf("they differ:\n%s", got)
	}
	// gcloud describes both as its own.
	if stdout, _ := y.mustGcloud("ai-platform", "jobs", "describe", "g1_2", "--format", "value(jobId, trainingInput.args)"); !strings.Contains(stdout, "g1_2") || !strings.Contains(stdout, "--epochs=2") {
		t.Errorf("gcloud describes %q", stdout)
	}
	uri := first.TrainingInput.PackageUris[0]
	y.mustRun("storage", "ls", uri)
	y.mustRun("--project", "demo", "jobs", "delete", "g1", "g1_2")
	if out, _, err := y.run("storage", "ls", uri); err == nil {
		t.Errorf("the package is still there: %s", out)
	}
	if _, stderr, err := y.gcloud("ai-platform", "jobs", "describe", "g1"); err == nil || !strings.Contains(stderr, "NOT_FOUND") {
		t.Errorf("gcloud says of the deleted job: %v, %s", err, stderr)
	}
	for _, seq := range []string{"1", "2"} {
		if _, err := os.Stat(filepath.Join(y.dir, "jobs", seq)); !os.IsNotExist(err) {
			t.Errorf("folder %s: %v", seq, err)
		}
	}
}
