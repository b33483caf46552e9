package diagnose

import (
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// ended is the failure of a program that this traceback ended.
func ended(traceback string) Failure {
	traceback = strings.TrimSpace(traceback)
	return failure(&job.Exit{Code: 1, Step: "run", Traceback: traceback, Uncaught: true, Tail: strings.Split(traceback, "\n")})
}

func TestThePlaceIsInTheUsersOwnCode(t *testing.T) {
	const top, site, std = "/data/environments/top/12ab/lib/python3.11/site-packages", "/data/environments/base/34cd/lib/python3.11/site-packages", "/usr/lib/python3.11"
	for _, tt := range []struct{ name, traceback, want string }{
		{"raised in a library", `
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "` + top + `/trainer/task.py", line 12, in <module>
    main()
  File "` + top + `/trainer/model.py", line 37, in build
    np.reshape(x)
  File "` + site + `/numpy/core/fromnumeric.py", line 285, in reshape
    return _wrapfunc(a)
ValueError: no`, "trainer/model.py:37 in build"},
		{"called back by a library", `
Traceback (most recent call last):
  File "` + top + `/trainer/task.py", line 12, in <module>
    fit(loss)
  File "` + site + `/somelib/fit.py", line 2, in fit
    f()
  File "` + top + `/trainer/loss.py", line 3, in loss
    1 / 0
ZeroDivisionError: division by zero`, "trainer/loss.py:3 in loss"},
		{"in another package that the job brought", `
Traceback (most recent call last):
  File "` + top + `/ourlib/io.py", line 9, in read
    x
NameError: name 'x' is not defined`, "ourlib/io.py:9 in read"},
		{"the main package wins over another", `
Traceback (most recent call last):
  File "` + top + `/trainer/task.py", line 1, in <module>
    read()
  File "` + top + `/ourlib/io.py", line 9, in read
    x
NameError: name 'x' is not defined`, "trainer/task.py:1"},
		{"no code of the user's", `
Traceback (most recent call last):
  File "` + std + `/threading.py", line 9, in run
    x
  File "<string>", line 1, in <module>
NameError: name 'x' is not defined`, ""},
		{"in place, not installed", `
Traceback (most recent call last):
  File "/home/me/project/trainer/task.py", line 5, in main
    x
NameError: name 'x' is not defined`, "trainer/task.py:5 in main"},
		{"a syntax error of an imported file", `
Traceback (most recent call last):
  File "` + top + `/trainer/task.py", line 1, in <module>
    from trainer import broken
  File "` + top + `/trainer/broken.py", line 3
    def f(:
          ^
SyntaxError: invalid syntax`, "trainer/broken.py:3"},
		{"translated by the handler", `
Traceback (most recent call last):
  File "` + top + `/trainer/task.py", line 4, in load
    import nothing
ModuleNotFoundError: No module named 'nothing'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "` + top + `/trainer/task.py", line 9, in <module>
    load()
  File "` + top + `/trainer/task.py", line 6, in load
    raise RuntimeError("install it")
RuntimeError: install it`, "trainer/task.py:6 in load"},
		{"a worker process of joblib", `
joblib.externals.loky.process_executor._RemoteTraceback: 
"""
Traceback (most recent call last):
  File "` + site + `/joblib/externals/loky/process_executor.py", line 490, in _process_worker
    r = call_item()
  File "` + top + `/trainer/features.py", line 7, in row
    raise ValueError("x")
ValueError: x
"""

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "` + top + `/trainer/task.py", line 3, in <module>
    Parallel(2)(jobs)
  File "` + site + `/joblib/parallel.py", line 1952, in __call__
    return list(output)
ValueError: x`, "trainer/features.py:7 in row"},
		{"a worker process of a pool", `
multiprocessing.pool.RemoteTraceback: 
"""
Traceback (most recent call last):
  File "` + std + `/multiprocessing/pool.py", line 125, in worker
    result = (True, func(*args, **kwds))
  File "` + top + `/trainer/features.py", line 8, in row
    raise ValueError("x")
ValueError: x
"""

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "` + top + `/trainer/task.py", line 4, in <module>
    pool.map(row, rows)
  File "` + std + `/multiprocessing/pool.py", line 774, in get
    raise self._value
ValueError: x`, "trainer/features.py:8 in row"},
	} {
		if got := Of(ended(tt.traceback)).Where.String(); got != tt.want {
			t.Errorf("%s: at %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestOfAChainOnlyWhatEndedTheProgramCounts(t *testing.T) {
	missing := "Traceback (most recent call last):\n  File \"/a/trainer/task.py\", line 4, in load\n    import cupy\nModuleNotFoundError: No module named 'cupy'\n\n"
	outer := func(raise string) string {
		return "Traceback (most recent call last):\n  File \"/a/trainer/task.py\", line 9, in <module>\n    load()\n  File \"/a/trainer/task.py\", line 6, in load\n    " + raise + "\nRuntimeError: no\n"
	}
	for _, tt := range []struct{ name, text, want string }{
		{"raised from it", missing + causing + " of the following exception:\n\n" + outer("f()"), "missing-dependency"},
		{"raised by its handler", missing + handling + ", another exception occurred:\n\n" + outer("raise RuntimeError('no')"), "missing-dependency"},
		{"another way was tried", missing + handling + ", another exception occurred:\n\n" + outer("without_cupy()"), ""},
		{"a group of one kind", `
  + Exception Group Traceback (most recent call last):
  |   File "/a/trainer/task.py", line 1, in <module>
  |     raise g
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/a/trainer/task.py", line 5, in f
    |     import cupy
    | ModuleNotFoundError: No module named 'cupy'
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/a/trainer/task.py", line 6, in g
    |     import jax
    | ModuleNotFoundError: No module named 'jax'
    +------------------------------------`, "missing-dependency"},
		{"a group of two kinds", `
  + Exception Group Traceback (most recent call last):
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ModuleNotFoundError: No module named 'cupy'
    +---------------- 2 ----------------
    | ValueError: no
    +------------------------------------`, ""},
	} {
		if d := Of(ended(tt.text)); d.Cause != tt.want {
			t.Errorf("%s: cause %q, want %q", tt.name, d.Cause, tt.want)
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
		{&job.Exit{Code: 1, OutOfMem: true}, "The replica master 0 exited with a non-zero status of 1."},
	} {
		if got := Sentence(failure(tt.exit).Replica); got != tt.want {
			t.Errorf("Sentence = %q, want %q", got, tt.want)
		}
	}
}

func TestExplainHasEverythingInItsOrder(t *testing.T) {
	got := Explain(readApp(t, "own-module").run(t))
	last := -1
	for _, part := range []string{
		"The replica master 0 exited with a non-zero status of 1. Termination reason: Error.\nTraceback (most recent call last)",
		"ModuleNotFoundError: No module named 'trainer.utils'", "\n\nAt: trainer/task.py:3\nCause: ", "\nHint: ",
		"\n\nTo find out more about why your job exited please check the logs: trainyard jobs stream-logs j1",
	} {
		at := strings.Index(got, part)
		if at <= last {
			t.Errorf("%q is not where it belongs in\n%s", part, got)
		}
		last = at
	}
	if _, hint := Cause(ended("Traceback (most recent call last):\nModuleNotFoundError: No module named 'sklearn'")); !strings.Contains(hint, "'scikit-learn'") {
		t.Errorf("the hint for sklearn is %q", hint)
	}
}

func TestAHandledTracebackIsShownWithWhatCameAfterIt(t *testing.T) {
	f := ended("Traceback (most recent call last):\n  File \"/a/trainer/task.py\", line 4, in load\n    f()\nOSError: no")
	f.Replica.Exit.Uncaught, f.Replica.Exit.AfterTraceback = false, 2
	f.Replica.Exit.Tail = append(f.Replica.Exit.Tail, "going on", "the model is bad")
	if got := Explain(f); !strings.Contains(got, "OSError: no\nIts last lines:\ngoing on\nthe model is bad\n") || strings.Contains(got, "At: ") {
		t.Errorf("%s", got)
	}
}

func TestOthersAreNamedInASentence(t *testing.T) {
	replica := func(role job.Role, index int, e *job.Exit) job.ReplicaRun {
		r := job.ReplicaRun{Replica: job.Replica{Role: role, Index: index}, State: job.ReplicaExited, Exit: e}
		if e == nil {
			r.State = job.ReplicaLost
		}
		return r
	}
	asked := &job.Exit{Code: 143, Signal: "SIGTERM", Requested: true, Step: "run"}
	f := ended("Traceback (most recent call last):\nValueError: x")
	f.Others = []job.ReplicaRun{
		f.Replica, replica(job.Worker, 0, asked), replica(job.Worker, 1, asked), replica(job.Worker, 2, asked), replica(job.Worker, 3, &job.Exit{Step: "run"}),
		replica(job.Worker, 4, &job.Exit{Code: 134, Signal: "SIGABRT", Step: "run"}), replica(job.ParameterServer, 0, asked), replica(job.Evaluator, 0, nil),
	}
	want := "Of the others, worker 4 failed, too (SIGABRT); evaluator 0 was lost, too; worker 3 was done; worker 0 to 2 and ps 0 were stopped then."
	if got := Of(f).Others; got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	if got := Explain(f); !strings.Contains(got, "status of 1. Termination reason: Error. "+want+"\n") {
		t.Errorf("%s", got)
	}
	f.Others = f.Others[:1]
	if got := Of(f).Others; got != "" {
		t.Errorf("alone: %q", got)
	}
}

func TestIdleIsSaidOnlyWhereItIsProved(t *testing.T) {
	now := time.Now()
	run := func(cpu float64, lasted time.Duration) job.ReplicaRun {
		return job.ReplicaRun{Started: now.Add(-lasted), Ended: now, State: job.ReplicaExited, Exit: &job.Exit{Code: 143, Signal: "SIGTERM", Requested: true, Step: "run", CPUSeconds: cpu}}
	}
	for _, tt := range []struct {
		name string
		runs []job.ReplicaRun
		want string
	}{
		{"all idle", []job.ReplicaRun{run(3, time.Hour), run(4, time.Hour)}, "idle"},
		{"one works", []job.ReplicaRun{run(3, time.Hour), run(400, time.Hour)}, ""},
		{"one is not known", []job.ReplicaRun{run(3, time.Hour), run(0, time.Hour)}, ""},
		{"none started", []job.ReplicaRun{{}}, ""},
	} {
		f := Failure{Replica: tt.runs[0], Others: tt.runs, Overtime: true}
		if d := Of(f); d.Cause != tt.want || strings.Contains(d.Text, "${") || tt.want != "" && !strings.Contains(d.Text, "in 1h0m0s its replicas together used the processor for 7.0 s") {
			t.Errorf("%s: %q %s", tt.name, d.Cause, d.Text)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("ModuleNotFoundError: No module named 'x.y'", "error: unrecognized arguments: --job-dir x", "run", "", true)
	f.Add("  + Exception Group Traceback (most recent call last):\n  | E: two (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: 1", "", "run", "", true)
	f.Add("", "Current thread 0x1 (most recent call first):\n  File \"/a/trainer/x.py\", line 3 in f", "run", "SIGSEGV", false)
	f.Add("", "", "environment", "SIGKILL", false)
	f.Fuzz(func(t *testing.T, traceback, tail, step, signal string, uncaught bool) {
		d := Explain(failure(&job.Exit{Code: 1, Traceback: traceback, Tail: strings.Split(tail, "\n"), AfterTraceback: len(tail) % 7, Step: step, Signal: signal, Uncaught: uncaught}))
		if !strings.HasPrefix(d, "The replica master 0 ") {
			t.Errorf("%.100q", d)
		}
	})
}

// How a package was made is told where that is the cause, and is no last word
// of the program.
func TestTheLastLinesAreTheProgramsOwn(t *testing.T) {
	f := Failure{Replica: job.ReplicaRun{Replica: job.Replica{Role: job.Master}, State: job.ReplicaExited,
		Exit: &job.Exit{Code: 7, Step: "run", Message: "trainer-0.0.0.tar.gz was made by gcloud's generated setup.py.", Tail: []string{"I am master 0"}}}}
	if got := Explain(f); !strings.Contains(got, "Termination reason: Error.\nIts last lines:\nI am master 0\n") || strings.Contains(got, "generated setup.py") {
		t.Errorf("%s", got)
	}
	f.Replica.Exit.Tail, f.Replica.Exit.Message = nil, "start python: no such file"
	if got := Explain(f); !strings.Contains(got, "start python: no such file") {
		t.Errorf("one that could not be started: %s", got)
	}
}
