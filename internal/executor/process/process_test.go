package process

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/executor/executortest"
	"github.com/trainyard/trainyard/internal/job"
)

// The test binary is the agent too, as trainyard is in earnest.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		os.Exit(runAgent(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "start" {
		os.Exit(runStart(os.Args[2]))
	}
	os.Exit(m.Run())
}

func runAgent(args []string) int {
	fs := flag.NewFlagSet("agent", flag.ExitOnError)
	dir := fs.String("dir", "", "")
	data := fs.String("data-dir", "", "")
	_ = fs.Parse(args)
	err := agent.Run(context.Background(), *dir, agent.Options{
		DataDir: *data, Environ: os.Environ(), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Environments: func(config map[string]string, _ string) (agent.Environments, error) { return system(config), nil },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// system is the machine's own Python with the programs of testdata on its path.
type system map[string]string

func (s system) Prepare(ctx context.Context, req agent.EnvRequest, _ func(string)) (agent.Env, error) {
	file, wait := strings.CutPrefix(req.Runtime, executortest.Until)
	for wait {
		if _, err := os.Stat(file); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return agent.Env{}, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	if req.Runtime == executortest.Never {
		return agent.Env{}, errors.New("there is no such environment")
	}
	return agent.Env{Python: s["python"], Vars: map[string]string{"PYTHONPATH": s["app"]}, Cached: true}, nil
}

// python is a real interpreter: one on PATH may be a script that does not work
// in a clean environment.
var python = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	return strings.TrimSpace(string(out)), err
})

func newExecutor(t *testing.T, data string) *Executor {
	t.Helper()
	py, err := python()
	if err != nil {
		t.Skip("SKIPPED: there is no python3 on PATH, and nothing of this executor is tested")
	}
	app, err := filepath.Abs("testdata/app")
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{
		DataDir: data, Environments: map[string]string{"python": py, "app": app},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSuite(t *testing.T) {
	data := dataDir(t)
	executortest.Run(t, executortest.Harness{
		New:    func(t *testing.T) executor.Executor { return newExecutor(t, data) },
		Module: "doer",
		Lose: func(t *testing.T, h string, r job.Replica) {
			pid, alive, err := runDir(t, data, h, r, 0).Alive()
			if err != nil || !alive {
				t.Fatalf("there is no agent to kill: %v", err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		},
		Left:     func(t *testing.T, h string) int { return len(processes(t, data, h)) },
		Prepares: true,
	})
}

// dataDir is a data directory in which nothing is left running.
func dataDir(t *testing.T) string {
	t.Helper()
	data, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range marked(t, data) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return data
}

func runDir(t *testing.T, data, h string, r job.Replica, n int) agent.Folder {
	t.Helper()
	parsed, err := parseHandle(h)
	if err != nil {
		t.Fatal(err)
	}
	e := &Executor{Options: Options{DataDir: data}}
	return agent.Folder(filepath.Join(e.attemptDir(parsed), agent.RunName(r, n)))
}

// processes are those of an attempt without its agents.
func processes(t *testing.T, data, h string) []int {
	t.Helper()
	parsed, err := parseHandle(h)
	if err != nil {
		t.Fatal(err)
	}
	e := &Executor{Options: Options{DataDir: data}}
	var left []int
	for _, pid := range marked(t, e.attemptDir(parsed)) {
		if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); !strings.Contains(string(args), "\x00agent\x00") {
			left = append(left, pid)
		}
	}
	return left
}

// marked are the processes whose run is below dir.
func marked(t *testing.T, dir string) []int {
	t.Helper()
	envs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range envs {
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), "TRAINYARD_RUN="+dir+"/") {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
