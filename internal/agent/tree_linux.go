package agent

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// adopt makes orphans of the program's tree children of the agent and not of
// init, so that none gets away, and says whether it could.
func adopt() bool { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == nil }

// members are the living processes of the tree; never the caller, no zombies.
func (t tree) members() []int {
	self := os.Getpid()
	// To look at every process of the machine takes a while.
	if t.root == self && t.dir == "" && childless() && len(t.group.procs()) == 0 {
		return nil
	}
	children, marked := map[int][]int{}, []int(nil)
	zombies := map[int]bool{}
	names, _ := readNames("/proc")
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		ppid, state, tty, ok := parent(pid)
		if !ok {
			continue
		}
		children[ppid] = append(children[ppid], pid)
		zombies[pid] = state == 'Z' || state == 'X'
		if t.dir != "" && pid != self && (hasMark(pid, mark(t.dir)) || tty == "0" && livesIn(pid, t.dir)) {
			marked = append(marked, pid)
		}
	}
	pids := append(marked, t.group.procs()...)
	if t.root != 0 {
		pids = append(pids, children[t.root]...)
	}
	return slices.DeleteFunc(descend(pids, children), func(pid int) bool { return pid == self || zombies[pid] })
}

// childless says whether this process has no child, adopted ones included, and
// so no descendant.
func childless() bool {
	return unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == unix.ECHILD
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// parent reads a process's parent, state and terminal. The name in parentheses may
// contain anything, so what counts is after the last one.
func parent(pid int) (ppid int, state byte, tty string, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, "", false
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 5 {
		return 0, 0, "", false
	}
	ppid, err = strconv.Atoi(f[1])
	return ppid, f[0][0], f[4], err == nil
}

func hasMark(pid int, mark string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if string(v) == mark {
			return true
		}
	}
	return false
}

// livesIn says whether a process works in the folder: one that threw its
// environment away still does. With a terminal it would be somebody's shell.
func livesIn(pid int, dir string) bool {
	cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
	return err == nil && strings.HasPrefix(cwd, dir+"/")
}

// reapAdopted collects adopted processes that have ended, main excepted, which
// os/exec waits for.
func reapAdopted(main int) {
	if childless() {
		return
	}
	for _, pid := range ownChildren() {
		if pid != main {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// ownChildren are listed by the threads that they are children of. The threads'
// folders are not listed: the kernel would keep each of their files in memory
// and take long to forget them when this process ends.
func ownChildren() []int {
	const threads = "/proc/self/task"
	names, _ := readNames(threads)
	var pids []int
	for _, name := range names {
		b, _ := os.ReadFile(threads + "/" + name + "/children")
		for s := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(s); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// expendable makes the kernel choose the program before the agent and the
// server when the machine is out of memory.
func expendable(cmd *exec.Cmd) {
	_ = os.WriteFile("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/oom_score_adj", []byte("300"), 0)
}
