//go:build unix

package pyenv

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a command that prepares pkg in the cache in dir.
func process(t *testing.T, dir, pkg string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PYENV_TEST_PREPARE="+dir, "PYENV_TEST_PACKAGE="+pkg, "PYENV_TEST_UV="+sharedUV)
	return cmd
}

func TestEightProcessesBuildOnce(t *testing.T) {
	withUV(t, Options{})
	dir := t.TempDir()
	pkg := sdist(t, "app", "1.0", `install_requires=["six", "toolz"]`, map[string]string{"app/__init__.py": ""})
	out := make([]bytes.Buffer, 8)
	var wg sync.WaitGroup
	for i := range out {
		cmd := process(t, dir, pkg.Path)
		cmd.Stdout, cmd.Stderr = &out[i], &out[i]
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Errorf("process %d: %v\n%s", i, err, out[i].String())
			}
		})
	}
	wg.Wait()
	all := ""
	for i := range out {
		all += out[i].String()
	}
	for _, step := range []string{"Building the package", "Installing the dependencies"} {
		if n := strings.Count(all, step); n != 1 {
			t.Errorf("%q %d times, want once", step, n)
		}
	}
	if n := strings.Count(all, "ready: "+dir); n != len(out) {
		t.Errorf("%d of %d got an environment", n, len(out))
	}
}

func TestKilledBuildersLeaveNothingHalfDone(t *testing.T) {
	o := withUV(t, Options{})
	dir := t.TempDir()
	kills := 20
	if testing.Short() {
		kills = 5
	}
	// What a whole build takes says within which time to kill.
	first := sdist(t, "app", "1.0", `install_requires=["six", "toolz"]`, map[string]string{"app/__init__.py": "x = 0\n"})
	begin := time.Now()
	if out, err := process(t, dir, first.Path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(begin)
	for i := range kills {
		pkg := sdist(t, "app", "1.0", fmt.Sprintf(`install_requires=["six", "toolz!=0.%d"]`, i), map[string]string{"app/__init__.py": fmt.Sprintf("x = %d\nimport six, toolz", i)})
		cmd := process(t, dir, pkg.Path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(rand.N(whole), func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		_ = cmd.Wait()
		timer.Stop()
		// What the killed one started may still write; it holds the lock.
		c := testCache(t, dir, o)
		env, _ := prepare(t, c, Request{Packages: []File{pkg}})
		if got := python(t, env, "import app; print(app.x)"); got != fmt.Sprint(i) {
			t.Fatalf("kill %d: app.x = %s", i, got)
		}
	}
	for _, kind := range []string{"packages", "base", "top"} {
		entries, err := os.ReadDir(filepath.Join(dir, kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !finished(filepath.Join(dir, kind, e.Name())) {
				t.Errorf("%s/%s is half done", kind, e.Name())
			}
		}
	}
}

func TestLeftoversAreSweptUnlessTheyAreBeingBuilt(t *testing.T) {
	c := testCache(t, t.TempDir(), Options{})
	for _, name := range []string{"dead", "alive"} {
		if err := os.MkdirAll(filepath.Join(c.dir, "base", name, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l, err := tryLock(filepath.Join(c.dir, "locks", "base-alive"), true)
	if err != nil || l == nil {
		t.Fatal(l, err)
	}
	defer l.release()
	c.removeLeftovers()
	if _, err := os.Stat(filepath.Join(c.dir, "base", "dead")); !os.IsNotExist(err) {
		t.Errorf("a dead builder's folder is there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "base", "alive")); err != nil {
		t.Errorf("a living builder's folder is gone: %v", err)
	}
}

func TestAnEnvironmentInUseIsLockedUntilReleased(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	env, err := c.Prepare(t.Context(), Request{Packages: []File{wheel(t, "app", "1.0", nil, map[string]string{"app.py": ""})}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.dir, "locks", "top-"+filepath.Base(filepath.Dir(env.BinDir)))
	if l, err := tryLock(path, true); l != nil || err != nil {
		t.Errorf("in use, yet the lock is free (%v)", err)
	}
	env.Release()
	env.Release()
	l, err := tryLock(path, true)
	if l == nil || err != nil {
		t.Fatalf("released, yet the lock is held (%v)", err)
	}
	l.release()
}

// TestWhatABuildLeavesBehindHoldsNothing: a setup.py starts a process that goes
// on, with all that it inherits. Nobody waits for it, the next job least of all.
func TestWhatABuildLeavesBehindHoldsNothing(t *testing.T) {
	o := withUV(t, Options{})
	dir, pid := t.TempDir(), filepath.Join(t.TempDir(), "pid")
	pkg := sdist(t, "app", "1.0", "", map[string]string{"app/__init__.py": "", "setup.py": fmt.Sprintf(`
import os, sys
from setuptools import setup
if "bdist_wheel" in sys.argv:
    os.system("setsid sh -c 'echo $$ > %[1]s; exec sleep 600' >/dev/null 2>&1 & while ! [ -s %[1]s ]; do sleep 0.01; done")
setup(name="app", version="1.0", packages=["app"])
`, pid)})
	prepare(t, testCache(t, dir, o), Request{Packages: []File{pkg}})
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	left, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(left, syscall.SIGKILL) }()
	if err := syscall.Kill(left, 0); err != nil {
		t.Fatalf("nothing is left behind: %v", err)
	}
	prepare(t, testCache(t, dir, o), Request{Packages: []File{pkg}})
}
