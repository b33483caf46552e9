package agent

import (
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func TestAProgramIsBornInItsGroup(t *testing.T) {
	mounts, err := cgroupMounts()
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
