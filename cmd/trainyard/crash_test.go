package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/api/googleapi"
	ml "google.golang.org/api/ml/v1"
)

// crashProgram leaves a mark for each run, prints numbered lines, and ends as
// its arguments say.
const crashProgram = `
import os, sys, time
marks, name, end = sys.argv[1], sys.argv[2], sys.argv[3]
with open(os.path.join(marks, name), "a") as f:
    f.write("%d\n" % os.getpid())
for i in range(40):
    print("line %d" % i)
    if i % 8 == 0:
        sys.stdout.flush()
        time.sleep(0.02)
sys.stdout.flush()
if end == "wait":
    while True:
        time.sleep(0.05)
sys.exit(int(end))
`

// kills is how often the server is killed: 100 in the ordinary suite, more
// where TRAINYARD_CRASH_KILLS says so.
func kills(t *testing.T) int {
	if testing.Short() {
		return 10
	}
	v := os.Getenv("TRAINYARD_CRASH_KILLS")
	if v == "" {
		return 100
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("TRAINYARD_CRASH_KILLS: %v", err)
	}
	return n
}

// TestCrashedServersLoseNothing kills the server at random moments while jobs
// are created, staged, prepared, run, logged, cancelled and finished. Every
// acknowledged job is there afterwards, ran exactly once, has every line of its
// log exactly once, and ended as it should.
func TestCrashedServersLoseNothing(t *testing.T) {
	t.Parallel()
	y := newYard(t, "--max-parallel-jobs", "6")
	marks := y.marks()
	y.mustRun("storage", "buckets", "create", "gs://crash")
	source := filepath.Join(t.TempDir(), "app", "crashing")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), crashProgram)
	y.mustRun("jobs", "submit", "training", "first", "--package-path", source, "--module-name", "crashing.task",
		"--staging-bucket", "gs://crash", "--", marks, "first", "0")
	first := y.ended("local", "first")
	if first.State != "SUCCEEDED" {
		t.Fatalf("the first job: %s %s", first.State, first.ErrorMessage)
	}
	uri := first.TrainingInput.PackageUris[0]

	type wanted struct {
		end       string
		cancelled bool
	}
	var mu sync.Mutex
	accepted := map[string]wanted{"first": {end: "0"}}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)

	// Users go on as if nothing happened: they repeat what was not answered.
	ctx, cancel := context.WithCancel(t.Context())
	var users sync.WaitGroup
	for u := range 3 {
		users.Add(1)
		go func() {
			defer users.Done()
			rng := rand.New(rand.NewPCG(seed, uint64(u)))
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("j%d_%d", u, n)
				w := wanted{end: []string{"0", "0", "0", "3", "wait"}[rng.IntN(5)]}
				w.cancelled = w.end == "wait"
				doc := ml.GoogleCloudMlV1__Job{JobId: id, TrainingInput: &ml.GoogleCloudMlV1__TrainingInput{
					Region: "us-central1", PackageUris: []string{uri}, PythonModule: "crashing.task", Args: []string{marks, id, w.end}}}
				// A job that only waits for its cancel is cancelled as soon as it
				// was accepted, at whatever point it then is.
				if !y.persist(ctx, "POST", "/v1/projects/local/jobs", doc, id) {
					return
				}
				mu.Lock()
				accepted[id] = w
				mu.Unlock()
				if w.cancelled && !y.persist(ctx, "POST", "/v1/projects/local/jobs/"+id+":cancel", struct{}{}, "") {
					return
				}
				if rng.IntN(4) == 0 && !y.uploadSurely(ctx, "crash", "o/"+id, id) {
					return
				}
				// As many jobs as the machine can run beside the killing.
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(rng.IntN(900)) * time.Millisecond):
				}
			}
		}()
	}

	rng := rand.New(rand.NewPCG(seed, 99))
	for range kills(t) {
		<-time.After(time.Duration(rng.IntN(250)) * time.Millisecond)
		y.kill()
		begin := time.Now()
		y.start()
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("the server took %s to start again", took)
		}
	}
	cancel()
	users.Wait()
	t.Logf("%d jobs accepted", len(accepted))

	// What the users were doing last was cut off: a wish to cancel may not have
	// been accepted, and a job may be there that nobody was told of.
	untold := map[string]bool{}
	err := y.ml().Projects.Jobs.List("projects/local").Pages(t.Context(), func(page *ml.GoogleCloudMlV1__ListJobsResponse) error {
		for _, j := range page.Jobs {
			_, told := accepted[j.JobId]
			untold[j.JobId] = !told
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, untold := range untold {
		if untold || accepted[id].cancelled {
			y.persist(t.Context(), "POST", "/v1/projects/local/jobs/"+id+":cancel", struct{}{}, "")
			y.ended("local", id)
		}
	}
	for id, w := range accepted {
		j := y.ended("local", id)
		want := map[string]string{"0": "SUCCEEDED", "3": "FAILED", "wait": "CANCELLED"}[w.end]
		if j.State != want {
			t.Errorf("%s is %s, want %s: %s", id, j.State, want, j.ErrorMessage)
		}
		if j.EndTime == "" || j.CreateTime == "" {
			t.Errorf("%s has times %q, %q, %q", id, j.CreateTime, j.StartTime, j.EndTime)
		}
		mark, err := os.ReadFile(filepath.Join(marks, id))
		runs := bytes.Count(mark, []byte("\n"))
		if runs > 1 || runs == 0 && !w.cancelled {
			t.Errorf("%s ran %d times (%v)", id, runs, err)
		}
		lines := y.printed("local", id)
		if !w.cancelled && len(lines) != 40 {
			t.Errorf("%s has %d lines, want 40", id, len(lines))
		}
		for i, l := range lines {
			if l != fmt.Sprintf("line %d", i) {
				t.Errorf("%s: line %d is %q", id, i, l)
				break
			}
		}
		if n := y.serviceLines("local", id); n["Job "+id+" is queued."] != 1 {
			t.Errorf("%s was said to be queued %d times", id, n["Job "+id+" is queued."])
		}
	}
	// An agent's last act is the record that its job's end is read from; it may
	// take a moment to be gone itself.
	deadline := time.Now().Add(20 * time.Second)
	for left := processesOf(filepath.Join(y.dir, "jobs")); len(left) > 0; left = processesOf(filepath.Join(y.dir, "jobs")) {
		if time.Now().After(deadline) {
			for _, pid := range left {
				line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				t.Errorf("process %d is left after every job ended: %q", pid, line)
				if f := strings.Split(string(line), "\x00"); len(f) > 4 && f[1] == "-m" {
					out, _, _ := y.run("jobs", "describe", f[4], "--timeline")
					t.Logf("its job:\n%s", out)
				} else if len(f) > 3 {
					out, _ := exec.Command("ls", "-la", "--full-time", f[3]).CombinedOutput()
					t.Logf("its folder:\n%s", out)
				}
			}
			break
		}
		<-time.After(20 * time.Millisecond)
	}
}

// persist sends a request until it is answered; false when ctx ended first. A
// conflict is an answer: an earlier try was accepted and the answer was lost.
func (y *yard) persist(ctx context.Context, method, path string, body any, requestID string) bool {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	for ctx.Err() == nil {
		// A request that is under way is waited for: the server would go on with
		// it, and make a job after we have looked which there are.
		req, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), method, y.url()+path, bytes.NewReader(b))
		req.Header.Set("Content-Type", "application/json")
		if requestID != "" {
			req.Header.Set("X-Trainyard-Request-Id", requestID)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			answer, readErr := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch {
			case resp.StatusCode < 300 && readErr == nil:
				return true
			case resp.StatusCode < 500 && readErr == nil:
				y.t.Errorf("%s %s: %s %s", method, path, resp.Status, answer)
				return false
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// uploadSurely puts an object, reads it back after it was acknowledged, and
// expects what was sent.
func (y *yard) uploadSurely(ctx context.Context, bucket, name, body string) bool {
	path := "/upload/storage/v1/b/" + bucket + "/o?uploadType=media&name=" + strings.ReplaceAll(name, "/", "%2F")
	for acknowledged := false; ctx.Err() == nil; {
		method, url, payload := "POST", y.url()+path, strings.NewReader(body)
		if acknowledged {
			method, url, payload = "GET", y.url()+"/"+bucket+"/"+name, strings.NewReader("")
		}
		req, _ := http.NewRequestWithContext(ctx, method, url, payload)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			answer, readErr := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch {
			case readErr != nil:
			case acknowledged && (resp.StatusCode != 200 || string(answer) != body):
				y.t.Errorf("object %s after it was acknowledged: %s %q", name, resp.Status, answer)
				return false
			case acknowledged:
				return true
			case resp.StatusCode == 200:
				acknowledged = true
				continue
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// printed is what a job's program printed on standard output.
func (y *yard) printed(project, id string) []string {
	var lines []string
	for _, e := range y.entries(project, id) {
		if m := e.JSONPayload.Message + e.TextPayload; e.Resource.Labels["task_name"] == "master-replica-0" && strings.HasPrefix(m, "line ") {
			lines = append(lines, m)
		}
	}
	return lines
}

func (y *yard) serviceLines(project, id string) map[string]int {
	n := map[string]int{}
	for _, e := range y.entries(project, id) {
		if e.Resource.Labels["task_name"] == "service" {
			n[e.JSONPayload.Message+e.TextPayload]++
		}
	}
	return n
}

type logEntry struct {
	Timestamp, InsertID, Severity, TextPayload string
	JSONPayload                                struct{ Message string }
	Resource                                   struct{ Labels map[string]string }
}

// entries is a job's whole log, in pages, as gcloud asks for it.
func (y *yard) entries(project, id string) []logEntry {
	y.t.Helper()
	var all []logEntry
	for token := ""; ; {
		b, _ := json.Marshal(map[string]any{
			"filter":  fmt.Sprintf(`(resource.type="ml_job" OR resource.type="cloudml_job") AND resource.labels.job_id="%s"`, id),
			"orderBy": "timestamp asc", "pageSize": 1000, "resourceNames": []string{"projects/" + project}, "pageToken": token,
		})
		resp, err := http.Post(y.url()+"/v2/entries:list?alt=json", "application/json", bytes.NewReader(b))
		if err != nil {
			y.t.Fatal(err)
		}
		var page struct {
			Entries       []logEntry
			NextPageToken string
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			y.t.Fatalf("entries of %s: %s %v", id, resp.Status, err)
		}
		all = append(all, page.Entries...)
		if token = page.NextPageToken; token == "" {
			return all
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func status(err error) int {
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		return e.Code
	}
	return 0
}

// TestAGracefulStopIsQuickAndLeavesJobsAlone stops the server while a follower
// is connected and a job runs; the job goes on, and its storage is there again
// with the next server.
func TestAGracefulStopIsQuickAndLeavesJobsAlone(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	marks := y.marks()
	source := filepath.Join(t.TempDir(), "app", "going")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), `
import os, sys, time, urllib.request
go = os.path.join(sys.argv[1], "go")
print("up", flush=True)
while not os.path.exists(go):
    time.sleep(0.02)
url = os.environ["STORAGE_EMULATOR_HOST"] + "/storage/v1/b/trainyard-default"
print("storage says", urllib.request.urlopen(url).status, flush=True)
`)
	y.mustRun("jobs", "submit", "training", "going", "--package-path", source, "--module-name", "going.task", "--", marks)
	y.running("local", "going")
	follower := make(chan error, 1)
	go func() { _, err := y.follow(t.Context(), "local", "going"); follower <- err }()
	if took := y.stop(); took > 10*time.Second {
		t.Errorf("the server took %s to stop", took)
	}
	<-follower
	// The program asks for its storage while there is no server: the request
	// waits.
	write(t, filepath.Join(marks, "go"), "")
	y.start()
	if j := y.ended("local", "going"); j.State != "SUCCEEDED" {
		t.Errorf("the job: %s %s", j.State, j.ErrorMessage)
	}
	said := false
	for _, e := range y.entries("local", "going") {
		said = said || e.JSONPayload.Message == "storage says 200"
	}
	if !said {
		t.Error("the program did not reach its storage")
	}
}

// TestKilledProgramsAndAgents kills the user's program, which ends the job for
// good, and the agent, which is a lost machine: what it left is ended, and the
// job runs again.
func TestKilledProgramsAndAgents(t *testing.T) {
	t.Parallel()
	y := newYard(t, "--max-parallel-jobs", "4")
	marks := y.marks()
	source := filepath.Join(t.TempDir(), "app", "victim")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), `
import os, sys, time
with open(os.path.join(sys.argv[1], sys.argv[2]), "a") as f:
    f.write("%d %d\n" % (os.getpid(), os.getppid()))
print("up", flush=True)
while not os.path.exists(os.path.join(sys.argv[1], "finish")):
    time.sleep(0.02)
`)
	submit := func(id string) (program, agent int) {
		y.mustRun("jobs", "submit", "training", id, "--package-path", source, "--module-name", "victim.task", "--", marks, id)
		return y.marked(marks, id, 1)
	}
	program, _ := submit("killed")
	_ = syscall.Kill(program, syscall.SIGKILL)
	j := y.ended("local", "killed")
	if j.State != "FAILED" || !strings.HasPrefix(j.ErrorMessage, "The replica master 0 exited with a non-zero status of 9(SIGKILL).") {
		t.Errorf("after kill -9 of the program: %s %s", j.State, j.ErrorMessage)
	}
	if b, _ := os.ReadFile(filepath.Join(marks, "killed")); bytes.Count(b, []byte("\n")) != 1 {
		t.Errorf("the killed program was started again:\n%s", b)
	}

	program, agent := submit("lost")
	_ = syscall.Kill(agent, syscall.SIGKILL)
	second, _ := y.marked(marks, "lost", 2)
	if alive(program) {
		t.Errorf("the first program (process %d) still ran when the second (%d) was started", program, second)
	}
	write(t, filepath.Join(marks, "finish"), "")
	if j := y.ended("local", "lost"); j.State != "SUCCEEDED" {
		t.Errorf("after kill -9 of the agent: %s %s", j.State, j.ErrorMessage)
	}
	restarts := 0
	for line := range y.serviceLines("local", "lost") {
		if strings.Contains(line, "Restarting it (1 of 5)") {
			restarts++
		}
	}
	if restarts != 1 {
		t.Errorf("the restart was said %d times", restarts)
	}
}

// marked waits for the nth run of a program to leave its mark: its process and
// its agent.
func (y *yard) marked(marks, id string, n int) (program, agent int) {
	y.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		b, _ := os.ReadFile(filepath.Join(marks, id))
		if lines := strings.Split(strings.TrimSpace(string(b)), "\n"); len(b) > 0 && len(lines) >= n {
			if _, err := fmt.Sscan(lines[n-1], &program, &agent); err == nil {
				return program, agent
			}
		}
		select {
		case <-y.t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	y.t.Fatalf("run %d of %s left no mark", n, id)
	return 0, 0
}

// alive reports whether a process runs; one that has ended and was not yet
// collected does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(state, "Z")
}
