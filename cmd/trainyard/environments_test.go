//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sourceArchive is a source archive with a setup.py, as gcloud makes them.
func sourceArchive(t *testing.T, setup, task string) string {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	for _, f := range [][2]string{{"setup.py", setup}, {"trainer/__init__.py", ""}, {"trainer/task.py", task}, {"PKG-INFO", "Metadata-Version: 1.0\nName: trainer\nVersion: 1.0\n"}} {
		if err := w.WriteHeader(&tar.Header{Name: "trainer-1.0/" + f[0], Mode: 0o644, Size: int64(len(f[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "trainer-1.0.tar.gz")
	write(t, path, b.String())
	return path
}

// TestAnInstallThatHangsIsCancelled has a setup.py that, once it runs in the
// job, never returns: a cancel ends it and all that it started.
func TestAnInstallThatHangsIsCancelled(t *testing.T) {
	runs := make(chan struct{}, 1)
	calls := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case runs <- struct{}{}:
		default:
		}
	}))
	defer calls.Close()
	t.Setenv("TRAINYARD_UV", uvPath(t))
	y := newYard(t)
	pkg := sourceArchive(t, "import os, subprocess, sys\ntry:\n    from urllib.request import urlopen\nexcept ImportError:\n    from urllib2 import urlopen\n"+
		"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(6000) # left by the setup.py'])\nurlopen('"+calls.URL+"').read()\nchild.wait()\n", "")
	if _, stderr, err := y.run("jobs", "submit", "training", "hangs", "--packages", pkg, "--module-name", "trainer.task", "--no-check"); err != nil {
		t.Fatalf("submit: %v\n%s", err, stderr)
	}
	select {
	case <-runs:
	case <-time.After(2 * time.Minute):
		t.Fatalf("the setup.py did not run\n%s", y.mustRun("jobs", "describe", "hangs"))
	}
	y.mustRun("jobs", "cancel", "hangs")
	if j := y.ended("local", "hangs"); j.State != "CANCELLED" {
		t.Errorf("the job ended as %s: %s", j.State, j.ErrorMessage)
	}
	for _, pid := range processesOf(y.dir) {
		if b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline")); bytes.Contains(b, []byte("left by the setup.py")) {
			t.Errorf("process %d is left: %q", pid, b)
		}
	}
	// The lock of what hung is free.
	good := sourceArchive(t, "from setuptools import setup\nsetup(name='trainer', version='1.0', packages=['trainer'])\n", "print('ran')\n")
	if _, stderr, err := y.run("jobs", "submit", "training", "goes", "--packages", good, "--module-name", "trainer.task", "--stream-logs"); err != nil || !strings.Contains(stderr, "ran") {
		t.Errorf("afterwards: %v\n%s", err, stderr)
	}
}

// TestTwoServersShareOneCache has two servers keep their environments in one
// folder: jobs of both that want the same at once cost one build, and neither
// server removes what the other's job runs in.
func TestTwoServersShareOneCache(t *testing.T) {
	t.Setenv("TRAINYARD_UV", uvPath(t))
	a := newYard(t, "--private-tmp=false")
	b := &yard{t: t, dir: filepath.Join(t.TempDir(), "yard"), addr: freeAddr(), args: []string{"--private-tmp=false"}, out: &lockedBuffer{}}
	t.Cleanup(b.destroy)
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(a.dir, "environments"), filepath.Join(b.dir, "environments")); err != nil {
		t.Fatal(err)
	}
	b.start()
	finish := make(chan struct{})
	var running sync.WaitGroup
	running.Add(1)
	begun := sync.OnceFunc(running.Done)
	calls := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			begun()
			<-finish
		}
	}))
	defer calls.Close()
	pkg := sourceArchive(t, "from setuptools import setup\nsetup(name='trainer', version='1.0', packages=['trainer'], install_requires=['six'])\n",
		"import sys\nfrom urllib.request import urlopen\nif len(sys.argv) > 1: urlopen('"+calls.URL+"/hold').read()\nimport six; print('six is there')\n")
	said := make([]string, 8)
	var wg sync.WaitGroup
	for i := range said {
		wg.Go(func() {
			y := []*yard{a, b}[i%2]
			_, stderr, err := y.run("jobs", "submit", "training", "job_"+strconv.Itoa(i), "--packages", pkg, "--module-name", "trainer.task", "--stream-logs")
			if said[i] = stderr; err != nil || !strings.Contains(stderr, "six is there") {
				t.Errorf("job %d: %v\n%s", i, err, stderr)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(strings.Join(said, ""), "Installing the dependencies: six"); n != 1 {
		t.Errorf("the dependencies were installed %d times, want once", n)
	}
	held := make(chan error, 1)
	go func() {
		_, stderr, err := a.run("jobs", "submit", "training", "held", "--packages", pkg, "--module-name", "trainer.task", "--stream-logs", "--", "hold")
		if err == nil && strings.Contains(stderr, "Installing the dependencies") {
			t.Errorf("built again:\n%s", stderr)
		}
		held <- err
	}()
	running.Wait()
	b.mustRun("environments", "prune", "--all")
	close(finish)
	if err := <-held; err != nil {
		t.Errorf("the job whose environment the other server was to remove: %v", err)
	}
	b.mustRun("environments", "prune", "--all")
	if out := a.mustRun("environments", "list"); strings.Contains(out, "trainer") {
		t.Errorf("left after everything was removed:\n%s", out)
	}
}
