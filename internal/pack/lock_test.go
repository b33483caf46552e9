package pack_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/pack"
)

// locked packs a project with the files given and returns what its lock
// archive requires.
func locked(t *testing.T, files map[string]string, before func(dir string)) (requires []string, r pack.Result, err error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		try(t, os.MkdirAll(filepath.Dir(path), 0o755))
		try(t, os.WriteFile(path, []byte(text), 0o644))
	}
	if before != nil {
		before(dir)
	}
	r, err = pack.Build(t.Context(), pack.Options{Path: filepath.Join(dir, "trainer"), Module: "trainer.task", OutDir: t.TempDir(), Environ: os.Environ(), UV: uv})
	if err != nil || r.Lock == nil {
		return nil, r, err
	}
	for _, f := range r.Archives[0].Files {
		if !strings.HasSuffix(f.Path, "/METADATA") {
			continue
		}
		out, err := exec.Command("unzip", "-p", r.Archives[0].Path, f.Path).Output()
		if err != nil { // unzip is not everywhere; Python is
			out, err = exec.Command("python3", "-c", "import sys, zipfile; sys.stdout.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]).decode())", r.Archives[0].Path, f.Path).Output()
		}
		try(t, err)
		for line := range strings.Lines(string(out)) {
			if pin, ok := strings.CutPrefix(strings.TrimSpace(line), "Requires-Dist: "); ok {
				requires = append(requires, pin)
			}
		}
	}
	return requires, r, nil
}

const application = "[project]\nname = \"My.App\"\nversion = \"0.1.0\"\nrequires-python = \">=3.9\"\ndependencies = [\"six>=1.10\", \"tomli>=1; python_version < '3.11'\"]\n[dependency-groups]\ndev = [\"pytest\"]\n"

func TestALockOfUVIsHonoured(t *testing.T) {
	tool, err := uvOnce()
	if err != nil {
		t.Skipf("SKIPPED: no uv: %v", err)
	}
	files := map[string]string{"pyproject.toml": application, "trainer/__init__.py": "", "trainer/task.py": ""}
	lock := func(dir string) {
		cmd := exec.Command(tool, "lock", "--quiet", "--upgrade-package", "six==1.16.0")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("uv lock: %v\n%s", err, out)
		}
	}
	pins, r, err := locked(t, files, lock)
	if err != nil || r.Lock.Packages != 2 || len(pins) != 2 || !strings.HasPrefix(pins[0], "six==1.") || !strings.HasPrefix(pins[1], "tomli==") || !strings.Contains(pins[1], "; python_full_version < '3.11'") {
		t.Errorf("pins %q, %+v, %v", pins, r.Lock, err)
	}
	if len(r.Archives) != 2 || r.Archives[0].Name != "my_app_lock-0.0.0-py3-none-any.whl" {
		t.Errorf("archives %+v", r.Archives)
	}
	// Added since, and not locked.
	_, r, err = locked(t, files, func(dir string) {
		lock(dir)
		try(t, os.WriteFile(filepath.Join(dir, "pyproject.toml"), []byte(strings.Replace(application, "\"six>=1.10\"", "\"six>=1.10\", \"idna\"", 1)), 0o644))
	})
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "it has no idna; run uv lock") {
		t.Errorf("with a dependency that is not locked: %q, %v", r.Warnings, err)
	}
	// Not a lock at all.
	files["uv.lock"] = "version = \n"
	if _, _, err := locked(t, files, nil); err == nil || !strings.Contains(err.Error(), "uv cannot read") || !strings.Contains(err.Error(), "uv.lock") {
		t.Errorf("a broken lock: %v", err)
	}
}

func TestAPylockIsHonoured(t *testing.T) {
	files := map[string]string{"trainer/__init__.py": "", "trainer/task.py": "", "pylock.toml": `lock-version = "1.0"
created-by = "pip"
[[packages]]
name = "six"
version = "1.16.0"
[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
[[packages]]
name = "tool"
[packages.vcs]
type = "git"
url = "https://example.com/tool.git"
commit-id = "abc123"
[[packages]]
name = "mine"
[packages.directory]
path = "libs/mine"
`}
	pins, r, err := locked(t, files, nil)
	if want := "six==1.16.0|colorama==0.4.6 ; sys_platform == 'win32'|tool @ git+https://example.com/tool.git@abc123"; err != nil || strings.Join(pins, "|") != want {
		t.Errorf("pins %q, %v", pins, err)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], `"mine" is on this machine only`) {
		t.Errorf("warnings %q", r.Warnings)
	}
	again, s, err := locked(t, files, nil)
	if err != nil || len(again) != len(pins) || s.Archives[0].SHA256 != r.Archives[0].SHA256 {
		t.Errorf("another archive of the same lock: %s, %s, %v", s.Archives[0].SHA256, r.Archives[0].SHA256, err)
	}
	files["pylock.toml"] = "lock-version = \"2.0\"\n"
	if _, _, err := locked(t, files, nil); err == nil || !strings.Contains(err.Error(), `its lock-version is "2.0"; 1.0 is read here`) {
		t.Errorf("of another version: %v", err)
	}
}
