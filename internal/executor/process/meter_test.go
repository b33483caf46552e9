package process

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/job"
)

// writeStat makes a process in a folder that stands for /proc.
func writeStat(t testing.TB, root string, pid, ppid, ticks, childTicks, pages int, name string) {
	t.Helper()
	dir := filepath.Join(root, fmt.Sprint(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194304 1 0 0 0 %d %d %d 0 20 0 1 0 100 1000000 %d 18446744073709551615 1 1 0\n", pid, name, ppid, ticks, 0, childTicks, pages)
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestATreeOfProcessesIsSummed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: processes are read from /proc")
	}
	root := t.TempDir()
	writeStat(t, root, 10, 1, 500, 200, 1000, "agent")     // its own time is not the program's; that of ended children is
	writeStat(t, root, 11, 10, 100, 50, 10, "python3 (x)") // 1 s + 0.5 s
	writeStat(t, root, 12, 11, 25, 0, 5, "worker) S 1")    // 0.25 s
	writeStat(t, root, 20, 1, 9999, 0, 9999, "another")
	p, err := processTrees(root)
	if err != nil {
		t.Fatal(err)
	}
	got := p.below(10)
	if want := (total{cpu: 3750 * time.Millisecond, memory: 15 * int64(os.Getpagesize()), count: 2}); got != want {
		t.Errorf("below 10: %+v, want %+v", got, want)
	}
	if got := p.below(99); got != (total{}) {
		t.Errorf("below one that is not there: %+v", got)
	}
}

func TestSamplesOnlyGrow(t *testing.T) {
	group := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(group, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("memory.current", "5000\n")
	put("memory.peak", "9000\n")
	put("memory.stat", "anon 1\ninactive_file 1000\n")
	r := &metered{replica: job.Replica{Role: job.Master}, where: agent.Where{Agent: 1 << 30, Group: group}}
	r.last.CPUSeconds = 7
	now := time.Now()
	r.last.Time = now.Add(-2 * time.Second)
	r.measure(now, procTable{}, nil)
	if u := r.last; u.CPUSeconds != 7 || u.CPU != 0 || u.Memory != 4000 || u.PeakMemory != 9000 {
		t.Errorf("version 2: %+v", u)
	}
	for _, name := range []string{"memory.current", "memory.peak"} {
		os.Remove(filepath.Join(group, name))
	}
	put("memory.usage_in_bytes", "3000\n")
	put("memory.max_usage_in_bytes", "8000\n")
	put("memory.stat", "cache 1\ntotal_inactive_file 500\n")
	r.measure(now.Add(time.Second), procTable{}, nil)
	if u := r.last; u.Memory != 2500 || u.PeakMemory != 9000 {
		t.Errorf("version 1, and the peak before: %+v", u)
	}
}

func TestGPUsTellWhatTheyDo(t *testing.T) {
	all := parseDeviceUsage("0, GPU-1a2b, 87, 4021\n1, GPU-3c4d, [N/A], 0\nnonsense\n")
	if g := all["0"]; g.Busy != 87 || g.Memory != 4021<<20 || all["GPU-1a2b"].Busy != 87 || all["1"].Busy != 0 || len(all) != 4 {
		t.Errorf("%+v", all)
	}
}

// BenchmarkSampleHundredReplicas is one look at a machine with 100 replicas of
// three processes each, and 200 others; at the interval of samples it is the
// part of a processor that is reported.
func BenchmarkSampleHundredReplicas(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("SKIPPED: processes are read from /proc")
	}
	root := b.TempDir()
	for i := range 200 {
		writeStat(b, root, 1000+i, 1, 10, 0, 100, "other")
	}
	runs := make([]*metered, 100)
	for i := range runs {
		agentPid := 10_000 + 10*i
		writeStat(b, root, agentPid, 1, 10, 0, 100, "trainyard")
		writeStat(b, root, agentPid+1, agentPid, 10, 0, 100, "python3")
		writeStat(b, root, agentPid+2, agentPid+1, 10, 0, 100, "python3")
		group := filepath.Join(b.TempDir(), "group")
		if err := os.MkdirAll(group, 0o755); err != nil {
			b.Fatal(err)
		}
		for name, text := range map[string]string{"memory.current": "5000\n", "memory.peak": "9000\n", "memory.stat": "anon 1\ninactive_file 1000\n"} {
			if err := os.WriteFile(filepath.Join(group, name), []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		runs[i] = &metered{where: agent.Where{Agent: agentPid, Group: group}}
	}
	for b.Loop() {
		p, err := processTrees(root)
		if err != nil {
			b.Fatal(err)
		}
		now := time.Now()
		for _, r := range runs {
			r.measure(now, p, nil)
		}
	}
	b.ReportMetric(100*b.Elapsed().Seconds()/float64(b.N)/samplePause.Seconds(), "%-of-a-core")
}
