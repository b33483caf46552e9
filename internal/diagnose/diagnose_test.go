package diagnose

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
)

// run runs an app of testdata/apps as an agent does, and gives its exit record.
func run(t *testing.T, app, module string, args ...string) *job.Exit {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 on PATH")
	}
	root, err := filepath.Abs(filepath.Join("testdata/apps", app))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-m", module}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PYTHONPATH="+root, "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	e := &job.Exit{Step: "run"}
	if err, ok := errors.AsType[*exec.ExitError](cmd.Run()); ok {
		status := err.Sys().(syscall.WaitStatus)
		e.Code = status.ExitStatus()
		if status.Signaled() {
			e.Code = 128 + int(status.Signal())
			for name, n := range signals {
				if n == int(status.Signal()) {
					e.Signal = name
				}
			}
		}
	}
	var tb logs.Traceback
	tb.Add(stderr.String())
	e.Traceback = tb.String()
	e.Tail = strings.Split(strings.TrimSpace(stderr.String()), "\n")
	return e
}

func failure(e *job.Exit) Failure {
	f := Failure{Attempt: 1}
	f.Spec = job.Spec{Key: job.Key{Project: "p", ID: "j1"}, Module: "trainer.task", Groups: []job.Group{{Role: job.Master, Count: 1, Machine: "n1-standard-4"}}}
	f.Replica = job.ReplicaRun{Replica: job.Replica{Role: job.Master}, State: job.ReplicaExited, Exit: e}
	return f
}

// The output of installers, as uv 0.13 and pip wrote it.
var installers = map[string]*job.Exit{
	"no-version": {Code: 1, Step: "environment", Tail: []string{"  × No solution found when resolving dependencies:", "  ╰─▶ Because no-such-package-of-anybody was not found in the package registry and you require no-such-package-of-anybody>=7, we can conclude that your requirements are unsatisfiable."}},
	"python-too-new": {Code: 1, Step: "environment", Tail: []string{"  × No solution found when resolving dependencies:",
		"  ╰─▶ Because tensorflow==1.15.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you require tensorflow==1.15.0, we can conclude that your requirements are unsatisfiable."}},
	"index-unreachable": {Code: 2, Step: "environment", Tail: []string{"error: Failed to fetch: `https://index.example/simple/six/`", "  Caused by: error sending request for url", "  Caused by: dns error: failed to lookup address information"}},
	"damaged-package": {Code: 2, Step: "install", Message: "junk.tar.gz: the archive is damaged: at byte 0: failed to read tar data / failed to read tar data / Invalid gzip header",
		Tail: []string{"error: Failed to build `/data/environments/packages/edff/tmp/src/junk.tar.gz`", "  cause: Invalid tar file", "  cause: Invalid gzip header"}},
	"build-file-missing": {Code: 2, Step: "install", Message: "rel-9.tar.gz: it does not build: FileNotFoundError: [Errno 2] No such file or directory: 'requirements.txt'",
		Tail: []string{"FileNotFoundError: [Errno 2] No such file or directory: 'requirements.txt'", "error: Failed to build `/data/environments/packages/b6e8/tmp/src/rel-9.tar.gz`", "  cause: The build backend returned an error"}},
	"build-failed": {Code: 1, Step: "install", Tail: []string{"  × Failed to build `app-1.0.tar.gz`", "  ├─▶ The build backend returned an error", "  ╰─▶ Call to `setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)"}},
	"gcloud-package": {Code: 1, Step: "run", Message: "trainer-0.0.0.tar.gz was made by gcloud's generated setup.py, which takes the Python files of the package's top folder and nothing below it.",
		Traceback: "Traceback (most recent call last):\n  File \"/data/environments/packages/ab/lib/python3.11/site-packages/trainer/task.py\", line 2, in <module>\n    open(os.path.join(os.path.dirname(__file__), 'words.txt'))\n" +
			"FileNotFoundError: [Errno 2] No such file or directory: '/data/environments/packages/ab/lib/python3.11/site-packages/trainer/words.txt'\n"},
	"package-fetch": {Code: 1, Step: "fetch", Message: "gs://b/x.tar.gz: No such object: b/x.tar.gz"},
	"out-of-memory": {Code: 137, Signal: "SIGKILL", Step: "run", OutOfMem: true, PeakMemory: 2 << 30, MemLimit: 2 << 30},
}

func TestEveryCauseIsFoundInARealFailure(t *testing.T) {
	args := map[string][]string{"job-dir-argument": {"--job-dir", "gs://b/x"}}
	modules := map[string]string{"own-module-run": "trainer.missing"}
	says := map[string]string{
		"lost": "watched over the program is gone", "out-of-memory": "peak 2.0 GiB, limit 2.0 GiB", "killed": "killed the program with SIGKILL", "segfault": "SIGSEGV",
		"abort": "SIGABRT", "gcloud-package": "site-packages/trainer/words.txt, which is not in its package", "own-module": "imports trainer.utils, which belongs to its own package", "own-module-run": "no module trainer.missing",
		"missing-dependency": "imports sklearn_of_nobody", "job-dir-argument": "does not know the argument --job-dir", "arguments": "the following arguments are required: --epochs",
		"python-too-new": "does not serve this version of Python", "no-version": "no-such-package-of-anybody", "index-unreachable": "could not be reached", "build-failed": "could not be built",
		"build-file-missing": "setup.py reads requirements.txt, which is not in the archive", "damaged-package": "junk.tar.gz is no package",
		"disk-full": "disk is full", "package-fetch": "could not be fetched", "port-in-use": "port that another program has", "gpu": "GPU that it cannot see",
		"gs-as-file": "gs://bucket/data.csv with open()", "private-tmp": "looks for /tmp/data-of-nobody.csv", "relative-path": "data/train.csv by a relative path", "syntax": "SyntaxError",
	}
	for _, c := range catalogue() {
		t.Run(c.Name, func(t *testing.T) {
			var f Failure
			switch {
			case c.Lost:
				f = failure(nil)
				f.Replica.State = job.ReplicaLost
			case installers[c.Name] != nil:
				f = failure(installers[c.Name])
			default:
				if _, err := os.Stat(filepath.Join("testdata/apps", c.Name)); err != nil {
					t.Fatalf("no app fails this way: %v", err)
				}
				module := modules[c.Name]
				if module == "" {
					module = "trainer.task"
				}
				f = failure(run(t, c.Name, module, args[c.Name]...))
				f.Spec.Module = module
				if f.Replica.Exit.Code == 0 {
					t.Fatal("the app does not fail")
				}
			}
			text, hint := Cause(f)
			want, ok := says[c.Name]
			if !ok {
				t.Fatal("this test does not know the entry")
			}
			if !strings.Contains(text, want) || strings.Contains(text+hint, "${") {
				t.Errorf("cause %q, hint %q, want %q\nof %+v", text, hint, want, f.Replica.Exit)
			}
		})
	}
}

func TestTheRequirementThatNothingFitsIsNamed(t *testing.T) {
	for _, line := range []string{
		"  cause: Because there is no version of numpy==0.0.99 and you require numpy==0.0.99, we can conclude that your requirements are unsatisfiable.",
		"  cause: Because there are no versions of numpy==0.0.99 and you require numpy==0.0.99, we can conclude that your requirements are unsatisfiable.",
		"  cause: Because numpy==0.0.99 was not found in the package registry and you require numpy==0.0.99, we can conclude that your requirements are unsatisfiable.",
		"ERROR: No matching distribution found for numpy==0.0.99",
	} {
		if text, _ := Cause(failure(&job.Exit{Code: 1, Step: "environment", Tail: []string{line}})); text != "The package index has nothing that fits numpy==0.0.99." {
			t.Errorf("%s: the cause is %q", line, text)
		}
	}
}

func TestTheOriginalsSentences(t *testing.T) {
	for _, tt := range []struct {
		exit *job.Exit
		want string
	}{
		{&job.Exit{Code: 1}, "The replica master 0 exited with a non-zero status of 1."},
		{&job.Exit{Code: 137, Signal: "SIGKILL"}, "The replica master 0 exited with a non-zero status of 9(SIGKILL)."},
		{&job.Exit{Code: 137, Signal: "SIGKILL", OutOfMem: true}, "The replica master 0 ran out-of-memory and exited with a non-zero status of 9(SIGKILL)."},
	} {
		if got := Sentence(failure(tt.exit).Replica); got != tt.want {
			t.Errorf("Sentence = %q, want %q", got, tt.want)
		}
	}
}

func TestExplainHasEverythingInItsOrder(t *testing.T) {
	e := run(t, "missing-dependency", "trainer.task")
	got := Explain(failure(e))
	last := -1
	for _, part := range []string{
		"The replica master 0 exited with a non-zero status of 1. Termination reason: Error.\nTraceback (most recent call last)",
		"ModuleNotFoundError: No module named 'sklearn_of_nobody'", "\n\nCause: ", "\nHint: ",
		"\n\nTo find out more about why your job exited please check the logs: trainyard jobs stream-logs j1",
	} {
		at := strings.Index(got, part)
		if at <= last {
			t.Errorf("%q is not where it belongs in\n%s", part, got)
		}
		last = at
	}
	if _, hint := Cause(failure(&job.Exit{Code: 1, Step: "run", Traceback: "Traceback (most recent call last):\nModuleNotFoundError: No module named 'sklearn'"})); !strings.Contains(hint, "'scikit-learn'") {
		t.Errorf("the hint for sklearn is %q", hint)
	}
}

func FuzzCause(f *testing.F) {
	f.Add("ModuleNotFoundError: No module named 'x.y'", "error: unrecognized arguments: --job-dir x", "run", "")
	f.Add("", "", "environment", "SIGKILL")
	f.Fuzz(func(t *testing.T, traceback, tail, step, signal string) {
		Explain(failure(&job.Exit{Code: 1, Traceback: traceback, Tail: strings.Split(tail, "\n"), Step: step, Signal: signal}))
	})
}
