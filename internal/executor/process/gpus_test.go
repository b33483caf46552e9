package process

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

const (
	twoGPUs = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa-1)\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb-2)\n"
	parts   = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa-1)\n  MIG 3g.20gb     Device  0: (UUID: MIG-cccc-3)\n  MIG 3g.20gb     Device  1: (UUID: MIG-dddd-4)\nGPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb-2)\n"
)

func TestGPUsAreListed(t *testing.T) {
	for list, want := range map[string][]gpu{
		"":      nil,
		twoGPUs: {{"0", "GPU-aaaa-1"}, {"1", "GPU-bbbb-2"}},
		parts:   {{"MIG-cccc-3", "MIG-cccc-3"}, {"MIG-dddd-4", "MIG-dddd-4"}, {"1", "GPU-bbbb-2"}},
		"GPU 0: Tesla K80\r\nGPU 10: Tesla K80\r\n":                                                  {{"0", ""}, {"10", ""}},
		"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n  MIG x\n\n": nil,
	} {
		if got := parseGPUs(list); !slices.Equal(got, want) {
			t.Errorf("of %q are listed %v, want %v", list, got, want)
		}
	}
	all := []gpu{{"0", "GPU-aaaa-1"}, {"1", "GPU-bbbb-2"}, {"2", "GPU-cccc-3"}}
	for value, want := range map[string]string{"": "", "0,1": "01", "2, 0": "20", "GPU-bbbb": "1", "1,9,0": "1", "-1": "", "NoDevFiles": ""} {
		got := ""
		for _, g := range visible(all, value) {
			got += g.name
		}
		if got != want {
			t.Errorf("CUDA_VISIBLE_DEVICES=%s shows %q, want %q", value, got, want)
		}
	}
}

func FuzzParseGPUs(f *testing.F) {
	f.Add(twoGPUs)
	f.Add(parts)
	f.Fuzz(func(t *testing.T, list string) {
		for _, g := range parseGPUs(list) {
			if g.name == "" || strings.ContainsAny(g.name, ",\n") {
				t.Errorf("%q has a GPU of the name %q", list, g.name)
			}
		}
	})
}

// fakeGPUs puts a tool on PATH that lists GPUs as the vendor's does.
func fakeGPUs(t *testing.T, list string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\ncat <<'END'\n" + list + "END\n"
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// asking is an attempt whose replicas ask for GPUs.
func asking(seq int64, gpus ...int) executor.Attempt {
	a := master(seq, "exit", "0")
	a.Replicas[0].Need.GPUs = gpus[0]
	for i, n := range gpus[1:] {
		w := a.Replicas[0]
		w.Replica, w.Need.GPUs = job.Replica{Role: job.Worker, Index: i}, n
		a.Replicas = append(a.Replicas, w)
	}
	return a
}

func TestGPUsAreGivenOutUntilTheAttemptIsRemoved(t *testing.T) {
	fakeGPUs(t, twoGPUs+"GPU 2: NVIDIA H100 80GB HBM3 (UUID: GPU-cccc-3)\n")
	data := dataDir(t)
	e := newExecutor(t, data)
	if c, err := e.Capacity(t.Context()); err != nil || c.GPUs != 3 {
		t.Fatalf("the capacity is %+v, %v", c, err)
	}
	first := asking(1, 1, 1, 0)
	for range 2 { // again after a crash before the answer was stored
		if _, err := e.Reserve(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	e = newExecutor(t, data) // as after a restart of the server
	if _, err := e.Reserve(t.Context(), asking(2, 2)); !fault.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), "2 GPUs together; of this machine's 3, 1 are free") {
		t.Errorf("two GPUs where one is free: %v", err)
	}
	if _, err := e.Start(t.Context(), asking(3, 4)); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "this machine has 3") {
		t.Errorf("more GPUs than there are: %v", err)
	}
	h, err := e.Start(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	other, err := e.Start(t.Context(), asking(4, 1)) // never reserved
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		handle  string
		replica job.Replica
		gpus    []string
	}{
		{h, job.Replica{Role: job.Master}, []string{"0"}},
		{h, job.Replica{Role: job.Worker}, []string{"1"}},
		{h, job.Replica{Role: job.Worker, Index: 1}, []string{}}, // and not nil: it sees none
		{other, job.Replica{Role: job.Master}, []string{"2"}},
	} {
		task, err := agent.ReadTask(string(runDir(t, data, want.handle, want.replica, 0)))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(task.GPUs, want.gpus) {
			t.Errorf("%v has the GPUs %#v, want %#v", want.replica, task.GPUs, want.gpus)
		}
	}
	for _, h := range []string{h, other} {
		untilEnded(t, e, h)
		if err := e.Remove(t.Context(), h, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []*Executor{e, newExecutor(t, data)} {
		if _, err := e.Reserve(t.Context(), asking(5, 3)); err != nil {
			t.Errorf("after the others are removed: %v", err)
		}
	}
}

func TestAMachineWithoutGPUsLeavesPrograms(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin")
	e := newExecutor(t, dataDir(t))
	if len(e.devices(t.Context())) > 0 {
		t.Skip("this machine has GPUs")
	}
	if got := e.gpusOf(t.Context(), record{}, executor.Replica{}); got != nil {
		t.Errorf("a program is told of the GPUs %#v", got)
	}
}

func untilEnded(t *testing.T, e *Executor, h string) {
	t.Helper()
	var seen executor.Status
	for {
		st, err := e.Wait(t.Context(), h, seen)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(st.Replicas, func(rs executor.ReplicaStatus) bool { return rs.State != job.ReplicaExited }) {
			return
		}
		seen = st
	}
}

func TestAJobsMemoryIsDividedByWhatItsReplicasAskFor(t *testing.T) {
	e := &Executor{Options: Options{JobMemory: 8 << 30}}
	a := asking(1, 0, 0, 0)
	for i, gib := range []int64{4, 2, 2} {
		a.Replicas[i].Need.Memory = gib << 30
	}
	got := e.memoryLimits(a)
	for i, want := range []int64{4, 2, 2} {
		if l := got[a.Replicas[i].Replica]; l != want<<30 {
			t.Errorf("%v may use %d bytes, want %d GiB", a.Replicas[i].Replica, l, want)
		}
	}
	for i := range a.Replicas {
		a.Replicas[i].Need.Memory = 0
	}
	if l := e.memoryLimits(a)[a.Replicas[2].Replica]; l > (8<<30)/3 || l < (8<<30)/3-2 {
		t.Errorf("of a job that asks for nothing, a replica may use %d bytes", l)
	}
	if e.JobMemory = 0; e.memoryLimits(a) != nil {
		t.Error("there is a limit without one being set")
	}
}

// TestAToolThatDoesNotAnswerIsGivenUp: it is a script, whose child has its output.
func TestAToolThatDoesNotAnswerIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nsleep 600 &\necho $! > " + dir + "/child\nwait\n"
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	done := make(chan error, 1)
	go func() {
		_, err := askDevices(t.Context(), time.Second, io.Discard, "-L")
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error of a tool that was killed")
		}
	case <-time.After(20 * time.Second):
		t.Error("the tool's child is waited for")
	}
	b, err := os.ReadFile(dir + "/child")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}
