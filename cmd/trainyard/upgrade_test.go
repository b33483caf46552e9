package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestANewerCommandLineReplacesAnOlderServer does an upgrade with two builds:
// the server that the old command line started is replaced by the new one's,
// and the job that runs does not notice.
func TestANewerCommandLineReplacesAnOlderServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newer := filepath.Join(dir, "trainyard")
	if out, err := exec.Command("go", "build", "-ldflags", "-X main.version=0.1.0 -X main.build=2", "-o", newer, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	addr := freeAddr()
	y := &yard{t: t, dir: filepath.Join(dir, "data"), addr: addr, out: &lockedBuffer{}}
	t.Cleanup(y.destroy)
	run := func(program string, args ...string) (string, string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "TRAINYARD_DATA_DIR="+y.dir, "TRAINYARD_LISTEN="+addr, "XDG_CONFIG_HOME="+dir+"/config")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, stdout.String(), stderr.String())
		}
		return stdout.String(), stderr.String()
	}
	marks := y.marks()
	source := filepath.Join(t.TempDir(), "app", "upgraded")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), `
import os, sys, time
with open(os.path.join(sys.argv[1], "mark"), "a") as f:
    f.write("%d %d\n" % (os.getpid(), os.getppid()))
while not os.path.exists(os.path.join(sys.argv[1], "finish")):
    time.sleep(0.02)
`)
	run(binary, "jobs", "submit", "training", "going", "--package-path", source, "--module-name", "upgraded.task", "--", marks)
	y.marked(marks, "mark", 1)

	_, stderr := run(newer, "jobs", "list")
	if !strings.Contains(stderr, "Replacing the server of version 0.1.0 (build 1) by 0.1.0 (build 2); running jobs go on.") {
		t.Errorf("the newer command line said %q", stderr)
	}
	if status, _ := run(newer, "server", "status"); !strings.Contains(status, "endpoint: http://"+addr) {
		t.Errorf("the server moved: %s", status)
	}
	// The old command line does not go back.
	if _, stderr := run(binary, "jobs", "list"); strings.Contains(stderr, "Replacing") {
		t.Errorf("the older command line said %q", stderr)
	}
	write(t, filepath.Join(marks, "finish"), "")
	if j := y.ended("local", "going"); j.State != "SUCCEEDED" {
		t.Errorf("the job: %s %s", j.State, j.ErrorMessage)
	}
	if b, _ := os.ReadFile(filepath.Join(marks, "mark")); bytes.Count(b, []byte("\n")) != 1 {
		t.Errorf("the program was started again:\n%s", b)
	}
}

// TestATokenIsNeededAndSent runs a job on a server that asks for a token: the
// command line reads it from its file, gcloud too, and the program in the job
// reaches its storage without knowing of it.
func TestATokenIsNeededAndSent(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "s3cret-token\n")
	y := newYard(t, "--token-file", token)
	if resp, err := http.Get(y.url() + "/v1/projects/local/jobs"); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %v, %v", resp, err)
	}
	if _, stderr, err := y.run("jobs", "list"); err == nil || !strings.Contains(stderr, "--token-file") {
		t.Errorf("without a token the command line says %q", stderr)
	}
	source := filepath.Join(t.TempDir(), "app", "reading")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), `
import os, urllib.request
print("storage says", urllib.request.urlopen(os.environ["STORAGE_EMULATOR_HOST"] + "/storage/v1/b/trainyard-default").status)
assert "s3cret-token" not in str(os.environ)
`)
	stdout, stderr, err := y.run("--token-file", token, "jobs", "submit", "training", "reading", "--package-path", source, "--module-name", "reading.task", "--stream-logs")
	if err != nil || !strings.Contains(stderr, "storage says 200") {
		t.Errorf("with the token: %v\n%s%s", err, stdout, stderr)
	}
	for _, pid := range processesOf(y.dir) {
		if b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline")); bytes.Contains(b, []byte("s3cret-token")) {
			t.Errorf("the token is on the command line of process %d", pid)
		}
	}
}
