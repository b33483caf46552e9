package scaffold

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestNames(t *testing.T) {
	for dir, want := range map[string]string{"/x/My App": "my_app", "/x/2nd": "app_2nd", "/": "app", "/x/é": "app", "/x/a.b-": "a_b"} {
		if got := Name(dir); got != want {
			t.Errorf("Name(%q) = %q, want %q", dir, got, want)
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "setup.py"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, "sklearn", false); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
	if _, err := Write(t.TempDir(), "pytorch", false); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

// TestAllAreReadByPython: each framework's program is Python from 3.6 on.
func TestAllAreReadByPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3")
	}
	for _, kind := range Frameworks() {
		dir := t.TempDir()
		written, err := Write(dir, kind, false)
		if err != nil || len(written) != 7 {
			t.Fatalf("%v, %v", written, err)
		}
		if out, err := exec.Command(python, "-m", "compileall", "-q", dir).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", kind, out)
		}
	}
}

// TestAContainerIsOfTheSameProgram: what the Dockerfile copies and starts is
// what was written, and nothing that it needs is ignored.
func TestAContainerIsOfTheSameProgram(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "My App")
	written, err := Write(dir, "torch", true)
	if err != nil || len(written) != 9 {
		t.Fatalf("%v, %v", written, err)
	}
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	copies, started := 0, ""
	for line := range strings.SplitSeq(text("Dockerfile"), "\n") {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == "COPY" {
			copies++
			if _, err := os.Stat(filepath.Join(dir, words[1])); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			if !strings.Contains(text(".dockerignore"), "!"+words[1]+"\n") {
				t.Errorf("%s is ignored", words[1])
			}
		}
		if rest, ok := strings.CutPrefix(line, "ENTRYPOINT "); ok {
			started = rest
		}
	}
	var entry []string
	if err := json.Unmarshal([]byte(started), &entry); err != nil || copies != 2 || !slices.Equal(entry, []string{"python", "-m", "trainer.task"}) {
		t.Errorf("%d copies, started with %s: %v", copies, started, err)
	}
	readme := text("README.md")
	if !strings.Contains(readme, "docker build -t my_app .") || !strings.Contains(readme, "runs programs, not images, so far") || strings.Contains(readme, "@") {
		t.Errorf("the README says\n%s", readme)
	}
}

// TestAnApplicationIsNotItsOwnRequirement: "init xgboost --framework xgboost"
// is what people type.
func TestAnApplicationIsNotItsOwnRequirement(t *testing.T) {
	for dir, want := range map[string]string{"xgboost": "name='xgboost_app'", "scikit-learn": "name='scikit_learn_app'", "google-cloud-storage": "name='google_cloud_storage_app'", "digits": "name='digits'"} {
		kind := "sklearn"
		if dir == "xgboost" {
			kind = dir
		}
		dir = filepath.Join(t.TempDir(), dir)
		if _, err := Write(dir, kind, false); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "setup.py")); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%v: setup.py says\n%s\nwant %s", err, b, want)
		}
	}
}
