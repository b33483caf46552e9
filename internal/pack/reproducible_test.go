//go:build unix

package pack_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pack"
)

// TestMain packs and says what came of it where a test started this program
// again, as another user or in other surroundings.
func TestMain(m *testing.M) {
	path := os.Getenv("PACK_TEST_PATH")
	if path == "" {
		code := m.Run()
		if uvDir != "" {
			_ = os.RemoveAll(uvDir)
		}
		os.Exit(code)
	}
	if mask, err := strconv.ParseInt(os.Getenv("PACK_TEST_UMASK"), 8, 32); err == nil {
		syscall.Umask(int(mask))
	}
	r, err := pack.Build(context.Background(), pack.Options{Path: path, OutDir: os.Getenv("PACK_TEST_OUT"), Python: os.Getenv("PACK_TEST_PYTHON"), Environ: os.Environ(),
		UV: uv})
	if err != nil {
		fmt.Println("error:", err, "hint:", fault.HintOf(err))
		os.Exit(1)
	}
	for _, a := range r.Archives {
		fmt.Println(a.Name, a.SHA256)
	}
	os.Exit(0)
}

// elsewhere packs in other surroundings: with other variables, another umask,
// and as the user nobody where this is root.
func elsewhere(t *testing.T, path, umask string, nobody bool, variables ...string) (string, error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "trainyard-elsewhere-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, out := filepath.Join(dir, "program"), filepath.Join(dir, "out")
	in, err := os.Open(me)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	to, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, in)
	try(t, err)
	try(t, to.Close())
	try(t, os.Mkdir(out, 0o755))
	try(t, os.Chmod(dir, 0o755))
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), "PACK_TEST_PATH="+path, "PACK_TEST_OUT="+out, "PACK_TEST_UMASK="+umask)
	cmd.Dir = "/"
	if nobody {
		if os.Getuid() != 0 {
			t.Skip("SKIPPED: only root can be another user")
		}
		try(t, os.Chown(out, 65534, 65534))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Env = append(cmd.Env, "HOME="+out, "TMPDIR=/tmp")
	}
	cmd.Env = append(cmd.Env, variables...)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// open lets every user read a tree and the folders above it.
func open(t *testing.T, dir string) {
	t.Helper()
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		try(t, os.Chmod(d, 0o755))
	}
}

// copyReversed copies a tree, its files made in the opposite order, with other
// times and permissions.
func copyReversed(t *testing.T, from string, names []string) string {
	t.Helper()
	to := t.TempDir()
	for i := len(names) - 1; i >= 0; i-- {
		b, err := os.ReadFile(filepath.Join(from, names[i]))
		try(t, err)
		p := filepath.Join(to, names[i])
		try(t, os.MkdirAll(filepath.Dir(p), 0o755))
		try(t, os.WriteFile(p, b, 0o664))
		try(t, os.Chtimes(p, time.Unix(int64(i)*1e6, 0), time.Unix(int64(i)*1e6, 0)))
	}
	return to
}

// The same tree gives the same bytes: in another place and order, at another
// time, under another umask, time zone, language, and user.
func TestArchivesAreTheSameBytesElsewhere(t *testing.T) {
	setup := "from setuptools import setup, find_packages\nsetup(name='app', version='1.0', packages=find_packages(), package_data={'trainer': ['*.txt']}, scripts=['run.sh'])\n"
	project := "[build-system]\nrequires = [%q]\nbuild-backend = %q\n\n[project]\nname = 'trainer'\nversion = '1.0'\ndescription = 'x'\n"
	common := []string{"trainer/__init__.py", "\"\"\"x\"\"\"\n", "trainer/task.py", "print(1)", "trainer/zeta/__init__.py", "", "trainer/alpha/__init__.py", "", "trainer/é.txt", "x"}
	for name, more := range map[string][]string{
		"generated":  nil,
		"setup.py":   {"setup.py", setup, "run.sh", "#!/bin/sh\n"},
		"setuptools": {"pyproject.toml", fmt.Sprintf(project, "setuptools>=61", "setuptools.build_meta")},
		"hatchling":  {"pyproject.toml", fmt.Sprintf(project, "hatchling", "hatchling.build")},
		"poetry":     {"pyproject.toml", fmt.Sprintf(project, "poetry-core>=2", "poetry.core.masonry.api")},
		"flit":       {"pyproject.toml", fmt.Sprintf(project, "flit-core>=3.2,<4", "flit_core.buildapi")},
		"pdm":        {"pyproject.toml", fmt.Sprintf(project, "pdm-backend", "pdm.backend")},
		"uv_build":   {"pyproject.toml", fmt.Sprintf(project, "uv_build", "uv_build") + "\n[tool.uv.build-backend]\nmodule-root = ''\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			python := ""
			if name != "generated" {
				python = setuptools(t)
			}
			files := append(append([]string{}, common...), more...)
			var names []string
			for i := 0; i < len(files); i += 2 {
				names = append(names, files[i])
			}
			dir := tree(t, files...)
			here := mustBuild(t, pack.Options{Path: filepath.Join(dir, "trainer"), Python: python, UV: uv}).Archives[0]
			want := here.Name + " " + here.SHA256 + "\n"
			other := copyReversed(t, dir, names)
			for _, umask := range []string{"077", "000"} {
				got, err := elsewhere(t, filepath.Join(other, "trainer"), umask, false, "PACK_TEST_PYTHON="+python, "TZ=Pacific/Kiritimati", "LC_ALL=C", "LANG=tr_TR.UTF-8", "PYTHONHASHSEED=7")
				if err != nil || got != want {
					t.Errorf("umask %s: %s, %v; want %s", umask, got, err, want)
				}
			}
			if name == "generated" && os.Getuid() == 0 {
				open(t, other)
				if got, err := elsewhere(t, filepath.Join(other, "trainer"), "022", true); err != nil || got != want {
					t.Errorf("another user: %s, %v; want %s", got, err, want)
				}
			}
			if name == "setup.py" && os.Getuid() == 0 && exec.Command("/usr/bin/python3", "-c", "import setuptools").Run() == nil {
				open(t, other)
				same := mustBuild(t, pack.Options{Path: filepath.Join(dir, "trainer"), Python: "/usr/bin/python3"}).Archives[0]
				if got, err := elsewhere(t, filepath.Join(other, "trainer"), "022", true, "PACK_TEST_PYTHON=/usr/bin/python3"); err != nil || got != same.Name+" "+same.SHA256+"\n" {
					t.Errorf("another user: %s, %v; want %s", got, err, same.SHA256)
				}
			}
		})
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	dir := tree(t, "trainer/__init__.py", "", "trainer/task.py", "", "trainer/private.txt", "x")
	open(t, dir)
	try(t, os.Chmod(filepath.Join(dir, "trainer/private.txt"), 0))
	got, err := elsewhere(t, filepath.Join(dir, "trainer"), "022", os.Getuid() == 0)
	if err == nil || !strings.Contains(got, "cannot pack trainer-0.0.0/trainer/private.txt") || !strings.Contains(got, "permission denied") {
		t.Errorf("%s, %v", got, err)
	}
	try(t, os.Chmod(filepath.Join(dir, "trainer/private.txt"), 0o644))
	try(t, os.Mkdir(filepath.Join(dir, "trainer/closed"), 0))
	if got, err = elsewhere(t, filepath.Join(dir, "trainer"), "022", os.Getuid() == 0); err == nil || !strings.Contains(got, "cannot read the folder "+filepath.Join(dir, "trainer/closed")+": permission denied") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestTenThousandFilesArePacked(t *testing.T) {
	files := []string{"trainer/__init__.py", "", "trainer/task.py", ""}
	for i := range 10_000 {
		files = append(files, fmt.Sprintf("trainer/d%02d/f%04d.txt", i%100, i), "x")
	}
	a := mustBuild(t, pack.Options{Path: filepath.Join(tree(t, files...), "trainer")}).Archives[0]
	if len(a.Files) != 10_004 {
		t.Errorf("%d files", len(a.Files))
	}
	out, err := exec.Command(setuptools(t), "-c", "import sys, tarfile; print(len(tarfile.open(sys.argv[1]).getnames()))", a.Path).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "10004" {
		t.Errorf("Python counts %s, %v", out, err)
	}
}

// Python's own tools read what is made: all of it, without a complaint.
func TestPythonOpensArchives(t *testing.T) {
	python := setuptools(t)
	const look = `
import sys, tarfile, zipfile, warnings
warnings.simplefilter('error')
path, to = sys.argv[1:]
if path.endswith('.whl'):
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        assert len(set(z.namelist())) == len(z.namelist())
        z.extractall(to)
        names = z.namelist()
else:
    with tarfile.open(path) as t:
        names = t.getnames()
        if hasattr(tarfile, 'data_filter'):
            t.extractall(to, filter='data')
        else:
            t.extractall(to)
print('\n'.join(n.rstrip('/') for n in names))
`
	files := []string{"trainer/__init__.py", "", "trainer/task.py", "import pkgutil\nprint(pkgutil.get_data('trainer', 'd/' + 'x' * 120 + '.txt').decode())\n", "trainer/d/" + strings.Repeat("x", 120) + ".txt", "read", "trainer/é.txt", ""}
	for name, more := range map[string][]string{
		"generated": nil,
		"setup.py":  {"setup.py", "from setuptools import setup\nsetup(name='trainer', version='1.0', packages=['trainer'], package_data={'trainer': ['*.txt', 'd/*']})\n"},
		"wheel":     {"pyproject.toml", "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n\n[project]\nname = 'trainer'\nversion = '1.0'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			a := mustBuild(t, pack.Options{Path: filepath.Join(tree(t, append(append([]string{}, files...), more...)...), "trainer"), Python: python, UV: uv}).Archives[0]
			cmd := exec.Command(python, "-c", look, a.Path, t.TempDir())
			cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8", "LC_ALL=C.UTF-8")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, f := range a.Files {
				if !strings.Contains("\n"+string(out), "\n"+f.Path+"\n") {
					t.Errorf("Python does not see %s in\n%s", f.Path, out)
				}
			}
			to := t.TempDir()
			if out, err := exec.Command(python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", to, a.Path).CombinedOutput(); err != nil {
				t.Fatalf("pip: %v\n%s", err, out)
			}
			cmd = exec.Command(python, "-m", "trainer.task")
			cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "PYTHONPATH="+to)
			if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "read" {
				t.Errorf("it runs with %v, %q", err, out)
			}
		})
	}
}
