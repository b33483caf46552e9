package process

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// start is what a server does that is killed meanwhile.
type start struct {
	Data         string
	Environments map[string]string
	Attempts     []executor.Attempt
}

func runStart(path string) int {
	b, err := os.ReadFile(path)
	var s start
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	var e *Executor
	if err == nil {
		e, err = New(Options{DataDir: s.Data, Environments: s.Environments})
	}
	for _, a := range s.Attempts {
		if err == nil {
			_, err = e.Start(context.Background(), a)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestNoProgramRunsTwiceOrNeverWhenTheServerIsKilledWhileItStarts(t *testing.T) {
	data := dataDir(t)
	e := newExecutor(t, data)
	marks := t.TempDir()
	kills := 12
	if testing.Short() {
		kills = 4
	}
	for n := range kills {
		s := start{Data: data, Environments: e.Environments}
		for k := range 3 {
			seq := int64(10*n + k + 1)
			s.Attempts = append(s.Attempts, executor.Attempt{
				Name: fmt.Sprintf("j%d-a1", seq), Seq: seq, Number: 1, Job: job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%d", seq))},
				Replicas: []executor.Replica{{
					Replica: job.Replica{Role: job.Master}, Module: "doer", Grace: time.Second,
					Args: []string{"mark", filepath.Join(marks, fmt.Sprint(seq)), "exit", "0"},
				}},
			})
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(marks, "start.json")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		server := exec.Command(exe, "start", path)
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(rand.IntN(40)) * time.Millisecond) // the random moment
		_ = server.Process.Kill()
		_ = server.Wait()

		again := newExecutor(t, data)
		for _, a := range s.Attempts {
			h, err := again.Start(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			rs := waitEnd(t, again, h)
			if rs.Exit == nil || rs.Exit.Code != 0 {
				t.Errorf("attempt %s ended as %+v", a.Name, rs)
			}
			b, err := os.ReadFile(a.Replicas[0].Args[1])
			if ran := strings.Count(string(b), "\n"); err != nil || ran != 1 {
				t.Errorf("the program of %s ran %d times: %v", a.Name, ran, err)
			}
		}
	}
}

func TestAnAgentKilledAtAnyMomentLeavesAClearState(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	marks := t.TempDir()
	kills := 15
	if testing.Short() {
		kills = 5
	}
	for n := range kills {
		mark := filepath.Join(marks, fmt.Sprint(n))
		a := master(int64(n+1), "child", "mark", mark+".0", "run", "10ms")
		h, err := e.Start(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(rand.IntN(100)) * time.Millisecond) // the random moment
		if pid, alive, err := runDir(t, e.DataDir, h, a.Replicas[0].Replica, 0).Alive(); err == nil && alive {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		rs := waitEnd(t, e, h)
		if rs.State == job.ReplicaLost {
			if err := e.Reap(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			if left := processes(t, e.DataDir, h); len(left) != 0 {
				t.Errorf("after Reap %v are left", left)
			}
			a.Replicas[0].Run, a.Replicas[0].Args = 1, []string{"mark", mark + ".1"}
			if _, err := e.Start(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			rs = waitEnd(t, e, h)
		}
		if rs.Exit == nil || rs.Exit.Code != 0 {
			t.Errorf("in the end the run is %+v, %+v", rs, rs.Exit)
		}
		for run := range rs.Run + 1 {
			b, _ := os.ReadFile(fmt.Sprintf("%s.%d", mark, run))
			if ran := strings.Count(string(b), "\n"); ran > 1 || run == rs.Run && ran != 1 {
				t.Errorf("run %d ran %d times", run, ran)
			}
		}
		if err := e.Remove(t.Context(), h, 0); err != nil {
			t.Error(err)
		}
	}
}

func waitEnd(t *testing.T, e *Executor, h string) executor.ReplicaStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var seen executor.Status
	for {
		st, err := e.Wait(ctx, h, seen)
		if err != nil {
			t.Fatal(err)
		}
		if len(st.Replicas) > 0 && (st.Replicas[0].Exit != nil || st.Replicas[0].State == job.ReplicaLost) {
			return st.Replicas[0]
		}
		seen = st
	}
}
