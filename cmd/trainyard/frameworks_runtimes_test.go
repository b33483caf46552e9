package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFrameworksOnRuntimeVersions trains the examples on AI Platform's runtime
// versions and on current ones; the second submit of each builds nothing.
func TestFrameworksOnRuntimeVersions(t *testing.T) {
	needFrameworks(t, true)
	y := newYard(t)
	pictures := fashion(t)
	if _, stderr, err := y.run("storage", "cp", "-r", pictures, "gs://trainyard-default/fashion-mnist"); err != nil {
		t.Fatalf("storage cp: %v\n%s", err, stderr)
	}
	for _, tt := range []struct {
		example, runtime, python, says string
		args                           []string
	}{
		{"fashion-tf", "1.15", "3.7", `TensorFlow 1\.15\.5;`, []string{"--examples=10000", "--epochs=1", "--data=gs://trainyard-default/fashion-mnist"}},
		{"fashion-tf", "2.1", "3.7", `TensorFlow 2\.1\.4;`, []string{"--examples=10000", "--epochs=1", "--data=gs://trainyard-default/fashion-mnist"}},
		{"fashion-tf", "2.5", "3.7", `TensorFlow 2\.5\.3;`, []string{"--examples=10000", "--epochs=1", "--data=gs://trainyard-default/fashion-mnist"}},
		{"fashion-tf", "2.11", "3.7", `TensorFlow 2\.11\.0;`, []string{"--examples=10000", "--epochs=1", "--data=gs://trainyard-default/fashion-mnist"}},
		{"fashion-tf", "2026.11-tf2", "3.12", `TensorFlow 2\.21\.0;`, []string{"--examples=10000", "--epochs=1", "--data=gs://trainyard-default/fashion-mnist"}},
		{"census-xgboost", "1.15", "3.7", `XGBoost 0\.90;`, []string{"--rounds=20"}},
		{"census-xgboost", "2.11", "3.7", `XGBoost 1\.6\.2;`, []string{"--rounds=20"}},
		{"census-xgboost", "2026.11-xgboost", "3.12", `XGBoost 3\.4\.1;`, []string{"--rounds=20"}},
		{"digits", "2026.11-sklearn", "3.12", `test accuracy 0\.9`, []string{"--epochs=5"}},
	} {
		t.Run(tt.example+" "+tt.runtime, func(t *testing.T) {
			needFrameworks(t, slices.Contains([]string{"fashion-tf 1.15", "fashion-tf 2026.11-tf2", "digits 2026.11-sklearn"}, tt.example+" "+tt.runtime))
			if !hasPython(tt.python) {
				t.Skipf("SKIPPED: no Python %s on this machine", tt.python)
			}
			name := strings.NewReplacer(".", "_", "-", "_").Replace(tt.example + "_" + tt.runtime)
			for _, try := range []string{"_first", "_second"} {
				args := append([]string{"jobs", "submit", "training", name + try, "--package-path", filepath.Join("..", "..", "examples", tt.example, "trainer"), "--module-name", "trainer.task",
					"--runtime-version", tt.runtime, "--job-dir", "gs://trainyard-default/" + name + try, "--stream-logs", "--"}, tt.args...)
				_, stderr, err := y.run(args...)
				if err != nil || !regexp.MustCompile(tt.says).MatchString(stderr) {
					t.Fatalf("%s: %v; want a line with %s\n%s", try, err, tt.says, stderr)
				}
				if strings.Contains(stderr, " is replaced by ") && tt.example != "digits" {
					t.Errorf("a package of the runtime gave way:\n%s", stderr)
				}
				if built := strings.Contains(stderr, "Installing the packages of runtime version"); built && try == "_second" {
					t.Errorf("the second run installed the runtime again:\n%s", stderr)
				}
			}
			out, _, err := y.run("storage", "cat", "gs://trainyard-default/"+name+"_second/metrics.json")
			if err != nil || !strings.Contains(out, "accuracy") {
				t.Errorf("metrics.json: %q, %v", out, err)
			}
			t.Log(out)
		})
	}
}

// fashion is the folder of Debian's Fashion-MNIST, unpacked here where the
// package is not installed.
func fashion(t *testing.T) string {
	t.Helper()
	const installed = "/usr/share/datasets/fashion-mnist"
	if _, err := os.Stat(installed); err == nil {
		return installed
	}
	dir := t.TempDir()
	get := exec.Command("sh", "-c", "apt-get download -q dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb .")
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no Fashion-MNIST here (Debian's package dataset-fashion-mnist): %v\n%s", err, out)
	}
	return filepath.Join(dir, installed)
}
