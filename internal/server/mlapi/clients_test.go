package mlapi_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/ml/v1"
	"google.golang.org/api/option"

	"github.com/trainyard/trainyard/internal/job"
)

func TestGooglesGoClientRunsAJobsLife(t *testing.T) {
	m, base := start(t)
	s, err := ml.NewService(t.Context(), option.WithEndpoint(base), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	jobs := s.Projects.Jobs
	in := &ml.GoogleCloudMlV1__TrainingInput{PackageUris: []string{"gs://bucket/p.tar.gz"}, PythonModule: "trainer.task", Region: "us-central1",
		ScaleTier: "CUSTOM", MasterType: "n1-standard-4", Scheduling: &ml.GoogleCloudMlV1__Scheduling{MaxRunningTime: "7200s", Priority: 5}}
	made, err := jobs.Create("projects/demo", &ml.GoogleCloudMlV1__Job{JobId: "go_1", TrainingInput: in, Labels: map[string]string{"a": "b"}}).Do()
	if err != nil {
		t.Fatal(err)
	}
	if made.State != "QUEUED" || made.TrainingInput.Scheduling.Priority != 5 || made.Labels["a"] != "b" || made.CreateTime == "" {
		t.Errorf("create gives %+v", made)
	}
	if spec := m.jobs[0].Spec; spec.Priority != 5 || spec.Groups[0].Need.CPUs != 4 {
		t.Errorf("the specification is %+v", spec)
	}
	if _, err := jobs.Patch("projects/demo/jobs/go_1", &ml.GoogleCloudMlV1__Job{Labels: map[string]string{"c": "d"}, Etag: made.Etag}).UpdateMask("labels,etag").Do(); err != nil {
		t.Error(err)
	}
	if _, err := jobs.Cancel("projects/demo/jobs/go_1", &ml.GoogleCloudMlV1__CancelJobRequest{}).Do(); err != nil {
		t.Error(err)
	}
	m.change(t, "go_1", func(j *job.Job) { j.State, j.Ended = job.Cancelled, epoch })
	got, err := jobs.Get("projects/demo/jobs/go_1").Do()
	if err != nil || got.State != "CANCELLED" || got.Labels["c"] != "d" {
		t.Errorf("get gives %+v, %v", got, err)
	}
	n := 0
	if err := jobs.List("projects/demo").Filter("jobId:go*").Pages(t.Context(), func(p *ml.GoogleCloudMlV1__ListJobsResponse) error { n += len(p.Jobs); return nil }); err != nil || n != 1 {
		t.Errorf("list gives %d jobs, %v", n, err)
	}
	_, err = jobs.Get("projects/demo/jobs/nope").Do()
	if e, ok := errors.AsType[*googleapi.Error](err); !ok || e.Code != 404 || len(e.Details) == 0 {
		t.Errorf("a missing job gives %v", err)
	}
}

const pythonLife = `
import sys
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from google.auth.credentials import AnonymousCredentials
base = sys.argv[1]
creds = AnonymousCredentials()
for name, ml in (
    ("py_fetched", build("ml", "v1", discoveryServiceUrl=base + "/$discovery/rest?version=v1", static_discovery=False, credentials=creds)),
    ("py_v1", build("ml", "v1", discoveryServiceUrl=base + "/discovery/v1/apis/{api}/{apiVersion}/rest", static_discovery=False, credentials=creds)),
    ("py_static", build("ml", "v1", client_options={"api_endpoint": base}, static_discovery=True, credentials=creds)),
):
    jobs = ml.projects().jobs()
    body = {"job_id": name, "trainingInput": {"scaleTier": "BASIC", "useChiefInTfConfig": "True", "region": "us-central1",
            "packageUris": ["gs://bucket/p.tar.gz"], "python_module": "trainer.task", "args": ["--epochs", "3"]}}
    made = jobs.create(parent="projects/demo", body=body).execute()
    assert made["state"] == "QUEUED" and made["trainingInput"]["useChiefInTfConfig"] is True, made
    made = jobs.patch(name="projects/demo/jobs/" + name, body={"labels": {"x": "y"}}, updateMask="labels").execute()
    assert made["labels"] == {"x": "y"}, made
    assert jobs.cancel(name="projects/demo/jobs/" + name, body={}).execute() == {}
    assert jobs.get(name="projects/demo/jobs/" + name).execute()["state"] == "CANCELLING"
    req, seen = jobs.list(parent="projects/demo", pageSize=1), []
    while req is not None:
        page = req.execute()
        seen += [j["jobId"] for j in page.get("jobs", [])]
        req = jobs.list_next(req, page)
    assert seen[0] == name, seen
    try:
        jobs.create(parent="projects/demo", body=body).execute()
        raise SystemExit("a second create went through")
    except HttpError as e:
        assert e.resp.status == 409 and "A job with this id already exists." in str(e), e
    try:
        jobs.create(parent="projects/demo", body={"jobId": "x", "trainingInput": {"regoin": "x"}}).execute()
        raise SystemExit("an unknown name went through")
    except HttpError as e:
        assert e.resp.status == 400 and "Cannot find field" in str(e), e
    assert ml.projects().locations().list(parent="projects/demo").execute()["locations"]
print("ok")
`

func TestGooglesPythonClientRunsAJobsLife(t *testing.T) {
	python := os.Getenv("TRAINYARD_TEST_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: TRAINYARD_TEST_PYTHON names no interpreter with google-api-python-client")
	}
	_, base := start(t)
	out, err := exec.CommandContext(t.Context(), python, "-c", pythonLife, base).CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUnmodifiedGcloudRunsAJobsLife(t *testing.T) {
	gcloud := os.Getenv("GCLOUD")
	if gcloud == "" {
		var err error
		if gcloud, err = exec.LookPath("gcloud"); err != nil {
			t.Skip("SKIPPED: there is no gcloud on PATH and GCLOUD names none")
		}
	}
	if v, err := exec.CommandContext(t.Context(), gcloud, "version", "--format=value(\"Google Cloud SDK\")").Output(); err == nil {
		t.Logf("gcloud %s at %s", strings.TrimSpace(string(v)), gcloud)
	}
	m, base := start(t)
	env := append(os.Environ(), "CLOUDSDK_CONFIG="+t.TempDir(), "CLOUDSDK_CORE_PROJECT=demo", "CLOUDSDK_CORE_DISABLE_PROMPTS=1",
		"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true",
		"CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true", "CLOUDSDK_API_ENDPOINT_OVERRIDES_ML="+base+"/")
	run := func(args ...string) (stdout, stderr string, code int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), gcloud, append([]string{"ai-platform", "jobs"}, args...)...)
		cmd.Env, cmd.Dir = env, t.TempDir()
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	check := func(stdout, stderr string, args ...string) {
		t.Helper()
		out, errs, code := run(args...)
		if code != 0 || !strings.Contains(out, stdout) || !strings.Contains(errs, stderr) {
			t.Errorf("gcloud ai-platform jobs %s exits %d\nstdout: %s\nstderr: %s\nwant %q and %q", strings.Join(args, " "), code, out, errs, stdout, stderr)
		}
	}
	refuse := func(stderr string, args ...string) {
		t.Helper()
		if out, errs, code := run(args...); code != 1 || !strings.Contains(errs, stderr) {
			t.Errorf("gcloud ai-platform jobs %s exits %d\nstdout: %s\nstderr: %s\nwant %q", strings.Join(args, " "), code, out, errs, stderr)
		}
	}
	submit := []string{"--packages=gs://bucket/p.tar.gz", "--module-name=trainer.task", "--region=us-central1"}
	check("jobId: gc_1\nstate: QUEUED\n", "Job [gc_1] submitted successfully.",
		append([]string{"submit", "training", "gc_1", "--labels=a=b", "--job-dir=gs://bucket/out"}, append(submit, "--", "--epochs=3")...)...)
	if got := m.jobs[0]; got.JobDir == "" || len(got.Args) != 1 {
		t.Errorf("the job is %+v", got.Spec)
	}
	refuse("Field: job.job_id Error: A job with this id already exists.", append([]string{"submit", "training", "gc_1"}, submit...)...)
	refuse("The provided GCE region 'mars' is not available. Options are [europe-west1, us-central1].", "submit", "training", "gc_2", submit[0], submit[1], "--region=mars")
	check("jobId: gc_1\n", "", "describe", "gc_1")
	check("gc_1", "", "list")
	check("", "", "update", "gc_1", "--update-labels=c=d")
	if l := m.jobs[0].Labels; l["a"] != "b" || l["c"] != "d" {
		t.Errorf("after update the labels are %v", l)
	}
	check("", "", "cancel", "gc_1")
	if m.jobs[0].Cancel == nil {
		t.Error("the cancel did not arrive")
	}
	refuse("NOT_FOUND", "describe", "nope")
}
