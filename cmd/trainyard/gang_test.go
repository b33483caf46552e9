package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// gangPackage is a program that checks everything that a replica is told.
func gangPackage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/gang")); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "trainer")
}

// met checks that every replica of a job has met all others, and was ended.
func (y *yard) met(project, id string, replicas ...string) {
	y.t.Helper()
	out := y.mustRun("jobs", "stream-logs", id, "--project", project)
	for _, r := range replicas {
		role, index, _ := strings.Cut(r, " ")
		want := fmt.Sprintf("\t%s-replica-%s\t\t%s-%s has met all %d\n", role, index, role, index, len(replicas))
		if strings.Count(out, want) != 1 {
			y.t.Errorf("%s of %s did not say %q once:\n%s", r, id, want, out)
		}
	}
	var tasks []string
	for _, m := range regexp.MustCompile(`\t([a-z]+-replica-[0-9]+)\t`).FindAllStringSubmatch(out, -1) {
		tasks = append(tasks, m[1])
	}
	slices.Sort(tasks)
	if got := slices.Compact(tasks); len(got) != len(replicas) {
		y.t.Errorf("%s has logs of %v", id, got)
	}
}

func TestUnmodifiedGcloudRunsClusters(t *testing.T) {
	t.Parallel()
	y := newYard(t, "--cancel-grace", "2s")
	y.mustGcloud("storage", "buckets", "create", "gs://my-bucket")
	pkg := gangPackage(t)

	_, stderr := y.mustGcloud("ai-platform", "jobs", "submit", "training", "standard", "--scale-tier", "standard-1", "--package-path", pkg, "--module-name", "trainer.task",
		"--staging-bucket", "gs://my-bucket", "--job-dir", "gs://my-bucket/standard", "--region", "us-central1", "--stream-logs", "--",
		"--primary=chief", `--cluster={"master": 1, "worker": 4, "ps": 3}`)
	if !strings.Contains(stderr, "\tmaster-replica-0\t\tmaster-0 has met all 8") || !strings.Contains(stderr, "Job completed successfully.") {
		t.Errorf("the stream of STANDARD_1 is\n%s", stderr)
	}
	y.met("demo", "standard", "master 0", "worker 0", "worker 1", "worker 2", "worker 3", "ps 0", "ps 1", "ps 2")

	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, `
trainingInput:
  scaleTier: CUSTOM
  masterType: complex_model_m
  workerType: complex_model_m
  parameterServerType: large_model
  evaluatorType: standard
  workerCount: 2
  parameterServerCount: 2
  evaluatorCount: 1
`)
	y.mustGcloud("ai-platform", "jobs", "submit", "training", "custom", "--config", config, "--package-path", pkg, "--module-name", "trainer.task",
		"--staging-bucket", "gs://my-bucket", "--job-dir", "gs://my-bucket/custom", "--region", "us-central1", "--",
		"--primary=chief", `--cluster={"master": 1, "worker": 2, "ps": 2, "evaluator": 1}`)
	if j := y.ended("demo", "custom"); j.State != "SUCCEEDED" {
		t.Fatalf("custom: %s %s", j.State, j.ErrorMessage)
	}
	y.met("demo", "custom", "master 0", "worker 0", "worker 1", "ps 0", "ps 1", "evaluator 0")
	of := func(task, out string) {
		t.Helper()
		if !strings.Contains(out, "has met all 6") || strings.Contains(out, "master-replica-0") || strings.Contains(out, "\tservice\t") {
			t.Errorf("the logs of %s are\n%s", task, out)
		}
	}
	out, _ := y.mustGcloud("ai-platform", "jobs", "stream-logs", "custom", "--task-name", "worker-replica-1", "--polling-interval", "1")
	of("worker-replica-1", out)
	of("evaluator-replica-0", y.mustRun("jobs", "stream-logs", "custom", "--project", "demo", "--task-name", "evaluator-replica-0"))
	if out, _ := y.mustGcloud("ai-platform", "jobs", "describe", "custom", "--summarize"); !strings.Contains(out, "SUCCEEDED") {
		t.Errorf("describe printed %s", out)
	}
	if left := processesOf(filepath.Join(y.dir, "jobs")); len(left) != 0 {
		t.Errorf("processes %v are left of the jobs", left)
	}
}

// TestThirtyOneReplicas is the largest tier on whatever machine this is.
func TestThirtyOneReplicas(t *testing.T) {
	t.Parallel()
	y := newYard(t, "--cancel-grace", "2s")
	y.mustRun("jobs", "submit", "training", "premium", "--scale-tier", "premium-1", "--package-path", gangPackage(t), "--module-name", "trainer.task", "--job-dir", "gs://trainyard-default/premium", "--",
		"--primary=chief", `--cluster={"master": 1, "worker": 19, "ps": 11}`)
	if j := y.ended("local", "premium"); j.State != "SUCCEEDED" {
		t.Fatalf("premium: %s %s", j.State, j.ErrorMessage)
	}
	replicas := []string{"master 0"}
	for i := range 19 {
		replicas = append(replicas, fmt.Sprintf("worker %d", i))
	}
	for i := range 11 {
		replicas = append(replicas, fmt.Sprintf("ps %d", i))
	}
	y.met("local", "premium", replicas...)
}

// TestAServerKilledWhileAGangGetsReady: agents go on without it, and the next
// one finds a gang that is whole.
func TestAServerKilledWhileAGangGetsReady(t *testing.T) {
	t.Parallel()
	y := newYard(t, "--cancel-grace", "2s")
	marks, dir := y.marks(), t.TempDir()
	// The build calls here, and goes on when it is answered.
	calls, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer calls.Close()
	write(t, filepath.Join(dir, "setup.py"), fmt.Sprintf(`
import socket, sys
from setuptools import setup
if "bdist_wheel" in sys.argv:  # in the job, where one replica builds for all
    socket.create_connection(("127.0.0.1", %d)).recv(1)
setup(name="trainer", version="1.0", packages=["trainer"])
`, calls.Addr().(*net.TCPAddr).Port))
	write(t, filepath.Join(dir, "trainer", "__init__.py"), "")
	write(t, filepath.Join(dir, "trainer", "task.py"), fmt.Sprintf(`
import json, os, time
task = json.loads(os.environ["CLUSTER_SPEC"])["task"]
with open(%[1]q + "/ran", "a") as f:
    f.write("%%s-%%d\n" %% (task["type"], task["index"]))
while task["type"] == "master" and len(open(%[1]q + "/ran").readlines()) < 4:
    time.sleep(0.02)
`, marks))
	y.mustRun("jobs", "submit", "training", "killed", "--package-path", filepath.Join(dir, "trainer"), "--module-name", "trainer.task",
		"--scale-tier", "custom", "--master-machine-type", "n1-standard-4", "--worker-machine-type", "n1-standard-4", "--worker-count", "3")
	if err := calls.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	building, err := calls.Accept()
	if err != nil {
		t.Fatalf("no replica builds the package: %v", err)
	}
	defer building.Close()
	y.kill()
	if _, err := building.Write([]byte("!")); err != nil {
		t.Fatal(err)
	}
	y.start()
	if j := y.ended("local", "killed"); j.State != "SUCCEEDED" {
		t.Fatalf("%s %s", j.State, j.ErrorMessage)
	}
	b, err := os.ReadFile(filepath.Join(marks, "ran"))
	ran := strings.Fields(string(b))
	slices.Sort(ran)
	if err != nil || !slices.Equal(ran, []string{"master-0", "worker-0", "worker-1", "worker-2"}) {
		t.Errorf("there ran %v, %v", ran, err)
	}
}
