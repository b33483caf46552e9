package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/confine"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
)

// The test binary is the agent too: an agent adopts orphans and holds its lock
// as a process, so it needs one of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		os.Exit(agentMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == confine.Name {
		os.Exit(confine.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func agentMain(args []string) int {
	fs := flag.NewFlagSet("agent", flag.ExitOnError)
	dir := fs.String("dir", "", "")
	_ = fs.Parse(args)
	exe, _ := os.Executable()
	err := Run(context.Background(), *dir, Options{
		Binary: exe, Environ: os.Environ(), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Environments: func(c map[string]string, _ string) (Environments, error) { return plain(c), nil },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// plain is an interpreter with a folder of modules.
type plain map[string]string

func (p plain) Prepare(_ context.Context, req EnvRequest, log func(string)) (Env, error) {
	for _, f := range req.Packages {
		log("got " + f.Name + " " + f.SHA256)
	}
	switch p["fail"] {
	case "install":
		return Env{}, &StepError{Step: "install", Code: 2, Tail: []string{"no such thing"}, Err: fault.Errorf(fault.Invalid, "it does not install")}
	case "index":
		return Env{}, fault.Errorf(fault.Unavailable, "the index is away")
	}
	return Env{Python: p["python"], BinDir: p["bin"], Vars: map[string]string{"PYTHONPATH": p["path"]}, Notes: []string{"a note"}}, nil
}

// trial is one run of an agent on a program.
type trial struct {
	t    testing.TB
	task *Task
	dir  Folder
	cmd  *exec.Cmd

	stderr io.Writer // of the agent; nil is the test's log
}

func interpreter(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Skip("SKIPPED: there is no python3 on PATH")
	}
	return strings.TrimSpace(string(out))
}

// newTrial prepares a run of the source as a module named prog.
func newTrial(t testing.TB, python, source string) *trial {
	t.Helper()
	data, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(data, "modules")
	dir := filepath.Join(data, "jobs", "1", "a1", "master-0.0")
	for _, d := range []string{path, dir, filepath.Join(data, "jobs", "1", "logs")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(path, "prog.py"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return &trial{t: t, dir: Folder(dir), task: &Task{
		Job: job.Key{Project: "proj", ID: "the_job"}, Seq: 1, Attempt: 1, Name: "j1-a1", DataDir: data,
		Spool: filepath.Join(data, "jobs", "1", "logs", "a1-master-0.0.log"), Packages: filepath.Join(data, "jobs", "1", "packages"),
		Environments: map[string]string{"python": python, "path": path},
		Replica:      executor.Replica{Replica: job.Replica{Role: job.Master}, Module: "prog", Grace: 5 * time.Second, Env: map[string]string{}},
	}}
}

func (tr *trial) start() {
	tr.t.Helper()
	if err := WriteTask(string(tr.dir), tr.task); err != nil {
		tr.t.Fatal(err)
	}
	tr.launch()
}

func (tr *trial) launch() {
	tr.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.cmd = exec.Command(exe, "agent", "--dir", string(tr.dir))
	tr.cmd.Stderr = tr.t.Output()
	if tr.stderr != nil {
		tr.cmd.Stderr = tr.stderr
	}
	tr.cmd.Env = append(os.Environ(), mark(string(tr.dir)), "GORACE=atexit_sleep_ms=0")
	tr.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := tr.cmd.Start(); err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() {
		_ = tr.cmd.Process.Kill()
		_ = tr.cmd.Wait()
		if err := tr.dir.Reap(); err != nil {
			tr.t.Errorf("reap: %v", err)
		}
	})
}

// end waits for the agent and reads the record.
func (tr *trial) end() job.Exit {
	tr.t.Helper()
	if err := tr.cmd.Wait(); err != nil {
		tr.t.Fatalf("the agent: %v", err)
	}
	st, err := tr.dir.Status()
	if err != nil || st.Exit == nil {
		tr.t.Fatalf("after the agent's end the status is %+v, %v", st, err)
	}
	return *st.Exit
}

func (tr *trial) run() job.Exit {
	tr.t.Helper()
	tr.start()
	return tr.end()
}

// log reads the spool.
func (tr *trial) log() []logs.Entry {
	tr.t.Helper()
	f, err := os.Open(tr.task.Spool)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer f.Close()
	var list []logs.Entry
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, longestRecord)
	for sc.Scan() { // a checksum and a space come before each entry
		var e logs.Entry
		if err := json.Unmarshal(sc.Bytes()[9:], &e); err != nil {
			tr.t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// printed is the log as lines, severity first.
func (tr *trial) printed() string {
	var b strings.Builder
	for _, e := range tr.log() {
		fmt.Fprintf(&b, "%s %s\n", e.Severity, e.Message)
	}
	return b.String()
}

// awaitLine waits until the log holds a line: the writer is another process.
func (tr *trial) awaitLine(want string) {
	tr.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(2 * time.Millisecond) {
		if b, err := os.ReadFile(tr.task.Spool); err == nil && strings.Contains(string(b), want) {
			return
		}
		if time.Now().After(deadline) {
			tr.t.Fatalf("the log has no line %q:\n%s", want, tr.printed())
		}
	}
}
