package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// TestARunWhoseFolderIsRemovedIsLost: a program may remove its run's folder, or
// parts of it, and goes on; it must not go on beside its own restart.
func TestARunWhoseFolderIsRemovedIsLost(t *testing.T) {
	for name, remove := range map[string]func(e *Executor, h string, run string) error{
		"the run":       func(_ *Executor, _, run string) error { return os.RemoveAll(run) },
		"the attempt":   func(_ *Executor, _, run string) error { return os.RemoveAll(filepath.Dir(run)) },
		"the job":       func(_ *Executor, _, run string) error { return os.RemoveAll(filepath.Dir(filepath.Dir(run))) },
		"what it holds": func(_ *Executor, _, run string) error { return removeIn(run) },
	} {
		for _, fresh := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				e := newExecutor(t, dataDir(t))
				marks := filepath.Join(t.TempDir(), "marks")
				a := master(1, "mark", marks, "run", "forever")
				h := started(t, e, a, marks)
				seen, err := e.Wait(t.Context(), h, executor.Status{})
				if err != nil {
					t.Fatal(err)
				}
				if err := remove(e, h, string(runDir(t, e.DataDir, h, job.Replica{Role: job.Master}, 0))); err != nil {
					t.Fatal(err)
				}
				if fresh { // a server that knows no more than that it was started
					e = newExecutor(t, e.DataDir)
					seen = executor.Status{Replicas: []executor.ReplicaStatus{{Replica: job.Replica{Role: job.Master}}}}
				}
				for seen.Replicas[0].State != job.ReplicaLost {
					if seen, err = e.Wait(t.Context(), h, seen); err != nil {
						t.Fatal(err)
					}
				}
				if err := e.Reap(t.Context(), h); err != nil {
					t.Fatal(err)
				}
				if left := marked(t, e.DataDir); len(left) != 0 {
					t.Errorf("%v are left of it", left)
				}
				a.Replicas[0].Run, a.Replicas[0].Args = 1, []string{"exit", "0"}
				if _, err := e.Start(t.Context(), a); err != nil {
					t.Fatal(err)
				}
				for seen.Replicas[0].Run != 1 || seen.Replicas[0].State != job.ReplicaExited {
					if seen, err = e.Wait(t.Context(), h, seen); err != nil {
						t.Fatal(err)
					}
				}
				if seen.Replicas[0].Exit.Code != 0 {
					t.Errorf("its restart ended as %+v", seen.Replicas[0].Exit)
				}
				if err := e.Remove(t.Context(), h, 0); err != nil {
					t.Error(err)
				}
				if list, err := e.List(t.Context()); err != nil || len(list) != 0 {
					t.Errorf("there is left %v, %v", list, err)
				}
			})
		}
	}
}

func removeIn(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if entry.Name() != "user_dir" {
			_ = os.RemoveAll(filepath.Join(dir, entry.Name()))
		}
	}
	return err
}

// TestFilesThatSayNothingHoldNothingUp: after a power cut a file that was not
// flushed may be empty.
func TestFilesThatSayNothingHoldNothingUp(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	marks := filepath.Join(t.TempDir(), "marks")
	h := started(t, e, master(1, "mark", marks, "run", "forever"), marks)
	run := runDir(t, e.DataDir, h, job.Replica{Role: job.Master}, 0)
	pid, _, err := run.Alive()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(string(run), "status.json"), filepath.Join(string(run), "agent.json"), filepath.Join(string(run), "exit.json"), e.record("j1-a1")}
	for _, file := range files {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e = newExecutor(t, e.DataDir)
	if list, err := e.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("the attempts are %v, %v", list, err)
	}
	var st executor.Status
	for len(st.Replicas) == 0 || st.Replicas[0].State != job.ReplicaLost {
		if st, err = e.Wait(t.Context(), h, st); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Reap(t.Context(), h); err != nil {
		t.Error(err)
	}
	if left := processes(t, e.DataDir, h); len(left) != 0 {
		t.Errorf("%v are left of it", left)
	}
	another := master(2, "exit", "0")
	if _, err := e.Reserve(t.Context(), another); err != nil {
		t.Error(err)
	}
	if err := e.Remove(t.Context(), h, 0); err != nil {
		t.Error(err)
	}
	if list, err := e.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("the attempts are %v, %v", list, err)
	}
}
