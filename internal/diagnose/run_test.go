package diagnose

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/confine"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// The test binary is the agent too, so that a cause is looked for in what a
// real one recorded.
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
	err := agent.Run(context.Background(), *dir, agent.Options{
		Binary: exe, Environ: os.Environ(), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Environments: func(c map[string]string, _ string) (agent.Environments, error) { return plain(c), nil },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// plain is an interpreter and folders of modules.
type plain map[string]string

func (p plain) Prepare(context.Context, agent.EnvRequest, func(string)) (agent.Env, error) {
	return agent.Env{Python: p["python"], Vars: map[string]string{"PYTHONPATH": p["path"], "PYTHONDONTWRITEBYTECODE": "1"}}, nil
}

// app is a little program that fails. The comments at its top say how it is run
// and what must come out.
type app struct {
	name, module, python string
	args                 []string
	env                  map[string]string
	memory               int64
	cause, says, at      string
}

// readApp reads the comments of testdata/apps/NAME/trainer/task.py.
func readApp(t *testing.T, name string) app {
	t.Helper()
	a := app{name: name, module: "trainer.task", cause: name, env: map[string]string{}}
	f, err := os.Open(filepath.Join("testdata/apps", name, "trainer/task.py"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		key, value, ok := strings.Cut(strings.TrimPrefix(sc.Text(), "# "), ": ")
		if !ok || !strings.HasPrefix(sc.Text(), "# ") {
			continue
		}
		switch key {
		case "args":
			a.args = strings.Fields(value)
		case "module":
			a.module = value
		case "python":
			a.python = value
		case "env":
			k, v, _ := strings.Cut(value, "=")
			a.env[k] = v
		case "memory":
			if _, err := fmt.Sscan(value, &a.memory); err != nil {
				t.Fatal(err)
			}
		case "cause":
			a.cause = strings.TrimSuffix(value, "none")
		case "says":
			a.says = value
		case "at":
			a.at = value
		}
	}
	return a
}

// interpreter is the machine's own, or the one of a version that pyenv has.
func interpreter(t *testing.T, version string) string {
	t.Helper()
	if version == "" {
		out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
		if err != nil {
			t.Skip("SKIPPED: there is no python3 on PATH")
		}
		return strings.TrimSpace(string(out))
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(home, ".pyenv/versions", version+".*", "bin/python"))
	if err != nil || len(list) == 0 {
		t.Skipf("SKIPPED: there is no Python %s in ~/.pyenv", version)
	}
	return list[0]
}

// run runs an app by an agent, and gives what it recorded.
func (a app) run(t *testing.T) Failure {
	t.Helper()
	return a.runBy(t, interpreter(t, a.python))
}

func (a app) runBy(t *testing.T, python string) Failure {
	t.Helper()
	data, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(data, "jobs/1/a1/master-0.0")
	for _, d := range []string{dir, filepath.Join(data, "jobs/1/logs")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	key := job.Key{Project: "p", ID: "j1"}
	task := &agent.Task{
		Job: key, Seq: 1, Attempt: 1, Name: "j1-a1", DataDir: data, MemoryLimit: a.memory,
		Spool: filepath.Join(data, "jobs/1/logs/a1-master-0.0.log"), Packages: filepath.Join(data, "jobs/1/packages"),
		Environments: map[string]string{"python": python, "path": filepath.Join(root, "apps", a.name) + ":" + filepath.Join(root, "site-packages")},
		Replica:      executor.Replica{Replica: job.Replica{Role: job.Master}, Module: a.module, Args: a.args, Grace: 5 * time.Second, Env: a.env},
	}
	if err := agent.WriteTask(dir, task); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "agent", "--dir", dir)
	cmd.Stderr = t.Output()
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	t.Cleanup(func() {
		if err := agent.Folder(dir).Reap(); err != nil {
			t.Errorf("reap: %v", err)
		}
	})
	if err := cmd.Run(); err != nil {
		t.Fatalf("the agent: %v", err)
	}
	st, err := agent.Folder(dir).Status()
	if err != nil || st.Exit == nil {
		t.Fatalf("the status is %+v, %v", st, err)
	}
	if st.Exit.Code == 0 {
		t.Fatalf("the program does not fail: %q", st.Exit.Tail)
	}
	f := failure(st.Exit)
	f.Spec.Module = a.module
	return f
}

func failure(e *job.Exit) Failure {
	f := Failure{Attempt: 1}
	f.Spec = job.Spec{Key: job.Key{Project: "p", ID: "j1"}, Module: "trainer.task", Groups: []job.Group{{Role: job.Master, Count: 1, Machine: "n1-standard-4"}}}
	f.Replica = job.ReplicaRun{Replica: job.Replica{Role: job.Master}, State: job.ReplicaExited, Exit: e}
	return f
}
