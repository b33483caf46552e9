package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

func master(seq int64, args ...string) executor.Attempt {
	return executor.Attempt{
		Name: fmt.Sprintf("j%d-a1", seq), Seq: seq, Number: 1, Job: job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%d", seq))},
		Replicas: []executor.Replica{{Replica: job.Replica{Role: job.Master}, Module: "doer", Args: args, Grace: time.Second}},
	}
}

// started starts an attempt and waits until its program has left its mark.
func started(t *testing.T, e *Executor, a executor.Attempt, marks string) string {
	t.Helper()
	h, err := e.Start(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(2 * time.Millisecond) {
		if _, err := os.Stat(marks); err == nil {
			return h
		}
		if time.Now().After(deadline) {
			t.Fatal("the program does not run")
		}
	}
}

func TestALostAgentIsNoticedWithinASecond(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	marks := filepath.Join(t.TempDir(), "marks")
	h := started(t, e, master(1, "mark", marks, "run", "forever"), marks)
	pid, _, err := runDir(t, e.DataDir, h, job.Replica{Role: job.Master}, 0).Alive()
	if err != nil {
		t.Fatal(err)
	}
	seen, err := e.Wait(t.Context(), h, executor.Status{})
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	seen, err = e.Wait(t.Context(), h, seen)
	if d := time.Since(killed); err != nil || seen.Replicas[0].State != job.ReplicaLost || d > 30*time.Second {
		t.Errorf("%v after its agent's death the run is %s, %v", d, seen.Replicas[0].State, err)
	}
	if len(processes(t, e.DataDir, h)) == 0 {
		t.Error("the program is gone with its agent")
	}
	if err := e.Stop(t.Context(), h); err != nil {
		t.Error(err)
	}
	if left := processes(t, e.DataDir, h); len(left) != 0 {
		t.Errorf("after Stop of a lost run %v are left", left)
	}
}

func TestATaskWhoseServerDiedBeforeTheLaunchIsRun(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	e.launchGrace = 50 * time.Millisecond
	marks := filepath.Join(t.TempDir(), "marks")
	a := master(1, "mark", marks)
	if err := e.writeRecord(record{handle: handleOf(a)}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.writeTasks(t.Context(), record{handle: handleOf(a)}, a); err != nil {
		t.Fatal(err)
	}
	if rs := waitEnd(t, e, handleOf(a).String()); rs.Exit == nil || rs.Exit.Code != 0 {
		t.Errorf("the run ended as %+v", rs)
	}
	if b, err := os.ReadFile(marks); err != nil || strings.Count(string(b), "\n") != 1 {
		t.Errorf("the marks are %q, %v", b, err)
	}
}

func TestAFolderWhoseServerDiedBeforeTheTaskIsNoRun(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	a := master(1, "run", "forever")
	h := handleOf(a)
	cutOff := func() {
		t.Helper()
		if err := e.writeRecord(record{handle: h}); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(e.attemptDir(h), agent.RunName(a.Replicas[0].Replica, 0)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cutOff()
	if st, err := e.Wait(t.Context(), h.String(), executor.Status{}); err != nil || len(st.Replicas) != 0 {
		t.Errorf("Wait = %+v, %v; want no replica", st, err)
	}
	if err := e.Stop(t.Context(), h.String()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := e.Remove(t.Context(), h.String(), time.Hour); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if entries, err := filepath.Glob(filepath.Join(e.DataDir, "*", "*", "*")); err != nil || len(entries) != 0 {
		t.Errorf("Remove leaves %v, %v", entries, err)
	}

	cutOff()
	marks := filepath.Join(t.TempDir(), "marks")
	a.Replicas[0].Args = []string{"mark", marks}
	started(t, e, a, marks)
	if rs := waitEnd(t, e, h.String()); rs.Exit == nil || rs.Exit.Code != 0 {
		t.Errorf("started after all, the run ended as %+v", rs.Exit)
	}
}

func TestAnAgentThatDoesNotWorkIsAnExitRecord(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho this program is damaged >&2\nexit 9\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{DataDir: dataDir(t), Binary: broken})
	if err != nil {
		t.Fatal(err)
	}
	h, err := e.Start(t.Context(), master(1))
	if err != nil {
		t.Fatal(err)
	}
	rs := waitEnd(t, e, h)
	if rs.Exit == nil || rs.Exit.Code != 1 || !rs.Exit.Retry || !strings.Contains(strings.Join(rs.Exit.Tail, "\n"), "this program is damaged") {
		t.Errorf("the run ended as %+v", rs.Exit)
	}
}

func TestAGangIsNotStartedInPart(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	marks := filepath.Join(t.TempDir(), "marks")
	a := master(1, "run", "200ms", "mark", marks, "run", "forever")
	w := a.Replicas[0]
	w.Role = job.Worker
	a.Replicas = append(a.Replicas, w)
	// The second agent cannot be started: its error file is a folder.
	bad := filepath.Join(e.attemptDir(handleOf(a)), "worker-0.0", agent.ErrFile)
	if err := os.MkdirAll(bad, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Start(t.Context(), a); err == nil {
		t.Fatal("Start reports no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	h := handleOf(a).String()
	var st executor.Status
	for len(st.Replicas) == 0 || st.Replicas[0].Exit == nil {
		var err error
		if st, err = e.Wait(ctx, h, st); err != nil {
			t.Fatal(err)
		}
	}
	if !st.Replicas[0].Exit.Requested {
		t.Errorf("the master's record is %+v, want one that was asked to end", *st.Replicas[0].Exit)
	}
	if _, err := os.Stat(marks); err == nil {
		t.Error("the master ran on")
	}
}

func TestTheFolderOfAFailedRunIsKeptForAWhile(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	for seq, code := range map[int64]string{1: "0", 2: "3"} {
		h, err := e.Start(t.Context(), master(seq, "mark", "left", "exit", code))
		if err != nil {
			t.Fatal(err)
		}
		waitEnd(t, e, h)
		if err := e.Remove(t.Context(), h, 24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	kept := filepath.Join(e.DataDir, "jobs", "2", "kept", "a1-master-0.0", "user_dir", "left")
	logs, _ := filepath.Glob(filepath.Join(e.DataDir, "jobs", "*", "logs", "*.log"))
	all, _ := filepath.Glob(filepath.Join(e.DataDir, "jobs", "*", "kept", "*"))
	if _, err := os.Stat(kept); err != nil || len(all) != 1 || len(logs) != 2 {
		t.Errorf("kept: %v, %q; logs: %q", err, all, logs)
	}
	if err := e.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error("it is swept before its time")
	}
	if err := e.sweep(t.Context(), time.Now().Add(25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(e.DataDir, "jobs", "2", "kept")); err == nil {
		t.Error("it is kept after its time")
	}
}

func TestPortsAreReservedAcrossServers(t *testing.T) {
	data := dataDir(t)
	e := newExecutor(t, data)
	given := map[string]bool{}
	for seq := range int64(20) {
		if seq%5 == 0 {
			e = newExecutor(t, data)
		}
		got, err := e.Reserve(t.Context(), master(seq+1))
		if err != nil {
			t.Fatal(err)
		}
		addr := got[job.Replica{Role: job.Master}]
		host, port, err := net.SplitHostPort(addr)
		low, high := portRange()
		var n int
		if _, serr := fmt.Sscan(port, &n); err != nil || serr != nil || host != "127.0.0.1" || n < low || n >= high || given[addr] {
			t.Errorf("attempt %d got %q, of [%d, %d); given: %v", seq, addr, low, high, given)
		}
		given[addr] = true
	}
	held, err := e.List(t.Context())
	if err != nil || len(held) != 20 {
		t.Errorf("%d attempts are held, %v", len(held), err)
	}
	for _, h := range held {
		if err := e.Remove(t.Context(), h, 0); err != nil {
			t.Error(err)
		}
	}
	if len(e.ports) != 0 {
		t.Errorf("after Remove %v are reserved", e.ports)
	}
}

func TestCapacityIsTheMachines(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	c, err := e.Capacity(t.Context())
	if err != nil || c.CPUs <= 0 || c.Memory < 64<<20 {
		t.Errorf("the capacity is %+v, %v", c, err)
	}
}

func TestNamesThatArePathsAreRefused(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	for _, name := range []string{"", ".", "..", "a/b", "../x", ".hidden"} {
		a := master(1)
		a.Name = name
		if _, err := e.Start(t.Context(), a); !fault.Is(err, fault.Invalid) {
			t.Errorf("Start of %q says %v", name, err)
		}
		if _, err := e.Wait(t.Context(), handleOf(a).String(), executor.Status{}); !fault.Is(err, fault.NotFound) {
			t.Errorf("Wait for %q says %v", name, err)
		}
	}
}

func FuzzParseHandle(f *testing.F) {
	f.Add(`{"name":"j1-a1","seq":1,"attempt":1}`)
	f.Add(`{"name":"../x"}`)
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHandle(s)
		if err != nil {
			return
		}
		again, err := parseHandle(h.String())
		if err != nil || again != h || filepath.Dir((&Executor{}).record(h.Name)) != "attempts" {
			t.Errorf("parseHandle(%q) = %+v, again %+v, %v", s, h, again, err)
		}
	})
}

func FuzzParseRun(f *testing.F) {
	f.Add("master-0.0")
	f.Add("worker-12.3")
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := parseRun(s); ok && agent.RunName(r.Replica, r.number) != s {
			t.Errorf("parseRun(%q) = %+v", s, r)
		}
	})
}

// A record was missing now and then, because the agent collected the program
// as an orphan before it had read how it ended.
func TestEveryStopHasItsRecord(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	var handles []string
	for seq := range int64(20) {
		marks := filepath.Join(t.TempDir(), "marks")
		handles = append(handles, started(t, e, master(seq+1, "mark", marks, "run", "forever"), marks))
	}
	for _, h := range handles {
		if err := e.Stop(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range handles {
		if rs := waitEnd(t, e, h); rs.Exit == nil || rs.Exit.Code != 143 {
			t.Errorf("%s ended as %+v, %+v", h, rs, rs.Exit)
		}
	}
}

// TestAnAgentsEndIsToldAtOnce has the files looked at so seldom that only the
// end of the agent itself can tell.
func TestAnAgentsEndIsToldAtOnce(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	e.fileTick = time.Hour
	h, err := e.Start(t.Context(), master(1, "mark", filepath.Join(t.TempDir(), "marks")))
	if err != nil {
		t.Fatal(err)
	}
	if rs := waitEnd(t, e, h); rs.Exit == nil || rs.Exit.Code != 0 {
		t.Errorf("the run ended as %+v", rs)
	}
	if len(e.waits) != 0 {
		t.Errorf("%d still wait", len(e.waits))
	}
}
