package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	ml "google.golang.org/api/ml/v1"
)

// gcloud runs Google's own command line, unmodified, against the server.
func (y *yard) gcloud(args ...string) (stdout, stderr string, err error) {
	y.t.Helper()
	path := os.Getenv("GCLOUD")
	if path == "" {
		path, _ = exec.LookPath("gcloud")
	}
	if path == "" {
		y.t.Skip("SKIPPED: there is no gcloud on PATH and GCLOUD is not set")
	}
	cmd := exec.CommandContext(y.t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "CLOUDSDK_CONFIG="+y.dir+"-gcloud", "CLOUDSDK_CORE_PROJECT=demo", "CLOUDSDK_CORE_DISABLE_PROMPTS=1",
		"CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true", "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML="+y.url()+"/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="+y.url()+"/storage/v1/", "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING="+y.url()+"/",
		"CLOUDSDK_ML_ENGINE_POLLING_INTERVAL=1")
	cmd.Env = append(cmd.Env, y.gcloudEnv...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

func (y *yard) mustGcloud(args ...string) (stdout, stderr string) {
	y.t.Helper()
	stdout, stderr, err := y.gcloud(args...)
	if err != nil {
		y.t.Fatalf("gcloud %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout, stderr
}

// noSetup is the example package that has no setup.py.
func noSetup(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/no-setup")); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "trainer")
}

const patientProgram = "import sys, time\nprint('waiting', flush=True)\nwhile True:\n    time.sleep(0.05)\n"

func TestUnmodifiedGcloudRunsTheWholeLifeOfAJob(t *testing.T) {
	t.Parallel()
	y := newYard(t, "--max-parallel-jobs", "4")
	version, _ := y.mustGcloud("--version")
	t.Logf("gcloud: %s", strings.SplitN(version, "\n", 2)[0])
	y.mustGcloud("storage", "buckets", "create", "gs://my-bucket")

	// gcloud's generated setup.py drops sub-packages, so this program is one
	// file.
	pkg := filepath.Join(t.TempDir(), "trainer")
	write(t, filepath.Join(pkg, "__init__.py"), "")
	write(t, filepath.Join(pkg, "task.py"), "import sys\nprint('hello from', sys.argv[1:])\nprint('to stderr', file=sys.stderr)\n")
	stdout, stderr := y.mustGcloud("ai-platform", "jobs", "submit", "training", "g1", "--package-path", pkg, "--module-name", "trainer.task",
		"--staging-bucket", "gs://my-bucket", "--job-dir", "gs://my-bucket/g1", "--region", "us-central1", "--labels", "team=a", "--stream-logs", "--", "--epochs=2")
	for _, want := range []string{
		"Job [g1] submitted successfully.",
		"\tservice\t\tJob g1 is queued.",
		"\tmaster-replica-0\t\thello from ['--epochs=2', '--job-dir', 'gs://my-bucket/g1']",
		"\tservice\t\tJob completed successfully.",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("submit --stream-logs does not say %q:\n%s", want, stderr)
		}
	}
	if !regexp.MustCompile(`(?m)^ERROR\t.*\tto stderr$`).MatchString(stderr) {
		t.Errorf("a line on standard error is not of severity ERROR:\n%s", stderr)
	}
	if !strings.Contains(stdout, "state: SUCCEEDED") || !strings.Contains(stdout, "jobId: g1") {
		t.Errorf("submit printed %q", stdout)
	}

	if stdout, _ = y.mustGcloud("ai-platform", "jobs", "describe", "g1"); !strings.Contains(stdout, "pythonModule: trainer.task") || !strings.Contains(stdout, "team: a") || !strings.Contains(stdout, "endTime:") {
		t.Errorf("describe printed %s", stdout)
	}
	if stdout, _ = y.mustGcloud("ai-platform", "jobs", "list"); !regexp.MustCompile(`(?m)^g1 +SUCCEEDED +20`).MatchString(stdout) {
		t.Errorf("list printed %s", stdout)
	}
	if _, stderr = y.mustGcloud("ai-platform", "jobs", "update", "g1", "--update-labels", "team=b,x=1"); !strings.Contains(stderr, "Updated ml engine job [g1].") {
		t.Errorf("update said %s", stderr)
	}
	if stdout, _ = y.mustGcloud("ai-platform", "jobs", "describe", "g1", "--format", "value(labels.team)"); strings.TrimSpace(stdout) != "b" {
		t.Errorf("the label is %q after the update", stdout)
	}
	if stdout, _ = y.mustGcloud("ai-platform", "jobs", "stream-logs", "g1", "--polling-interval", "1"); strings.Count(stdout, "hello from") != 1 {
		t.Errorf("stream-logs printed %s", stdout)
	}

	// A program that is quiet for long, says something and ends at once: gcloud
	// shows its last words.
	write(t, filepath.Join(pkg, "task.py"), "import time\nprint('first words', flush=True)\ntime.sleep(12)\nprint('last words', flush=True)\n")
	_, stderr = y.mustGcloud("ai-platform", "jobs", "submit", "training", "g4", "--package-path", pkg, "--module-name", "trainer.task", "--staging-bucket", "gs://my-bucket", "--region", "us-central1", "--stream-logs")
	if !strings.Contains(stderr, "first words") || !strings.Contains(stderr, "last words") || !strings.Contains(stderr, "Job completed successfully.") {
		t.Errorf("the stream does not end with the last words:\n%s", stderr)
	}

	write(t, filepath.Join(pkg, "task.py"), patientProgram)
	y.mustGcloud("ai-platform", "jobs", "submit", "training", "g2", "--package-path", pkg, "--module-name", "trainer.task", "--staging-bucket", "gs://my-bucket", "--region", "us-central1")
	y.running("demo", "g2")
	// One that runs waits for nothing, and nobody says that it does.
	if _, stderr, err := y.run("jobs", "describe", "g2", "--timeline", "--project", "demo"); err != nil || stderr != "" {
		t.Errorf("describe --timeline of a job that runs: %v, and it says %q", err, stderr)
	}
	y.mustGcloud("ai-platform", "jobs", "cancel", "g2")
	if j := y.ended("demo", "g2"); j.State != "CANCELLED" || j.ErrorMessage == "" {
		t.Errorf("after the cancel: %s %q", j.State, j.ErrorMessage)
	}
	y.mustGcloud("ai-platform", "jobs", "cancel", "g2")

	write(t, filepath.Join(pkg, "task.py"), "import trainer.missing\n")
	_, stderr, err := y.gcloud("ai-platform", "jobs", "submit", "training", "g3", "--package-path", pkg, "--module-name", "trainer.task", "--staging-bucket", "gs://my-bucket", "--region", "us-central1", "--stream-logs")
	if err == nil {
		t.Errorf("a failed job is reported as a success:\n%s", stderr)
	}
	if m := y.ended("demo", "g3").ErrorMessage; !strings.HasPrefix(m, "The replica master 0 exited with a non-zero status of 1.") || !strings.Contains(m, "Traceback (most recent call last)") || !strings.Contains(m, "trainer.missing") {
		t.Errorf("errorMessage = %s", m)
	}

	for _, tt := range []struct{ name, want string }{
		{"g1", "A job with this id already exists."},
		{"no-dashes", "Field: job.job_id"},
	} {
		_, stderr, err := y.gcloud("ai-platform", "jobs", "submit", "training", tt.name, "--package-path", pkg, "--module-name", "trainer.task", "--staging-bucket", "gs://my-bucket", "--region", "us-central1")
		if err == nil || !strings.Contains(stderr, tt.want) {
			t.Errorf("submit of %s: %v %s, want %q", tt.name, err, stderr, tt.want)
		}
	}
	if _, stderr, err := y.gcloud("ai-platform", "jobs", "submit", "training", "g9", "--package-path", pkg, "--module-name", "trainer.task", "--staging-bucket", "gs://not-there", "--region", "us-central1"); err == nil || !strings.Contains(stderr, "[not-there] bucket does not exist") {
		t.Errorf("a missing bucket: %v %s", err, stderr)
	}
	if _, stderr, err := y.gcloud("ai-platform", "jobs", "describe", "never"); err == nil || !strings.Contains(stderr, "NOT_FOUND") {
		t.Errorf("describe of a job that is not there: %v %s", err, stderr)
	}
	begin := time.Now()
	if _, stderr, err := y.gcloud("ai-platform", "models", "list", "--region=global"); err == nil || time.Since(begin) > 20*time.Second {
		t.Errorf("models list: %v after %s: %s", err, time.Since(begin), stderr)
	}
}

// running waits until a job's program runs.
func (y *yard) running(project, id string) {
	y.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		j, err := y.ml().Projects.Jobs.Get("projects/" + project + "/jobs/" + id).Do()
		if err == nil && j.State == "RUNNING" {
			return
		}
		select {
		case <-y.t.Context().Done():
			y.t.FailNow()
		case <-time.After(20 * time.Millisecond):
		}
	}
	y.t.Fatalf("job %s does not run", id)
}

const pythonLife = `
import sys, time
from googleapiclient import discovery, http
from google.cloud import storage
from google.auth.credentials import AnonymousCredentials
endpoint, archive = sys.argv[1], sys.argv[2]
bucket = storage.Client(project="demo", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}).create_bucket("from-python")
bucket.blob("p/trainer-0.0.0.tar.gz").upload_from_filename(archive)
ml = discovery.build("ml", "v1", static_discovery=True, credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint})
jobs = ml.projects().jobs()
made = jobs.create(parent="projects/demo", body={"jobId": "py1", "trainingInput": {
    "scaleTier": "BASIC", "region": "us-central1", "packageUris": ["gs://from-python/p/trainer-0.0.0.tar.gz"],
    "pythonModule": "trainer.task", "args": ["--epochs", "2"], "jobDir": "gs://from-python/out"}}).execute()
assert made["state"] == "QUEUED", made
while True:
    job = jobs.get(name="projects/demo/jobs/py1").execute()
    if "endTime" in job:
        break
    time.sleep(0.1)
assert job["state"] == "SUCCEEDED", job
assert [j["jobId"] for j in jobs.list(parent="projects/demo", filter="jobId:py* AND state:SUCCEEDED").execute()["jobs"]] == ["py1"]
patched = jobs.patch(name="projects/demo/jobs/py1", updateMask="labels", body={"labels": {"a": "b"}}).execute()
assert patched["labels"] == {"a": "b"}, patched
assert jobs.cancel(name="projects/demo/jobs/py1", body={}).execute() == {}
# A filter so long that the client sends it as the body of a POST.
long = " OR ".join(["jobId:py1"] + ["jobId:nobody_%04d" % i for i in range(200)])
assert [j["jobId"] for j in jobs.list(parent="projects/demo", filter=long).execute()["jobs"]] == ["py1"]
answers = {}
batch = http.BatchHttpRequest(batch_uri=endpoint + "/batch", callback=lambda id, answer, error: answers.update({id: error and error.resp.status or answer}))
batch.add(jobs.get(name="projects/demo/jobs/py1"), request_id="get")
batch.add(jobs.get(name="projects/demo/jobs/none"), request_id="none")
batch.add(jobs.patch(name="projects/demo/jobs/py1", updateMask="labels", body={"labels": {"c": "d"}}), request_id="patch")
batch.execute()
assert answers["get"]["jobId"] == "py1" and answers["none"] == 404 and answers["patch"]["labels"] == {"c": "d"}, answers
print("fine")
`

// archive packs the example without setup.py as our command line does.
func (y *yard) archive() string {
	y.t.Helper()
	y.mustRun("storage", "buckets", "create", "gs://archives")
	y.mustRun("jobs", "submit", "training", "packing", "--package-path", noSetup(y.t), "--module-name", "trainer.task", "--staging-bucket", "gs://archives", "--", "--epochs=1")
	j := y.ended("local", "packing")
	if j.State != "SUCCEEDED" {
		y.t.Fatalf("the example: %s %s", j.State, j.ErrorMessage)
	}
	path := filepath.Join(y.t.TempDir(), "trainer-0.0.0.tar.gz")
	y.mustRun("storage", "cp", j.TrainingInput.PackageUris[0], path)
	return path
}

func TestGooglesPythonClientsRunAJob(t *testing.T) {
	t.Parallel()
	python := os.Getenv("TRAINYARD_TEST_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: TRAINYARD_TEST_PYTHON is not set; make test sets it")
	}
	y := newYard(t)
	out, err := exec.CommandContext(t.Context(), python, "-c", pythonLife, y.url(), y.archive()).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "fine" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestGooglesGoClientRunsAJob(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	body, err := os.ReadFile(y.archive())
	if err != nil {
		t.Fatal(err)
	}
	y.upload("archives", "trainer-0.0.0.tar.gz", body)
	jobs := y.ml().Projects.Jobs
	doc := &ml.GoogleCloudMlV1__Job{JobId: "go1", TrainingInput: &ml.GoogleCloudMlV1__TrainingInput{
		Region: "us-central1", PackageUris: []string{"gs://archives/trainer-0.0.0.tar.gz"}, PythonModule: "trainer.task", Args: []string{"--epochs=1"}}}
	if j, err := jobs.Create("projects/p1", doc).Do(); err != nil || j.State != "QUEUED" || j.Etag == "" {
		t.Fatalf("create: %+v, %v", j, err)
	}
	if _, err := jobs.Create("projects/p1", doc).Do(); status(err) != 409 {
		t.Errorf("the same again: %v, want 409", err)
	}
	if j := y.ended("p1", "go1"); j.State != "SUCCEEDED" {
		t.Errorf("job: %s %s", j.State, j.ErrorMessage)
	}
	if l, err := jobs.List("projects/p1").Do(); err != nil || len(l.Jobs) != 1 || l.Jobs[0].JobId != "go1" {
		t.Errorf("list: %+v, %v", l, err)
	}
	if _, err := jobs.Cancel("projects/p1/jobs/go1", &ml.GoogleCloudMlV1__CancelJobRequest{}).Do(); err != nil {
		t.Errorf("cancel of a job that has ended: %v", err)
	}
	if _, err := jobs.Get("projects/p1/jobs/none").Do(); status(err) != 404 {
		t.Errorf("get of a job that is not there: %v, want 404", err)
	}
}
