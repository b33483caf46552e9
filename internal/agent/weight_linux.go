package agent

import (
	"os"
	"path/filepath"
	"strconv"
)

// weigh gives the group a part of the CPU for when the machine is busy: what a
// replica gets is to others as what it was promised is to theirs. While
// others are idle it may use all. Where the machine cannot do that, it is not
// done.
func (g *group) weigh(name string, cpus float64) {
	if g == nil || cpus <= 0 {
		return
	}
	if g.v2 {
		parent := filepath.Dir(g.dir)
		if !hasController(parent, "cpu") {
			_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+cpu"), 0)
		}
		g.set("cpu.weight", weight(100*cpus, 1, 10_000))
		if hasController(parent, "cpu") {
			return
		}
	}
	mounts, _ := cgroupMounts("cpu")
	for _, m := range mounts {
		if m.v2 || !within(m.point, m.own) {
			continue
		}
		dir := filepath.Join(m.own, groupPrefix+name)
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			return
		}
		g.cpu = dir
		_ = os.WriteFile(filepath.Join(dir, "cpu.shares"), []byte(weight(1024*cpus, 2, 262_144)), 0)
		return
	}
}

// weight is a number as the kernel takes it.
func weight(w float64, low, high int) string {
	return strconv.Itoa(min(max(int(w), low), high))
}
