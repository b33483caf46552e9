package pack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pack"
)

// tree writes files, given as name and content in turn, and returns the folder.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		p := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func build(t *testing.T, o pack.Options) (pack.Result, error) {
	t.Helper()
	o.OutDir = t.TempDir()
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	return pack.Build(t.Context(), o)
}

func mustBuild(t *testing.T, o pack.Options) pack.Result {
	t.Helper()
	r, err := build(t, o)
	if err != nil {
		t.Fatalf("Build: %v\nhint: %s", err, fault.HintOf(err))
	}
	return r
}

func names(a pack.Archive) []string {
	var n []string
	for _, f := range a.Files {
		n = append(n, f.Path)
	}
	return n
}

// setuptools finds a Python that can run a setup.py.
func setuptools(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "python3.11", "python3.10", "python3.9"} {
		if p, err := exec.LookPath(name); err == nil && exec.Command(p, "-c", "import setuptools").Run() == nil {
			return p
		}
	}
	t.Skip("SKIPPED: no Python with setuptools on PATH")
	return ""
}

func TestGeneratedArchiveHasSubPackagesAndData(t *testing.T) {
	dir := tree(t, "trainer/__init__.py", "", "trainer/task.py", "print(1)", "trainer/utils/__init__.py", "", "trainer/utils/io.py", "",
		"trainer/data/words.txt", "a b", "trainer/spaced name é.csv", "1", "trainer/plain/x.py", "", "trainer/__pycache__/task.pyc", "x",
		"trainer/.git/config", "x", "trainer/venv/pyvenv.cfg", "x", "trainer/venv/lib.py", "x", "trainer/task.py~", "x", "other/secret.py", "x")
	r := mustBuild(t, pack.Options{Path: filepath.Join(dir, "trainer")})
	want := []string{"trainer-0.0.0/PKG-INFO", "trainer-0.0.0/setup.py", "trainer-0.0.0/trainer/__init__.py", "trainer-0.0.0/trainer/data/words.txt",
		"trainer-0.0.0/trainer/plain/x.py", "trainer-0.0.0/trainer/spaced name é.csv", "trainer-0.0.0/trainer/task.py", "trainer-0.0.0/trainer/utils/__init__.py", "trainer-0.0.0/trainer/utils/io.py"}
	if len(r.Archives) != 1 || r.Archives[0].Name != "trainer-0.0.0.tar.gz" || r.Kind != pack.Generated {
		t.Fatalf("Build = %+v", r)
	}
	if got := names(r.Archives[0]); !slices.Equal(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "plain has no __init__.py") {
		t.Errorf("warnings = %q, want one about plain", r.Warnings)
	}
}

// Installers take no project of these names.
func TestGeneratedArchiveOfAnOddlyNamedPackageHasANameThatInstallersTake(t *testing.T) {
	for pkg, want := range map[string]string{"träiner": "tr_iner", "_private_": "private", "数据": "package", "my_app2": "my_app2"} {
		dir := tree(t, pkg+"/__init__.py", "", pkg+"/task.py", "print(1)")
		a := mustBuild(t, pack.Options{Path: filepath.Join(dir, pkg)}).Archives[0]
		if a.Name != want+"-0.0.0.tar.gz" || !slices.Contains(names(a), want+"-0.0.0/"+pkg+"/task.py") {
			t.Errorf("%s: %s has %q", pkg, a.Name, names(a))
		}
	}
}

func TestGeneratedArchiveIsTheSameBytesForTheSameTree(t *testing.T) {
	files := []string{"trainer/__init__.py", "", "trainer/task.py", "print(1)", "trainer/data.bin", strings.Repeat("x", 100_000)}
	a, b := tree(t, files...), tree(t, files...)
	for _, p := range []string{"trainer/task.py", "trainer/data.bin"} {
		p = filepath.Join(b, p)
		if err := os.Chmod(p, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	x, y := mustBuild(t, pack.Options{Path: filepath.Join(a, "trainer")}), mustBuild(t, pack.Options{Path: filepath.Join(b, "trainer")})
	if x.Archives[0].SHA256 != y.Archives[0].SHA256 {
		t.Error("the same files make different archives")
	}
}

func TestGeneratedArchiveInstallsEverywhere(t *testing.T) {
	dir := tree(t, "my_app/__init__.py", "", "my_app/task.py", "from my_app.utils import io\nprint(io.read(), io.odd())", "my_app/utils/__init__.py", "",
		"my_app/utils/io.py", "# -*- coding: utf-8 -*-\nimport pkgutil\ndef read():\n    return pkgutil.get_data('my_app', 'data/w.txt').decode()\ndef odd():\n    return len(pkgutil.get_data('my_app.utils', u'[a] *\\u00e9.txt'))\n",
		"my_app/data/w.txt", "hello", "my_app/utils/[a] *é.txt", "four")
	a := mustBuild(t, pack.Options{Path: filepath.Join(dir, "my_app")}).Archives[0]
	tried := 0
	home, _ := os.UserHomeDir()
	for _, v := range []string{"3.6.15", "3.8.18", "3.11.7"} {
		python := filepath.Join(home, ".pyenv/versions", v, "bin/python")
		if exec.Command(python, "-c", "import pip, setuptools").Run() != nil {
			continue
		}
		tried++
		to := t.TempDir()
		cmd := exec.Command(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", to, a.Path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("pip under %s: %v\n%s", v, err, out)
			continue
		}
		cmd = exec.Command(python, "-m", "my_app.task")
		cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "PYTHONPATH="+to, "PYTHONIOENCODING=utf-8", "LC_ALL=C.UTF-8")
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "hello 4" {
			t.Errorf("under %s: %v %q", v, err, out)
		}
	}
	if tried == 0 {
		t.Skip("SKIPPED: none of the Pythons that this test installs into is there")
	}
}

// hash is a digest of all that is in a folder, times included.
func hash(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(sum, p, info.Mode(), info.Size(), info.ModTime())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

const setup = "from setuptools import setup, find_packages\nsetup(name='app', version='1.2', packages=find_packages(), install_requires=['six'], include_package_data=True)\n"

func TestSetupPyIsRunWithoutATraceInTheTree(t *testing.T) {
	setuptools(t)
	dir := tree(t, "setup.py", setup, "MANIFEST.in", "include trainer/words.txt\n", "trainer/__init__.py", "", "trainer/task.py", "", "trainer/words.txt", "a",
		"dist/old.tar.gz", "x", "app.egg-info/SOURCES.txt", "stale.py", "env/pyvenv.cfg", "", "env/lib/big.py", "x")
	before := hash(t, dir)
	first := mustBuild(t, pack.Options{Path: filepath.Join(dir, "trainer")})
	if first.Kind != pack.SetupPy || len(first.Archives) != 1 || first.Archives[0].Name != "app-1.2.tar.gz" {
		t.Fatalf("Build = %+v", first)
	}
	got := names(first.Archives[0])
	for _, want := range []string{"app-1.2/setup.py", "app-1.2/trainer/task.py", "app-1.2/trainer/words.txt", "app-1.2/PKG-INFO"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing from %q", want, got)
		}
	}
	if after := hash(t, dir); after != before {
		t.Error("the user's tree was changed")
	}
	// Again, an hour later on another machine: the same bytes.
	if err := os.Chtimes(filepath.Join(dir, "trainer/task.py"), time.Unix(99, 0), time.Unix(99, 0)); err != nil {
		t.Fatal(err)
	}
	if second := mustBuild(t, pack.Options{Path: filepath.Join(dir, "trainer")}); second.Archives[0].SHA256 != first.Archives[0].SHA256 {
		t.Error("an unchanged tree makes another archive")
	}
}

func TestAReadOnlyTreeIsBuilt(t *testing.T) {
	python := setuptools(t)
	dir := tree(t, "setup.py", setup, "trainer/__init__.py", "")
	for _, p := range []string{"trainer", "."} {
		if err := os.Chmod(filepath.Join(dir, p), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o755); _ = os.Chmod(filepath.Join(dir, "trainer"), 0o755) })
	if r := mustBuild(t, pack.Options{Path: filepath.Join(dir, "trainer"), Python: python}); len(r.Archives) != 1 {
		t.Errorf("Build = %+v", r)
	}
}

func TestBadTreesAndScriptsAreNamed(t *testing.T) {
	python := setuptools(t)
	outside := tree(t, "secret.txt", "x")
	linked := tree(t, "trainer/__init__.py", "")
	if err := os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(linked, "trainer/secret.txt")); err != nil {
		t.Fatal(err)
	}
	broken := tree(t, "trainer/__init__.py", "")
	if err := os.Symlink("nowhere", filepath.Join(broken, "trainer/link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		o    pack.Options
		want []string
	}{
		{"no __init__.py", pack.Options{Path: tree(t, "trainer/task.py", "") + "/trainer"}, []string{"is not a valid Python package because it does not contain an `__init__.py` file."}},
		{"no folder", pack.Options{Path: t.TempDir() + "/none/trainer"}, []string{"Source directory [", "/none] is not a valid directory."}},
		{"a gs:// path", pack.Options{Path: "gs://bucket/trainer"}, []string{"is not a valid directory."}},
		{"a link that leads out", pack.Options{Path: linked + "/trainer"}, []string{"secret.txt leads out of the package"}},
		{"a broken link", pack.Options{Path: broken + "/trainer"}, []string{"leads nowhere"}},
		{"setup.py raises", pack.Options{Path: tree(t, "setup.py", "raise RuntimeError('my own mistake')", "trainer/__init__.py", "") + "/trainer", Python: python},
			[]string{"Packaging of user Python code failed with message:", "RuntimeError: my own mistake"}},
		{"setup.py prints a megabyte", pack.Options{Path: tree(t, "setup.py", "print('x' * (1 << 20)); raise SystemExit('the end')", "trainer/__init__.py", "") + "/trainer", Python: python},
			[]string{"bytes left out", "the end"}},
		{"setup.py makes nothing", pack.Options{Path: tree(t, "setup.py", "print('hello')", "trainer/__init__.py", "") + "/trainer", Python: python}, []string{"made no archive"}},
		{"setup.py hangs", pack.Options{Path: tree(t, "setup.py", "import time\ntime.sleep(600)", "trainer/__init__.py", "") + "/trainer", Python: python, Timeout: time.Second},
			[]string{"took longer than 1s and was stopped"}},
		{"no Python", pack.Options{Path: tree(t, "setup.py", setup, "trainer/__init__.py", "") + "/trainer", Environ: []string{"PATH=" + t.TempDir()}},
			[]string{"No Python executable found on path."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := build(t, tt.o)
			if err == nil {
				t.Fatalf("Build = %+v, want an error", r)
			}
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("kind = %v, want invalid", fault.KindOf(err))
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error = %s\nwant %q in it", err, w)
				}
			}
			if len(err.Error()) > 40_000 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
		})
	}
}

func TestAHangingSetupTakesItsChildrenWithIt(t *testing.T) {
	python := setuptools(t)
	pid := filepath.Join(t.TempDir(), "pid")
	script := fmt.Sprintf("import subprocess, sys, time\np = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\nopen(%q, 'w').write(str(p.pid))\ntime.sleep(600)\n", pid)
	dir := tree(t, "setup.py", script, "trainer/__init__.py", "")
	if _, err := build(t, pack.Options{Path: dir + "/trainer", Python: python, Timeout: 2 * time.Second}); err == nil {
		t.Fatal("a setup.py that hangs was built")
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Skip("SKIPPED: the script was stopped before it had started its child")
	}
	stat, err := os.ReadFile("/proc/" + string(b) + "/stat")
	if err == nil && !bytes.Contains(stat, []byte(") Z")) {
		t.Errorf("process %s still runs: %s", b, stat)
	}
}

// TestASetupMayLeaveAProcessBehind, which keeps its output open: what it built
// is built.
func TestASetupMayLeaveAProcessBehind(t *testing.T) {
	python := setuptools(t)
	pid := filepath.Join(t.TempDir(), "pid")
	script := fmt.Sprintf("import subprocess, sys\nfrom setuptools import setup\np = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\nopen(%q, 'w').write(str(p.pid))\nsetup(name='trainer', version='1.0', packages=['trainer'])\n", pid)
	dir := tree(t, "setup.py", script, "trainer/__init__.py", "")
	mustBuild(t, pack.Options{Path: dir + "/trainer", Python: python})
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.FindProcess(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := left.Kill(); err != nil {
		t.Errorf("the process that the script left behind: %v", err)
	}
}

func TestCtrlCStopsABuild(t *testing.T) {
	python := setuptools(t)
	ctx, cancel := context.WithCancel(t.Context())
	dir := tree(t, "setup.py", "import time\ntime.sleep(600)", "trainer/__init__.py", "")
	time.AfterFunc(500*time.Millisecond, cancel)
	_, err := pack.Build(ctx, pack.Options{Path: dir + "/trainer", OutDir: t.TempDir(), Python: python, Environ: os.Environ()})
	if err != context.Canceled {
		t.Errorf("Build = %v, want context.Canceled", err)
	}
}

func TestCheckModule(t *testing.T) {
	dir := tree(t, "trainer/__init__.py", "", "trainer/task.py", "", "trainer/sub/__init__.py", "", "trainer/sub/__main__.py", "")
	a := []string{mustBuild(t, pack.Options{Path: dir + "/trainer"}).Archives[0].Path}
	for module, hint := range map[string]string{"trainer.task": "", "trainer.sub": "", "trainer.sub.__main__": "",
		"trainer.tsk": "did you mean trainer.task?", "task": "did you mean trainer.task?", "trainer/task.py": "did you mean trainer.task?", "trainer": "such as trainer.task", "numpy": "package --list"} {
		err := pack.CheckModule(a, module)
		if (err == nil) != (hint == "") || err != nil && !strings.Contains(fault.HintOf(err), hint) {
			t.Errorf("CheckModule(%s) = %v (%s), want hint %q", module, err, fault.HintOf(err), hint)
		}
	}
	if err := pack.CheckModule([]string{filepath.Join(dir, "none.whl")}, "trainer.task"); err == nil {
		t.Error("an archive that is not there has every module")
	}
}

func FuzzList(f *testing.F) {
	dir := f.TempDir()
	for _, name := range []string{".tar.gz", ".whl", ".tar"} {
		f.Add(name, []byte("PK\x03\x04 not much of an archive"))
		f.Add(name, []byte{0x1f, 0x8b, 8, 0})
	}
	f.Fuzz(func(t *testing.T, suffix string, content []byte) {
		if strings.ContainsAny(suffix, "/\x00") || len(suffix) > 50 {
			return
		}
		p := filepath.Join(dir, "a"+suffix)
		if os.WriteFile(p, content, 0o600) != nil {
			return
		}
		defer os.Remove(p)
		_, _ = pack.List(p)
		_ = pack.CheckModule([]string{p}, "trainer.task")
	})
}
