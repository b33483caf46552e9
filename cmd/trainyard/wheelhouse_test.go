package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPackagesComeFromABucket installs what a job requires from a folder in a
// bucket, with no index at all; a later version that is put there is taken, and
// one that is not there is told of with the place that was looked at.
func TestPackagesComeFromABucket(t *testing.T) {
	t.Parallel()
	y := &yard{t: t, dir: filepath.Join(t.TempDir(), "yard"), addr: freeAddr(), out: &lockedBuffer{}, environ: []string{
		"TRAINYARD_UV=" + uvPath(t), "PIP_NO_INDEX=1", "PIP_FIND_LINKS=gs://trainyard-default/wheels", "PIP_INDEX_URL=", "PIP_EXTRA_INDEX_URL=", "UV_DEFAULT_INDEX="}}
	t.Cleanup(y.destroy)
	y.start()
	put := func(version string) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "house_metrics", "__init__.py"), "version = '"+version+"'\n")
		write(t, filepath.Join(dir, "make.py"), `
import sys, zipfile
version = sys.argv[1]
with zipfile.ZipFile("house_metrics-%s-py3-none-any.whl" % version, "w") as z:
    z.write("house_metrics/__init__.py")
    info = "house_metrics-%s.dist-info/" % version
    z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: house-metrics\nVersion: %s\n" % version)
    z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr(info + "RECORD", "")
`)
		cmd := exec.Command("python3", "make.py", version)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		y.mustRun("storage", "cp", filepath.Join(dir, "house_metrics-"+version+"-py3-none-any.whl"), "gs://trainyard-default/wheels/")
	}
	app := filepath.Join(t.TempDir(), "trainer")
	write(t, filepath.Join(app, "__init__.py"), "")
	write(t, filepath.Join(app, "task.py"), "import house_metrics\nprint('house', house_metrics.version)\n")
	submit := func(id, requires string) (string, error) {
		write(t, filepath.Join(filepath.Dir(app), "requirements.txt"), requires+"\n")
		_, stderr, err := y.run("jobs", "submit", "training", id, "--package-path", app, "--module-name", "trainer.task", "--stream-logs")
		return stderr, err
	}
	put("1.0")
	if said, err := submit("one", "house-metrics"); err != nil || !strings.Contains(said, "house 1.0") {
		t.Errorf("from the bucket: %v\n%s", err, said)
	}
	put("2.0")
	if said, err := submit("two", "house-metrics>=2"); err != nil || !strings.Contains(said, "house 2.0") {
		t.Errorf("what was put there later: %v\n%s", err, said)
	}
	if said, err := submit("three", "house-metrics>=3"); err == nil || !strings.Contains(said, "house-metrics") {
		t.Errorf("what is not there: %v\n%s", err, said)
	}
	y.mustRun("storage", "rm", "-r", "gs://trainyard-default/wheels")
	if said, err := submit("four", "house-metrics>=0.1"); err == nil {
		t.Errorf("after all was removed: %v\n%s", err, said)
	}
	if held, _ := filepath.Glob(filepath.Join(y.dir, "environments", "wheelhouse", "*", "*.whl")); len(held) != 0 {
		t.Errorf("what was removed from the bucket is still offered: %v", held)
	}
	if _, err := os.Stat(filepath.Join(y.dir, "environments", "wheelhouse")); err != nil {
		t.Error(err)
	}
}
