package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

func TestTheLogTellsARunAsTheOriginalDid(t *testing.T) {
	tr := newTrial(t, interpreter(t), "import sys\nprint('to stdout')\nsys.stdout.flush()\nimport time; time.sleep(0.1)\nsys.stderr.write('to stderr\\n\\n\\n')\n")
	tr.task.Replica.Args = []string{"--epochs=2", "--job-dir", "gs://b/out"}
	if exit := tr.run(); exit.Code != 0 {
		t.Fatalf("exit %+v\n%s", exit, tr.printed())
	}
	want := `INFO Running task with arguments: --task=master-0 --module=prog --epochs=2 --job-dir gs://b/out
INFO Running module prog.
INFO No packages to install.
INFO a note
INFO Running command: python3 -m prog --epochs=2 --job-dir gs://b/out
INFO to stdout
ERROR to stderr
INFO Module completed; cleaning up.
INFO Clean up finished.
INFO Task completed successfully.
`
	if got := tr.printed(); got != want {
		t.Errorf("the log is\n%s\nwant\n%s", got, want)
	}
	for _, name := range []string{"user_dir", "home", "tmp"} {
		if _, err := os.Stat(tr.dir.file(name)); err == nil {
			t.Errorf("%s is left of a run that ended well", name)
		}
	}
}

func TestAProgramsEnvironmentIsCleanAndItsFolderFresh(t *testing.T) {
	t.Setenv("SECRET_OF_THE_SERVER", "x")
	t.Setenv("http_proxy", "http://proxy.invalid:3128")
	t.Setenv("no_proxy", "intra.invalid")
	tr := newTrial(t, interpreter(t), "import json, os, sys\nprint(json.dumps([dict(os.environ), os.getcwd(), os.listdir('.'), sys.argv[1:]]))\n")
	tr.task.Replica.Args = []string{"a b", "é", "--job-dir", "gs://b/o"}
	tr.task.Replica.Env = map[string]string{"TF_CONFIG": `{"task":{}}`, "CLOUD_ML_JOB_ID": "the_job"}
	tr.task.Replica.Need = job.Need{CPUs: 1}
	tr.run()
	var line string
	for _, e := range tr.log() {
		if strings.HasPrefix(e.Message, "[") {
			line = e.Message
		}
	}
	var got []json.RawMessage
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	var env map[string]string
	var cwd string
	var files, args []string
	for i, v := range []any{&env, &cwd, &files, &args} {
		if err := json.Unmarshal(got[i], v); err != nil {
			t.Fatal(err)
		}
	}
	for k, want := range map[string]string{
		"SECRET_OF_THE_SERVER": "", "LANG": "C.UTF-8", "HOME": tr.dir.file("home"), "TMPDIR": tr.dir.file("tmp"),
		"TF_CONFIG": `{"task":{}}`, "CLOUD_ML_JOB_ID": "the_job", "TRAINYARD_RUN": string(tr.dir), "TRAINYARD_JOB_DIR": "gs://b/o",
		"GOOGLE_CLOUD_PROJECT": "proj", "CLOUDSDK_CORE_PROJECT": "proj", "OMP_NUM_THREADS": "1",
		"http_proxy": "http://proxy.invalid:3128", "no_proxy": "localhost,127.0.0.1,::1,intra.invalid",
		"STORAGE_EMULATOR_HOST": env["TRAINYARD_ENDPOINT"],
	} {
		if env[k] != want {
			t.Errorf("%s is %q, want %q", k, env[k], want)
		}
	}
	if !strings.HasPrefix(env["TRAINYARD_ENDPOINT"], "http://127.0.0.1:") {
		t.Errorf("TRAINYARD_ENDPOINT is %q", env["TRAINYARD_ENDPOINT"])
	}
	if cwd != tr.dir.file("user_dir") || len(files) != 0 {
		t.Errorf("the program runs in %s, which holds %q", cwd, files)
	}
	if want := tr.task.Replica.Args; !slices.Equal(args, want) {
		t.Errorf("the program got %q, want %q", args, want)
	}
}

func TestAFailureLeavesTheTracebackTheTailAndTheFolder(t *testing.T) {
	tr := newTrial(t, interpreter(t), "print('before')\nopen('left', 'w').close()\nraise ValueError('no such thing')\n")
	exit := tr.run()
	if exit.Code != 1 || exit.Step != "run" || !strings.HasPrefix(exit.Traceback, "Traceback (most recent call last):\n") || !strings.HasSuffix(exit.Traceback, "ValueError: no such thing") {
		t.Errorf("the record is %+v", exit)
	}
	if !slices.Contains(exit.Tail, "before") || !slices.Contains(exit.Tail, "ValueError: no such thing") {
		t.Errorf("the tail is %q", exit.Tail)
	}
	if n := strings.Count(tr.printed(), "ValueError: no such thing"); n != 1 {
		t.Errorf("the exception is in the log %d times:\n%s", n, tr.printed())
	}
	if _, err := os.Stat(filepath.Join(string(tr.dir), "user_dir", "left")); err != nil {
		t.Error("what a failed program left is gone")
	}
}

func TestAMissingModuleIsInTheTail(t *testing.T) {
	tr := newTrial(t, interpreter(t), "")
	tr.task.Replica.Module = "trainer.task"
	if exit := tr.run(); exit.Code != 1 || !strings.Contains(strings.Join(exit.Tail, "\n"), "No module named") {
		t.Errorf("the record is %+v", exit)
	}
}

func TestAProcessThatHoldsThePipesDoesNotHangTheEnd(t *testing.T) {
	tr := newTrial(t, interpreter(t), `
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("grandchild", flush=True)
        time.sleep(3600)
    os._exit(0)
os.wait()
time.sleep(0.2)
print("main ends")
`)
	start := time.Now()
	if exit := tr.run(); exit.Code != 0 {
		t.Fatalf("the record is %+v", exit)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("the end took %v", d)
	}
	if n := len(tree{dir: string(tr.dir)}.members()); n != 0 {
		t.Errorf("%d processes are left", n)
	}
}

// A program that waits for an answer to each of its lines gets it: lines are
// in the log while it runs, whether or not it flushes.
func TestALineIsInTheLogWhenItIsPrinted(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	tr := newTrial(t, interpreter(t), fmt.Sprintf(`
import os, sys, time
for i in range(20):
    print('line %%d ends' %% i, file=sys.stderr if i %% 3 == 0 else sys.stdout)
    while not os.path.exists('%s-%%d' %% i):
        time.sleep(0.002)
`, gate))
	tr.start()
	for i := range 20 {
		tr.awaitLine(fmt.Sprintf("line %d ends", i))
		if err := os.WriteFile(fmt.Sprintf("%s-%d", gate, i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if exit := tr.end(); exit.Code != 0 {
		t.Errorf("the record is %+v", exit)
	}
}

func TestNoLineOfAFloodIsLostOrDoubled(t *testing.T) {
	tr := newTrial(t, interpreter(t), "for i in range(100000): print(i)\n")
	tr.run()
	next := 0
	for _, e := range tr.log() {
		if n, err := strconv.Atoi(e.Message); err == nil {
			if n != next {
				t.Fatalf("after line %d comes line %d", next-1, n)
			}
			next++
		}
	}
	if next != 100000 {
		t.Errorf("%d of 100000 lines are in the log", next)
	}
}

func TestOutOfMemoryIsAFact(t *testing.T) {
	g, err := makeGroup("test-probe", 64<<20)
	defer g.remove()
	if err != nil {
		t.Skipf("SKIPPED: memory cannot be limited here: %v", err)
	}
	tr := newTrial(t, interpreter(t), "hold = bytearray(512 << 20)\nfor i in range(0, len(hold), 4096):\n    hold[i] = 1\n")
	tr.task.MemoryLimit = 64 << 20
	exit := tr.run()
	if exit.Code != 137 || !exit.OutOfMem || exit.MemLimit != 64<<20 || exit.PeakMemory < 60<<20 || exit.PeakMemory > 65<<20 {
		t.Errorf("the record is %+v", exit)
	}
	tr = newTrial(t, interpreter(t), "pass\n")
	tr.task.MemoryLimit = 64 << 20
	if exit := tr.run(); exit.Code != 0 || exit.OutOfMem || exit.PeakMemory == 0 {
		t.Errorf("a small program's record is %+v", exit)
	}
}

func TestMemoryAndTimeAreMeasured(t *testing.T) {
	tr := newTrial(t, interpreter(t), `
import subprocess, sys
hold = bytearray(100 << 20)
for i in range(0, len(hold), 4096):
    hold[i] = 1
subprocess.check_call([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"])
`)
	exit := tr.run()
	if exit.PeakMemory < 100<<20 || exit.CPUSeconds < 0.3 || exit.CPUSeconds > 30 {
		t.Errorf("the record is %+v", exit)
	}
}

func TestAStopBeforeTheBeginningRunsNothing(t *testing.T) {
	tr := newTrial(t, interpreter(t), "print('it ran')\n")
	if err := WriteTask(string(tr.dir), tr.task); err != nil {
		t.Fatal(err)
	}
	if err := tr.dir.Stop(); err != nil {
		t.Fatal(err)
	}
	tr.launch()
	if exit := tr.end(); exit.Code != 143 || !exit.Requested {
		t.Errorf("the record is %+v", exit)
	}
	if strings.Contains(tr.printed(), "it ran") {
		t.Error("the program ran")
	}
}

func TestASecondAgentRunsNothing(t *testing.T) {
	tr := newTrial(t, interpreter(t), "import os, time\nprint('it ran', flush=True)\nwhile not os.path.exists('end'): time.sleep(0.01)\n")
	tr.start()
	tr.awaitLine("it ran")
	first := tr.cmd
	tr.launch()
	if err := tr.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if tr.dir.Ended() {
		t.Error("the second agent wrote an exit record")
	}
	if err := os.WriteFile(filepath.Join(tr.dir.file(UserDir), "end"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tr.cmd = first
	tr.end()
	tr.launch()
	tr.end()
	if n := strings.Count(tr.printed(), "it ran"); n != 1 {
		t.Errorf("the program ran %d times", n)
	}
}

func TestAStepThatFailsIsTold(t *testing.T) {
	for _, tt := range []struct {
		fail string
		want job.Exit
	}{
		{"install", job.Exit{Code: 2, Step: "install", Message: "it does not install", Tail: []string{"no such thing"}}},
		{"index", job.Exit{Code: 1, Step: "environment", Message: "the index is away", Retry: true}},
	} {
		tr := newTrial(t, interpreter(t), "")
		tr.task.Environments["fail"] = tt.fail
		got := tr.run()
		if got.Code != tt.want.Code || got.Step != tt.want.Step || got.Message != tt.want.Message || got.Retry != tt.want.Retry || !slices.Equal(got.Tail, tt.want.Tail) && tt.want.Tail != nil {
			t.Errorf("%s: the record is %+v, want %+v", tt.fail, got, tt.want)
		}
	}
}

func TestADeadAgentIsLostAndReapFindsWhatItLeft(t *testing.T) {
	tr := newTrial(t, interpreter(t), `
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(3600)"], {})
print("ready", flush=True)
time.sleep(3600)
`)
	tr.start()
	tr.awaitLine("ready")
	if err := tr.dir.Reap(); err == nil {
		t.Error("Reap ended a run whose agent lives")
	}
	var me self
	if err := readJSON(tr.dir.file(agentFile), &me); err != nil {
		t.Fatal(err)
	}
	all := tree{root: me.Pid, dir: string(tr.dir)}
	if me.Group != "" {
		all.group = openGroup(me.Group, me.Others)
	}
	if err := syscall.Kill(me.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = tr.cmd.Wait()
	st, err := tr.dir.Status()
	if err != nil || st.State != job.ReplicaLost {
		t.Errorf("without its agent the run is %s, %v", st.State, err)
	}
	all.root = 0
	if n := len(all.members()); n < 3 {
		t.Errorf("%d processes are left of a dead agent, so that Reap proves nothing", n)
	}
	if err := tr.dir.Reap(); err != nil {
		t.Fatal(err)
	}
	if left := all.members(); len(left) != 0 {
		t.Errorf("after Reap %v are left", left)
	}
	if runtime.GOOS == "linux" && me.Group != "" {
		if _, err := os.Stat(me.Group); err == nil {
			t.Errorf("the group %s is left", me.Group)
		}
	}
}
