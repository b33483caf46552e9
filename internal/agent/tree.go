//go:build unix

package agent

import (
	"slices"
	"syscall"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// markName is the variable that every process of a run inherits.
const markName = "TRAINYARD_RUN"

func mark(dir string) string { return markName + "=" + dir }

// tree is every process of a run, found in whichever ways there are.
type tree struct {
	root  int    // whose descendants belong; the root does not; 0 for none
	dir   string // the run's folder: processes that carry its mark belong, and their descendants; may be empty
	group *group // what is in it belongs; may be nil
}

// signal sends a signal to all that are there now and says how many that were.
func (t tree) signal(sig syscall.Signal) int {
	pids := t.members()
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig)
	}
	return len(pids)
}

// kill ends all of it, also what is started meanwhile.
func (t tree) kill() error {
	deadline := time.Now().Add(30 * time.Second)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if t.signal(syscall.SIGKILL) == 0 {
			return nil
		}
		t.group.shut() // who starts processes as fast as they are killed cannot any more
		if time.Now().After(deadline) {
			return fault.Errorf(fault.Unavailable, "processes %v do not end, though they were killed", t.members())
		}
		time.Sleep(wait)
	}
}

// descend adds the descendants of the given processes.
func descend(pids []int, children map[int][]int) []int {
	seen := map[int]bool{}
	for queue := slices.Clone(pids); len(queue) > 0; queue = queue[1:] {
		if seen[queue[0]] {
			continue
		}
		seen[queue[0]] = true
		queue = append(queue, children[queue[0]]...)
	}
	all := make([]int, 0, len(seen))
	for pid := range seen {
		all = append(all, pid)
	}
	slices.Sort(all)
	return all
}
