package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Frameworks are large, so their tests are asked for: make test-frameworks.

// needFrameworks skips a test that was not asked for. TRAINYARD_FRAMEWORKS is "all",
// or "landing" for those that every landing runs.
func needFrameworks(t *testing.T, landing bool) {
	t.Helper()
	switch asked := os.Getenv("TRAINYARD_FRAMEWORKS"); {
	case asked == "":
		t.Skip("SKIPPED: downloads gigabytes; make test-frameworks runs it")
	case asked == "landing" && !landing:
		t.Skip("SKIPPED: not of those that every landing runs; make test-frameworks runs it")
	}
}

// TestFrameworksOpenBuckets has TensorFlow, three generations of it, train,
// checkpoint, resume and export to gs://, and libraries, old and new, read and
// write it. All are unmodified.
func TestFrameworksOpenBuckets(t *testing.T) {
	needFrameworks(t, true)
	y := newYard(t)
	for _, tt := range []struct {
		name, app, python string
		requires          []string
		phases            []string
		says              string
	}{
		{"tf1", "gradients", "3.7", []string{"tensorflow==1.15.5", "protobuf<3.21"}, []string{"first", "second"}, "TensorFlow 1.15.5"},
		{"tf2", "gradients", "3.7", []string{"tensorflow==2.11.0"}, []string{"first", "second"}, "TensorFlow 2.11.0"},
		{"today", "gradients", "3.12", []string{"tensorflow>=2.20", "tensorboard"}, []string{"first", "second"}, "TensorFlow 2."},
		{"old_libraries", "libraries", "3.7", []string{"google-cloud-storage==1.13.2", "google-api-core<1.17", "google-auth<1.20", "protobuf<3.21", "setuptools<60", "six", "gcsfs", "pandas", "requests<2.28"}, []string{""}, "google-cloud-storage 1.13.2: by-credentials"},
		{"new_libraries", "libraries", "3.13", []string{"google-cloud-storage", "gcsfs", "pandas", "requests"}, []string{""}, "google-cloud-storage 3."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !hasPython(tt.python) {
				t.Skipf("SKIPPED: no Python %s on this machine", tt.python)
			}
			parent := t.TempDir()
			copyDir(t, filepath.Join("testdata", "frameworks", tt.app), filepath.Join(parent, tt.app))
			write(t, filepath.Join(parent, "setup.py"), "from setuptools import setup\nsetup(name='app', version='1', packages=['"+tt.app+"'], install_requires=['"+strings.Join(tt.requires, "', '")+"'])\n")
			for _, phase := range tt.phases {
				args := []string{"jobs", "submit", "training", strings.TrimRight(tt.name+"_"+phase, "_"), "--package-path", filepath.Join(parent, tt.app), "--module-name", tt.app + ".task",
					"--python-version", tt.python, "--job-dir", "gs://trainyard-default/" + tt.name, "--stream-logs"}
				if phase != "" {
					args = append(args, "--", "--phase="+phase)
				}
				_, stderr, err := y.run(args...)
				if err != nil || !strings.Contains(stderr, tt.says) {
					t.Fatalf("%s %s: %v; want a line with %q\n%s", tt.name, phase, err, tt.says, stderr)
				}
				for _, l := range regexp.MustCompile(`(?m)(GFile: .*|loss .*|google-cloud-storage .*)$`).FindAllString(stderr, -1) {
					t.Log(l)
				}
			}
		})
	}
}

// hasPython reports whether jobs may ask for a version of Python.
func hasPython(version string) bool {
	found, _ := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".pyenv", "versions", version+"*", "bin", "python"))
	if len(found) > 0 {
		return true
	}
	_, err := exec.LookPath("python" + version)
	return err == nil
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
