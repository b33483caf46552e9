package agent

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// weigh gives the group a part of the CPU for when the machine is busy: what a
// replica gets is to others as what it was promised is to theirs. While
// others are idle it may use all. Where the machine cannot do that, it is not
// done.
func (g *group) weigh(name string, cpus float64) {
	if g != nil && cpus > 0 {
		g.control(name, "cpu", "cpu.weight", weight(100*cpus, 1, 10_000), "cpu.shares", weight(1024*cpus, 2, 262_144))
	}
}

// bound keeps the group from taking all the processes and threads that the
// machine can have: a program that starts itself again and again must not keep
// the server, and other programs, from starting anything.
func (g *group) bound(name string) {
	if g == nil {
		return
	}
	most := math.MaxInt
	for _, file := range []string{"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"} {
		most = min(most, number(file))
	}
	mounts, _ := cgroupMounts("pids")
	for _, m := range mounts {
		most = min(most, number(filepath.Join(m.own, "pids.max"))) // of the container that we are in
	}
	if most < math.MaxInt {
		n := strconv.Itoa(max(most*15/100, 512)) // as systemd holds its services
		g.control(name, "pids", "pids.max", n, "pids.max", n)
	}
}

// shut has nothing more started in the group.
func (g *group) shut() {
	if g == nil {
		return
	}
	for _, dir := range append([]string{g.dir}, g.others...) {
		_ = os.WriteFile(filepath.Join(dir, "pids.max"), []byte("0"), 0)
	}
}

// number is what a file of the kernel's says, or more than any where it says
// none.
func number(file string) int {
	b, _ := os.ReadFile(file)
	if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
		return n
	}
	return math.MaxInt
}

// control tells a controller about the group: in version 2 in the group's own
// folder, in version 1 in one beside it.
func (g *group) control(name, controller, file2, v2, file1, v1 string) {
	if g.v2 {
		parent := filepath.Dir(g.dir)
		if !hasController(parent, controller) {
			_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+controller), 0)
		}
		g.set(file2, v2)
		if hasController(parent, controller) {
			return
		}
	}
	mounts, _ := cgroupMounts(controller)
	for _, m := range mounts {
		if m.v2 || !within(m.point, m.own) {
			continue
		}
		dir := filepath.Join(m.own, groupPrefix+name)
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			return
		}
		g.others = append(g.others, dir)
		_ = os.WriteFile(filepath.Join(dir, file1), []byte(v1), 0)
		return
	}
}

// weight is a number as the kernel takes it.
func weight(w float64, low, high int) string {
	return strconv.Itoa(min(max(int(w), low), high))
}
