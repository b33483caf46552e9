package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFrameworksBegin takes what trainyard init writes to a trained model.
// PyTorch's needs 3 GB: TestFrameworksPyTorch installs those for all.
func TestFrameworksBegin(t *testing.T) {
	needFrameworks(t, false)
	y := newYard(t)
	for _, kind := range []string{"xgboost", "tensorflow"} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "begin_"+kind)
			y.mustRun("init", dir, "--framework", kind)
			y.mustRun("check", "--package-path", filepath.Join(dir, "trainer"))
			out := filepath.Join(dir, "output")
			if _, stderr, err := y.run("local", "train", "--package-path", filepath.Join(dir, "trainer"), "--job-dir", out, "--", "--epochs=1"); err != nil {
				t.Fatalf("local train: %v\n%s", err, stderr)
			}
			if _, err := os.Stat(filepath.Join(out, "metrics.json")); err != nil {
				t.Error(err)
			}
			_, stderr, err := y.run("jobs", "submit", "training", kind, "--package-path", filepath.Join(dir, "trainer"), "--job-dir", "gs://trainyard-default/"+kind, "--stream-logs")
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			t.Log(y.mustRun("storage", "cat", "gs://trainyard-default/"+kind+"/metrics.json"))
		})
	}
}
