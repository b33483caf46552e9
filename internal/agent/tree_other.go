//go:build unix && !linux

package agent

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// adopt does nothing: there is no way here to be given orphans. What the
// program leaves behind is found by its mark.
func adopt() bool { return false }

// members are the living processes of the tree as ps tells them.
func (t tree) members() []int {
	out, err := exec.Command("ps", "-axEww", "-o", "pid=,ppid=,stat=,command=").Output()
	if err != nil {
		return nil
	}
	self := os.Getpid()
	children, marked := map[int][]int{}, []int(nil)
	zombies := map[int]bool{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		pid, err1 := strconv.Atoi(f[0])
		ppid, err2 := strconv.Atoi(f[1])
		if err1 != nil || err2 != nil {
			continue
		}
		children[ppid] = append(children[ppid], pid)
		zombies[pid] = strings.HasPrefix(f[2], "Z")
		if t.dir != "" && pid != self && strings.Contains(line+" ", " "+mark(t.dir)+" ") {
			marked = append(marked, pid)
		}
	}
	pids := marked
	if t.root != 0 {
		pids = append(pids, children[t.root]...)
	}
	return slices.DeleteFunc(descend(pids, children), func(pid int) bool { return pid == self || zombies[pid] })
}

func reapAdopted(int)      {}
func expendable(*exec.Cmd) {}
