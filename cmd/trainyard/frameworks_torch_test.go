package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestFrameworksPyTorch trains with PyTorch on pictures in a bucket: a whole job
// for the original's image, and one on the current runtime version, which brings
// three gigabytes. The second submit of each builds nothing.
func TestFrameworksPyTorch(t *testing.T) {
	needFrameworks(t, false)
	y := newYard(t)
	if _, stderr, err := y.run("storage", "cp", "-r", fashion(t), "gs://trainyard-default/fashion-mnist"); err != nil {
		t.Fatalf("storage cp: %v\n%s", err, stderr)
	}
	parent := t.TempDir()
	copyDir(t, filepath.Join("testdata", "frameworks", "clothes"), filepath.Join(parent, "clothes"))
	for _, tt := range []struct{ name, python, says, flag, value string }{
		{"image", "3.7", "PyTorch 1.4.0", "--master-image-uri", "gcr.io/cloud-ml-public/training/pytorch-cpu.1-4"},
		{"current", "3.12", "PyTorch 2.15.0", "--runtime-version", "2026.11-torch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !hasPython(tt.python) {
				t.Skipf("SKIPPED: no Python %s on this machine", tt.python)
			}
			for _, try := range []string{"first", "second"} {
				dir := "gs://trainyard-default/" + tt.name + "_" + try
				_, stderr, err := y.run("jobs", "submit", "training", tt.name+"_"+try, "--package-path", filepath.Join(parent, "clothes"), "--module-name", "clothes.task",
					tt.flag, tt.value, "--job-dir", dir, "--stream-logs", "--", "--data=gs://trainyard-default/fashion-mnist")
				if err != nil || !strings.Contains(stderr, tt.says) {
					t.Fatalf("%s: %v; want a line with %q\n%s", try, err, tt.says, stderr)
				}
				if strings.Contains(stderr, "Installing the packages of runtime version") != (try == "first") {
					t.Errorf("%s: the runtime was, or was not, installed:\n%s", try, stderr)
				}
				for _, name := range []string{"model.pt", "metrics.json"} {
					if out := y.mustRun("storage", "ls", dir+"/"+name); !strings.Contains(out, name) {
						t.Errorf("%s/%s: %q", dir, name, out)
					}
				}
			}
		})
	}
}
