package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
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
	if _, err := Write(dir, "sklearn"); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
	if _, err := Write(t.TempDir(), "pytorch"); !fault.Is(err, fault.Invalid) {
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
		written, err := Write(dir, kind)
		if err != nil || len(written) != 7 {
			t.Fatalf("%v, %v", written, err)
		}
		if out, err := exec.Command(python, "-m", "compileall", "-q", dir).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", kind, out)
		}
	}
}
