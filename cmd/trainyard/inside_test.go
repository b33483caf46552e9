package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// waitingProgram tells its way to the server and waits.
const waitingProgram = `
import os, sys, time
with open(os.path.join(sys.argv[1], "way.new"), "w") as f:
    f.write("%s %s" % (os.environ["TRAINYARD_ENDPOINT"], os.environ["GOOGLE_AUTH_TOKEN_FOR_TESTING"]))
os.rename(os.path.join(sys.argv[1], "way.new"), os.path.join(sys.argv[1], "way"))
with open(os.path.join(sys.argv[1], "mark"), "a") as f:
    f.write("%d %d\n" % (os.getpid(), os.getppid()))
while not os.path.exists(os.path.join(sys.argv[1], "finish")):
    time.sleep(0.02)
`

// call asks with a bearer token, or with none.
func call(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestAProgramReachesItsProjectOnly asks on every wire by a job's relay and
// with its token, before and after the server is killed and when the job has
// ended, of a server without a token and of one with.
func TestAProgramReachesItsProjectOnly(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "the-servers-own"} {
		t.Run("token "+fmt.Sprint(secret != ""), func(t *testing.T) {
			t.Parallel()
			reachesItsProjectOnly(t, secret)
		})
	}
}

func reachesItsProjectOnly(t *testing.T, secret string) {
	var token []string
	if secret != "" {
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, secret)
		token = []string{"--token-file", file}
	}
	y := newYard(t, append([]string{"--max-parallel-jobs", "4"}, token...)...)
	run := func(args ...string) {
		t.Helper()
		y.mustRun(append(slices.Clone(token), args...)...)
	}
	marks := y.marks()
	source := filepath.Join(t.TempDir(), "app", "waiting")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), waitingProgram)
	submit := func(project, id string) {
		t.Helper()
		run("jobs", "submit", "training", id, "--project", project, "--package-path", source, "--module-name", "waiting.task", "--", filepath.Join(marks, project))
	}
	for _, project := range []string{"mine", "theirs"} {
		if err := os.Mkdir(filepath.Join(marks, project), 0o700); err != nil {
			t.Fatal(err)
		}
		run("storage", "buckets", "create", "gs://"+project+"-box", "--project", project)
		if code, body := call(t, "POST", y.url()+"/upload/storage/v1/b/"+project+"-box/o?uploadType=media&name=x", secret, "x"); code != 200 {
			t.Fatalf("%d %s", code, body)
		}
		submit(project, "j_"+project)
		y.marked(filepath.Join(marks, project), "mark", 1)
	}
	b, err := os.ReadFile(filepath.Join(marks, "mine", "way"))
	if err != nil {
		t.Fatal(err)
	}
	relay, jobs, _ := strings.Cut(string(b), " ")

	type request struct {
		method, path, body string
		code               int
	}
	requests := []request{
		{"GET", "/storage/v1/b/mine-box/o/x?alt=media", "", 200},
		{"GET", "/storage/v1/b/theirs-box/o/x?alt=media", "", 403},
		{"GET", "/theirs-box/x", "", 403},
		{"PUT", "/theirs-box/y", "y", 403},
		{"GET", "/storage/v1/b/theirs-box", "", 403},
		{"GET", "/storage/v1/b?project=mine", "", 200},
		{"GET", "/storage/v1/b?project=theirs", "", 403},
		{"POST", "/storage/v1/b/theirs-box/o/x/rewriteTo/b/mine-box/o/stolen", "{}", 403},
		{"POST", "/upload/storage/v1/b/theirs-box/o?uploadType=resumable&name=y", "", 403},
		{"POST", "/upload/storage/v1/b/trainyard-default/o?uploadType=media&name=y", "of all", 200},
		{"GET", "/v1/projects/mine/jobs", "", 200},
		{"GET", "/v1/projects/mine/jobs/j_mine", "", 200},
		{"GET", "/v1/projects/theirs/jobs", "", 403},
		{"GET", "/v1/projects/theirs/jobs/j_theirs", "", 403},
		{"POST", "/v1/projects/theirs/jobs/j_theirs:cancel", "{}", 403},
		{"PATCH", "/v1/projects/theirs/jobs/j_theirs?updateMask=labels", `{"labels":{"a":"b"}}`, 403},
		{"GET", "/v1/projects/theirs/jobs/j_theirs:timeline", "", 403},
		{"GET", "/v1/projects/theirs/jobs/j_theirs:follow", "", 403},
		{"POST", "/v2/entries:list", `{"resourceNames":["projects/mine"]}`, 200},
		{"POST", "/v2/entries:list", `{"resourceNames":["projects/mine","projects/theirs"]}`, 403},
	}
	check := func(when, base, token string, want func(request) int) {
		t.Helper()
		for _, r := range requests {
			if code, body := call(t, r.method, base+r.path, token, r.body); code != want(r) {
				t.Errorf("%s: %s %s = %d %s, want %d", when, r.method, r.path, code, body, want(r))
			}
		}
	}
	as := func(r request) int { return r.code }
	check("by the relay", relay, "", as)
	check("by the relay with another token", relay, "somebody-elses", as)
	check("with the job's token", y.url(), jobs, as)
	y.kill()
	y.start()
	check("after a restart", y.url(), jobs, as)
	check("by the relay after a restart", relay, "", as)
	if code, body := call(t, "GET", y.url()+"/v1/projects/theirs/jobs/j_theirs", secret, ""); code != 200 || strings.Contains(body, "CANCEL") || strings.Contains(body, `"a"`) {
		t.Errorf("the other project's job: %d %s", code, body)
	}

	// What a job needs is known before it is accepted.
	lost := append(slices.Clone(token), "jobs", "submit", "training", "lost", "--project", "mine", "--package-path", source, "--module-name", "waiting.task", "--job-dir", "gs://theirs-box/out")
	if _, stderr, err := y.run(lost...); err == nil || !strings.Contains(stderr, "bucket theirs-box belongs to project theirs") {
		t.Errorf("a job-dir of another project: %v %s", err, stderr)
	}

	write(t, filepath.Join(marks, "mine", "finish"), "")
	run("jobs", "wait", "j_mine", "--project", "mine")
	check("when the job has ended", y.url(), jobs, func(request) int { return 401 })
}

// uploadingProgram sends what TensorFlow sends for a file that it writes to
// gs://, and is in the middle of it when the server dies.
const uploadingProgram = `
import json, os, socket, ssl, sys, time, urllib.parse
marks = sys.argv[1]
bucket = "trainyard-default"
body = os.urandom(1 << 20) * 8
proxy = urllib.parse.urlsplit(os.environ["https_proxy"])

def tell(name):
    with open(os.path.join(marks, name), "a") as f:
        f.write("%d %d\n" % (os.getpid(), os.getppid()))

class Host:
    """A connection as libcurl makes it."""
    def __init__(self, name):
        self.name = name
        s = socket.create_connection((proxy.hostname, proxy.port))
        s.sendall(b"CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n" % (name.encode(), name.encode()))
        assert b" 200 " in s.recv(4096)
        self.s = ssl.create_default_context().wrap_socket(s, server_hostname=name)
        self.f = self.s.makefile("rb")

    def head(self, method, path, length, headers=()):
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + self.name, "Transfer-Encoding: identity",
                 "Authorization: Bearer " + os.environ["GOOGLE_AUTH_TOKEN_FOR_TESTING"]]
        if length is not None:
            lines.append("Content-Length: %d" % length)
        self.s.sendall(("\r\n".join(lines + list(headers)) + "\r\n\r\n").encode())

    def answer(self):
        status = int(self.f.readline().split()[1])
        headers = {}
        while True:
            line = self.f.readline().decode().strip()
            if not line:
                break
            k, _, v = line.partition(":")
            headers[k.lower()] = v.strip()
        return status, headers, self.f.read(int(headers.get("content-length", 0)))

api = Host("www.googleapis.com")
api.head("POST", "/upload/storage/v1/b/%s/o?uploadType=resumable&name=model" % bucket, 0, ["X-Upload-Content-Length: %d" % len(body)])
status, headers, text = api.answer()
assert status == 200, (status, text)
session = urllib.parse.urlsplit(headers["location"])
assert session.netloc == "www.googleapis.com", headers
session = session.path + "?" + session.query

half = len(body) // 2
api.head("PUT", session, len(body), ["Content-Range: bytes 0-%d/%d" % (len(body) - 1, len(body))])
api.s.sendall(body[:half])
tell("half")
while not os.path.exists(os.path.join(marks, "killed")):
    time.sleep(0.02)
try:
    api.s.sendall(body[half:])
    status, _, text = api.answer()
except (OSError, IndexError) as e:
    status, text = 0, str(e)
print("the cut upload was answered with %s" % (status or text))
assert status in (0, 503), (status, text)

tell("asking")  # the server is away still
api = Host("www.googleapis.com")
api.head("PUT", session, 0, ["Content-Range: bytes */%d" % len(body)])
status, headers, text = api.answer()
assert status == 308, (status, text)
there = int(headers["range"].split("-")[1]) + 1 if "range" in headers else 0
print("%d bytes are there" % there)
api.head("PUT", session, len(body) - there, ["Content-Range: bytes %d-%d/%d" % (there, len(body) - 1, len(body))])
api.s.sendall(body[there:])
status, _, text = api.answer()
assert status == 200 and int(json.loads(text)["size"]) == len(body), (status, text)

data = Host("storage.googleapis.com")
data.head("GET", "/%s/model" % bucket, None, ["Range: bytes=1-%d" % (16 << 20)])
status, _, text = data.answer()
assert status == 206 and text == body[1:], (status, len(text))
for method, path, want in [
    ("GET", "/storage/v1/b/%s/o/model?fields=size%%2Cgeneration%%2Cupdated" % bucket, 200),
    ("POST", "/storage/v1/b/%s/o/model/rewriteTo/b/%s/o/renamed" % (bucket, bucket), 200),
    ("DELETE", "/storage/v1/b/%s/o/model" % bucket, 204),
]:
    api.head(method, path, 0 if method == "POST" else None)
    status, _, text = api.answer()
    assert status == want, (method, path, status, text)
print("all is there")
`

// TestAWriteGoesOnWhenTheServerWasKilled: what a program has half written to
// gs:// is whole in the end, though the server died and came back meanwhile.
func TestAWriteGoesOnWhenTheServerWasKilled(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	marks := y.marks()
	source := filepath.Join(t.TempDir(), "app", "uploading")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), uploadingProgram)
	y.mustRun("jobs", "submit", "training", "writes", "--package-path", source, "--module-name", "uploading.task", "--", marks)
	y.marked(marks, "half", 1)
	y.kill()
	write(t, filepath.Join(marks, "killed"), "")
	y.marked(marks, "asking", 1)
	y.start()
	if j := y.ended("local", "writes"); j.State != "SUCCEEDED" {
		t.Errorf("%s: %s", j.State, j.ErrorMessage)
	}
	if got := y.mustRun("storage", "ls", "-l", "gs://trainyard-default/renamed"); !strings.Contains(got, "8388608") {
		t.Errorf("the object is %s", got)
	}
}

// TestACancelledProgramCanStillSave: the token is good until the program has
// ended, whatever is wished of the job.
func TestACancelledProgramCanStillSave(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	marks := y.marks()
	source := filepath.Join(t.TempDir(), "app", "saving")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), `
import os, signal, sys, urllib.request
def save(*_):
    url = "https://storage.googleapis.com/upload/storage/v1/b/trainyard-default/o?uploadType=media&name=saved"
    urllib.request.urlopen(urllib.request.Request(url, data=b"at the last moment\n", method="POST"))
    sys.exit(1)
signal.signal(signal.SIGTERM, save)
with open(os.path.join(sys.argv[1], "mark"), "a") as f:
    f.write("%d %d\n" % (os.getpid(), os.getppid()))
while True:
    signal.pause()
`)
	y.mustRun("jobs", "submit", "training", "saves", "--package-path", source, "--module-name", "saving.task", "--", marks)
	y.marked(marks, "mark", 1)
	y.mustRun("jobs", "cancel", "saves")
	if j := y.ended("local", "saves"); j.State != "CANCELLED" {
		t.Errorf("%s: %s", j.State, j.ErrorMessage)
	}
	if got := y.mustRun("storage", "cat", "gs://trainyard-default/saved"); got != "at the last moment\n" {
		t.Errorf("it saved %q", got)
	}
}

// TestRealCommandsOfGoogleWorkInAJob: gsutil and gcloud, unmodified, called by
// a program without credentials.
func TestRealCommandsOfGoogleWorkInAJob(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"/usr/bin/gsutil", "/usr/bin/gcloud"} {
		if _, err := os.Stat(name); err != nil {
			t.Skipf("SKIPPED: no %s: programs of jobs look for it there", name)
		}
	}
	y := newYard(t)
	source := filepath.Join(t.TempDir(), "app", "calling")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), `
import os, subprocess
def out(*args):
    return subprocess.check_output(args).decode()
assert out("which", "gsutil").strip() == "/usr/bin/gsutil"
with open("file", "w") as f:
    f.write("by gsutil")
subprocess.check_call(["gsutil", "cp", "file", "gs://trainyard-default/file"])
assert out("gsutil", "cat", "gs://trainyard-default/file") == "by gsutil"
assert out("gcloud", "storage", "cat", "gs://trainyard-default/file") == "by gsutil"
subprocess.check_call(["gcloud", "storage", "cp", "file", "gs://trainyard-default/again"])
jobs = out("gcloud", "ai-platform", "jobs", "list", "--format=value(jobId)").split()
assert jobs == [os.environ["CLOUD_ML_JOB_ID"]], jobs
print("all commands are done")
`)
	y.mustRun("jobs", "submit", "training", "calls", "--package-path", source, "--module-name", "calling.task")
	if j := y.ended("local", "calls"); j.State != "SUCCEEDED" {
		t.Errorf("%s: %s", j.State, j.ErrorMessage)
	}
	if got := y.mustRun("storage", "cat", "gs://trainyard-default/again"); got != "by gsutil" {
		t.Errorf("gcloud wrote %q", got)
	}
}
