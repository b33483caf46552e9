package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestAProgramIsBornInItsGroup(t *testing.T) {
	mounts, err := cgroupMounts("memory")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mounts {
		g := &group{dir: filepath.Join(m.own, groupPrefix+"test-born"), v2: m.v2}
		if err := syscall.Mkdir(g.dir, 0o755); err != nil {
			t.Logf("SKIPPED: no group can be made in %s: %v", m.own, err)
			continue
		}
		cmd := exec.Command("sleep", "3600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := g.start(cmd); err != nil {
			t.Fatalf("%s: %v", g.dir, err)
		}
		if got := g.procs(); !slices.Equal(got, []int{cmd.Process.Pid}) {
			t.Errorf("%s holds %v, want the program, %d, only", g.dir, got, cmd.Process.Pid)
		}
		if err := (tree{group: g}).kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
		g.remove()
		if g.procs() != nil {
			t.Errorf("%s is left", g.dir)
		}
	}
}

func TestAGroupThatCannotBeEnteredDoesNotKeepAProgramFromRunning(t *testing.T) {
	g := &group{dir: "/sys/fs/cgroup/" + groupPrefix + "that-is-not-there", v2: false}
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if err := g.start(cmd); err == nil {
		t.Error("a program started in a group that is not there")
	}
	if cmd.Process != nil {
		t.Error("it runs all the same, so that it would run twice")
	}
	g.remove()
}

func TestAProgramIsWeighedByItsCPUs(t *testing.T) {
	g, err := makeGroup("test-weight", 0)
	if g == nil {
		t.Skipf("SKIPPED: no group can be made here: %v", err)
	}
	defer g.remove()
	g.weigh("test-weight", 2.5)
	cmd := exec.Command("sleep", "3600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := g.start(cmd); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := (tree{group: g}).kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}()
	file, want := filepath.Join(g.dir, "cpu.weight"), "250"
	for _, dir := range g.others {
		file, want = filepath.Join(dir, "cpu.shares"), "2560"
		members, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil || strings.TrimSpace(string(members)) != strconv.Itoa(cmd.Process.Pid) {
			t.Errorf("%s holds %q, want the program, %d, only: %v", dir, members, cmd.Process.Pid, err)
		}
	}
	got, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skipf("SKIPPED: no CPU is shared out here: %v", err)
	}
	if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("%s is %q, want %s: %v", file, got, want, err)
	}
	home, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil || strings.Contains(string(home), groupPrefix+"test-weight") {
		t.Errorf("the thread that started it stayed in its group: %s%v", home, err)
	}
}

// TestAForkBombIsBounded: it may start some, and the machine has more.
func TestAForkBombIsBounded(t *testing.T) {
	g, err := makeGroup("test-bounded", 0)
	if g == nil {
		t.Skipf("SKIPPED: no group can be made here: %v", err)
	}
	defer g.remove()
	g.bound("test-bounded")
	file := filepath.Join(g.dir, "pids.max")
	for _, dir := range g.others {
		file = filepath.Join(dir, "pids.max")
	}
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skipf("SKIPPED: processes are not counted here: %v", err)
	}
	most, machine := strings.TrimSpace(string(b)), number("/proc/sys/kernel/pid_max")
	if n, err := strconv.Atoi(most); err != nil || n < 512 || n > machine/4 {
		t.Errorf("%s says %q; the machine can have %d: %v", file, most, machine, err)
	}
	// With fewer, for the test's machine has other work.
	if err := os.WriteFile(file, []byte("40"), 0); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 100 ]; do sleep 3600 & i=$((i + 1)); done")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := os.Create(filepath.Join(t.TempDir(), "said")) // a file: what is left holds no pipe
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stderr = said
	if err := g.start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the shell gives up at the first that it may not start
	if n := len(g.procs()); n == 0 || n > 40 {
		t.Errorf("%d processes are in the group", n)
	}
	if err := (tree{group: g}).kill(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(said.Name()); err != nil || !strings.Contains(strings.ToLower(string(text)), "fork") {
		t.Errorf("the shell said %q, %v", text, err)
	}
}

func TestGroupsBesideAreRemovedWithTheirGroup(t *testing.T) {
	g, err := makeGroup("test-removed", 0)
	if g == nil {
		t.Skipf("SKIPPED: no group can be made here: %v", err)
	}
	g.weigh("test-removed", 1)
	g.bound("test-removed")
	for _, dir := range g.others {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
	openGroup(g.dir, g.others).remove()
	for _, dir := range append(g.others, g.dir) {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}
