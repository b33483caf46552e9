package main

import (
	"bytes"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// TestAJobLivesInABucketOfACloud stages a job in a bucket that the server's
// configuration keeps in S3, runs it, and reads what it wrote there.
func TestAJobLivesInABucketOfACloud(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "opensesame")
	backend := s3mem.New()
	if err := backend.CreateBucket("company-models"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(s3.Close)
	conf := filepath.Join(t.TempDir(), "config.yaml")
	write(t, conf, "buckets:\n  models: s3://company-models/team?endpoint="+s3.URL+"&region=us-east-1\n"+
		"  away: s3://nowhere?endpoint=http://127.0.0.1:1&region=us-east-1\n"+
		"  \"lab-*\": s3://lab-*?endpoint="+s3.URL+"&region=us-east-1\n")
	y := newYard(t, "--config-file", conf)

	pkg := filepath.Join(t.TempDir(), "trainer")
	write(t, filepath.Join(pkg, "__init__.py"), "")
	write(t, filepath.Join(pkg, "task.py"), `
import argparse, os, urllib.parse, urllib.request
parser = argparse.ArgumentParser()
parser.add_argument("--job-dir")
bucket, _, folder = parser.parse_args().job_dir[len("gs://"):].partition("/")
name = urllib.parse.quote(folder + "/model.txt", safe="")
url = os.environ["STORAGE_EMULATOR_HOST"] + "/upload/storage/v1/b/%s/o?uploadType=media&name=%s" % (bucket, name)
urllib.request.urlopen(urllib.request.Request(url, data=b"trained in the cloud", method="POST"))
`)
	y.mustRun("jobs", "submit", "training", "cloudy", "--package-path", pkg, "--module-name", "trainer.task",
		"--staging-bucket", "gs://models", "--job-dir", "s3://company-models/team/runs/1") // which is gs://models/runs/1
	if j := y.ended("local", "cloudy"); j.State != "SUCCEEDED" {
		t.Fatalf("the job is %s: %s", j.State, j.ErrorMessage)
	}
	if got := y.mustRun("storage", "cat", "gs://models/runs/1/model.txt"); got != "trained in the cloud" {
		t.Errorf("the job wrote %q", got)
	}
	o, err := backend.GetObject("company-models", "team/runs/1/model.txt", nil)
	if err != nil {
		t.Fatalf("it is not in S3: %v", err)
	}
	o.Contents.Close()
	if list := y.mustRun("storage", "ls", "gs://models/**"); !strings.Contains(list, "gs://models/cloudy/") || !strings.Contains(list, ".tar.gz") {
		t.Errorf("the package is not staged there: %s", list)
	}

	// What is large goes in parts, and comes back whole; copies from bucket to
	// bucket go between the drivers.
	big := make([]byte, 70<<20)
	for i := 0; i < len(big); i += 4096 {
		big[i] = byte(rand.Uint32())
	}
	file, back := filepath.Join(t.TempDir(), "big"), filepath.Join(t.TempDir(), "back")
	if err := os.WriteFile(file, big, 0o600); err != nil {
		t.Fatal(err)
	}
	y.mustRun("storage", "cp", file, "gs://models/big")
	y.mustRun("storage", "cp", "gs://models/big", "gs://trainyard-default/big")
	y.mustRun("storage", "buckets", "create", "gs://lab-x")
	y.mustRun("storage", "cp", "gs://trainyard-default/big", "gs://lab-x/big")
	y.mustRun("storage", "cp", "gs://lab-x/big", back)
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, big) {
		t.Errorf("the large object came back with %d bytes, %v", len(got), err)
	}

	// A place that is away is away by itself.
	_, stderr, err := y.run("storage", "cat", "gs://away/x")
	if err == nil || !strings.Contains(stderr, "gs://away") || !strings.Contains(stderr, "http://127.0.0.1:1") || !strings.Contains(stderr, "reachable") {
		t.Errorf("an unreachable place: %v, %s", err, stderr)
	}
	if list := y.mustRun("storage", "buckets", "list"); !strings.Contains(list, "away") || !strings.Contains(list, "lab-x") || !strings.Contains(list, "models") || !strings.Contains(list, "trainyard-default") {
		t.Errorf("buckets are %s", list)
	}
	// An acknowledged object is in the cloud, not on this machine.
	y.kill()
	y.start()
	if got := y.mustRun("storage", "cat", "gs://models/runs/1/model.txt"); got != "trained in the cloud" {
		t.Errorf("after a restart: %q", got)
	}
	if strings.Contains(y.out.String(), "opensesame") {
		t.Error("the server's log tells the secret")
	}
}
