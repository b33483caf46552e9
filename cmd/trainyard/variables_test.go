package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// hasher is a program that tells a digest of its secret, says it aloud in each
// way that a program can, and then waits at the address that it is given.
const hasher = `
import hashlib, json, logging, os, sys, urllib.request
secret = os.environ['YARD_SECRET']
print('digest', hashlib.sha256(secret.encode()).hexdigest())
print('aloud', secret, file=sys.stderr)
print(json.dumps({'message': secret, 'key': [secret]}))
logging.warning('logged %s', secret)
print('plain', os.environ['PLAIN'], os.environ['FROM_FILE'] == 'of the file', os.environ['PYTHONPATH'].endswith(':/mine'), os.environ['OMP_NUM_THREADS'])
sys.stdout.flush()
urllib.request.urlopen(sys.argv[1]).read()
if 'fail' in sys.argv:
    raise ValueError(secret)
`

// TestSecretVariablesAreNowhere runs jobs that have a secret, and looks for it
// in what users see, in all that is on the disk and in the arguments of every
// process, while the program runs and when it has ended.
func TestSecretVariablesAreNowhere(t *testing.T) {
	secret := `s"é\` + rand.Text()
	sum := sha256.Sum256([]byte(secret))
	digest := hex.EncodeToString(sum[:])
	y := newYard(t)
	look := func(when string) {
		arguments, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil || len(arguments) == 0 {
			t.Errorf("no processes: %v", err)
		}
		told := map[string]string{"the server's output": y.out.String()}
		for _, path := range arguments {
			b, _ := os.ReadFile(path)
			told[path] = string(b)
		}
		files := 0
		err = filepath.WalkDir(y.dir, func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) || err == nil && !d.Type().IsRegular() {
				return nil
			}
			files++
			b, err := os.ReadFile(path)
			if told[path] = string(b); os.IsNotExist(err) {
				return nil
			}
			return err
		})
		if err != nil || files < 10 {
			t.Errorf("%d files read, %v", files, err)
		}
		for where, text := range told {
			if strings.Contains(text, secret[5:]) { // the part that nothing escapes
				t.Errorf("%s, %s holds the secret", when, where)
			}
		}
	}
	var once sync.Mutex
	hits := 0
	waiting := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Lock()
		defer once.Unlock()
		hits++
		look("while the program runs")
	}))
	defer waiting.Close()

	work := t.TempDir()
	for name, text := range map[string]string{"trainer/__init__.py": "", "trainer/task.py": hasher, "my.env": "FROM_FILE='of the file'\nYARD_SECRET\n"} {
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("YARD_SECRET", secret) // the server has been started without it
	flags := []string{"--package-path", filepath.Join(work, "trainer"), "--module-name", "trainer.task", "--no-check",
		"--env", "PLAIN=shown", "--env-file", filepath.Join(work, "my.env"), "--env", "PYTHONPATH=/mine", "--env", "OMP_NUM_THREADS=3"}
	seen := ""
	for id, more := range map[string][]string{"well": nil, "ill": {"fail"}} {
		stdout, stderr, err := y.run(append(append([]string{"jobs", "submit", "training", id, "--stream-logs"}, flags...), append([]string{"--", waiting.URL}, more...)...)...)
		if (err == nil) != (more == nil) || !strings.Contains(stderr, "digest "+digest) || !strings.Contains(stderr, "plain shown True True 3") {
			t.Fatalf("%s: %v\n%s", id, err, stderr)
		}
		if more == nil && (!strings.Contains(stderr, "aloud ***") || !strings.Contains(stderr, "logged ***")) {
			t.Errorf("the secret's place is not to be seen:\n%s", stderr)
		}
		seen += stdout + stderr
		for _, args := range [][]string{{"describe", id}, {"describe", id, "--format", "json"}, {"describe", id, "--timeline"}, {"stream-logs", id}, {"list", "--format", "json"}, {"export-config", id}} {
			seen += y.mustRun(append([]string{"jobs"}, args...)...)
		}
	}
	stdout, stderr, err := y.run(append(append([]string{"local", "train"}, flags...), "--", waiting.URL)...)
	if err != nil || !strings.Contains(stdout, "digest "+digest) {
		t.Fatalf("local train: %v\n%s%s", err, stdout, stderr)
	}
	seen += stdout + stderr
	if strings.Contains(seen, secret[5:]) {
		t.Errorf("users see the secret:\n%s", seen)
	}
	if hits != 3 {
		t.Errorf("the program waited %d times", hits)
	}
	look("at last")
	if exported := y.mustRun("jobs", "export-config", "well"); !strings.Contains(exported, "name: YARD_SECRET\n    secret: true") || !strings.Contains(exported, "value: shown") {
		t.Errorf("exported as\n%s", exported)
	}
	if info, err := os.Stat(filepath.Join(y.dir, "secrets.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
}

// TestALostKeyIsSaid: a job whose secret cannot be opened says so, and runs
// nothing.
func TestALostKeyIsSaid(t *testing.T) {
	y := newYard(t)
	t.Setenv("YARD_SECRET", "sesame")
	if err := os.Remove(filepath.Join(y.dir, "secrets.key")); err != nil {
		t.Fatal(err)
	}
	_, stderr, err := y.run("jobs", "submit", "training", "lost", "--packages", trainerWheel(t, ""), "--module-name", "trainer.task", "--env", "YARD_SECRET", "--stream-logs")
	if err == nil || !strings.Contains(stderr, "the secret variable YARD_SECRET cannot be opened") || !strings.Contains(stderr, "submit the job again") || strings.Contains(stderr, "Cause: ") || strings.Contains(stderr, "CLOUD_ML") {
		t.Errorf("%v\n%s", err, stderr)
	}
}

// TestARepeatedRequestWithASecretIsOneJob: what is sealed differs each time, the
// job does not.
func TestARepeatedRequestWithASecretIsOneJob(t *testing.T) {
	y := newYard(t)
	y.upload("trainyard-default", "p.tar.gz", []byte("x"))
	body := `{"jobId":"once","trainingInput":{"packageUris":["gs://trainyard-default/p.tar.gz"],"pythonModule":"t.task","region":"us-central1","env":[{"name":"S","value":"sesame","secret":true}]}}`
	post := func(id string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", y.url()+"/v1/projects/local/jobs", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Trainyard-Request-Id", id)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil || strings.Contains(string(answer), "sesame") {
			t.Errorf("%v: %s", err, answer)
		}
		return resp.StatusCode, string(answer)
	}
	for i, tt := range []struct {
		id   string
		want int
	}{{"r1", 200}, {"r1", 200}, {"r2", 409}} {
		if code, answer := post(tt.id); code != tt.want {
			t.Errorf("request %d: %d, want %d: %s", i, code, tt.want, answer)
		}
	}
}

// TestGcloudReadsJobsWithVariables: what it does not know does not trouble it.
func TestGcloudReadsJobsWithVariables(t *testing.T) {
	y := newYard(t)
	t.Setenv("YARD_SECRET", "sesame")
	y.mustRun("jobs", "submit", "training", "v", "--project", "demo", "--packages", trainerWheel(t, ""), "--module-name", "trainer.task", "--env", "YARD_SECRET", "--env", "PLAIN=shown",
		"--job-dir", "gs://trainyard-default/x", "--no-job-dir-arg", "-q")
	for _, args := range [][]string{{"describe", "v"}, {"list"}, {"describe", "v", "--format=json"}} {
		stdout, _ := y.mustGcloud(append([]string{"ai-platform", "jobs"}, args...)...)
		if !strings.Contains(stdout, "v") || strings.Contains(stdout, "sesame") {
			t.Errorf("%v shows\n%s", args, stdout)
		}
	}
	y.ended("demo", "v")
}
