package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// groupPrefix starts the name of every cgroup that we make, so that nothing
// else is ever taken for ours.
const groupPrefix = "trainyard-"

// group is a cgroup of one run: for the peak of memory, for proof of running
// out of it, and for finding every process. A nil group holds nothing.
type group struct {
	dir    string
	v2     bool
	others []string // its folders for other controllers, where those are apart
}

// openGroup takes up a group that another agent made.
func openGroup(dir string, others []string) *group {
	_, err := os.Stat(filepath.Join(dir, "cgroup.controllers"))
	return &group{dir: dir, v2: err == nil, others: others}
}

// makeGroup makes a group below the caller's own. The error says why there is
// none, or why it has no limit although one was asked for; a group may come
// with it.
func makeGroup(name string, limit int64) (*group, error) {
	mounts, err := cgroupMounts("memory")
	if err != nil {
		return nil, err
	}
	why := fmt.Errorf("no memory cgroup is mounted here")
	var plain *group
	for _, m := range mounts {
		parents := []string{m.own}
		if m.v2 { // processes may live in leaves only, so a sibling of our own
			parents = []string{filepath.Dir(m.own), m.own}
		}
		for _, p := range parents {
			if !within(m.point, p) {
				continue
			}
			g := &group{dir: filepath.Join(p, groupPrefix+name), v2: m.v2}
			if m.v2 && !hasController(p, "memory") {
				_ = os.WriteFile(filepath.Join(p, "cgroup.subtree_control"), []byte("+memory"), 0)
			}
			if m.v2 && !hasController(p, "memory") {
				if plain == nil {
					plain = g
				}
				continue
			}
			if err := os.Mkdir(g.dir, 0o755); err != nil && !os.IsExist(err) {
				why = err
				continue
			}
			if limit > 0 {
				if err := g.limit(limit); err != nil {
					why = err
					g.remove()
					continue
				}
			}
			return g, nil
		}
	}
	if plain != nil && os.Mkdir(plain.dir, 0o755) == nil {
		return plain, why
	}
	return nil, why
}

func (g *group) limit(n int64) error {
	v := strconv.FormatInt(n, 10)
	if g.v2 {
		g.set("memory.swap.max", "0")
		g.set("memory.oom.group", "1") // half a training program is of no use
		return g.mustSet("memory.max", v)
	}
	g.set("memory.swappiness", "0")
	if err := g.mustSet("memory.limit_in_bytes", v); err != nil {
		return err
	}
	g.set("memory.memsw.limit_in_bytes", v) // where swap is counted
	return nil
}

func (g *group) set(name, v string) { _ = g.mustSet(name, v) }

func (g *group) mustSet(name, v string) error {
	return os.WriteFile(filepath.Join(g.dir, name), []byte(v), 0)
}

// start starts cmd inside the group from its first instruction on.
func (g *group) start(cmd *exec.Cmd) error {
	if g == nil {
		return cmd.Start()
	}
	if g.v2 {
		d, err := os.Open(g.dir)
		if err != nil {
			return err
		}
		defer d.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(d.Fd())
		if len(g.others) == 0 {
			return cmd.Start()
		}
	}
	// In version 1 a child is born where the thread is that forks it: this
	// thread moves in, forks, and moves back.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tid := []byte(strconv.Itoa(unix.Gettid()))
	enter := func(dir string) (leave func(), err error) {
		if err := os.WriteFile(filepath.Join(dir, "tasks"), tid, 0); err != nil {
			return func() {}, err
		}
		return func() { _ = os.WriteFile(filepath.Join(filepath.Dir(dir), "tasks"), tid, 0) }, nil
	}
	if !g.v2 {
		leave, err := enter(g.dir)
		if err != nil {
			return err
		}
		defer leave()
	}
	for _, dir := range g.others {
		leave, _ := enter(dir) // a program that is not held to its part runs all the same
		defer leave()
	}
	return cmd.Start()
}

func (g *group) procs() []int {
	if g == nil {
		return nil
	}
	b, _ := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	var pids []int
	for s := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(s); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// peak is the most memory that was in use, or 0 where that is not known.
func (g *group) peak() int64 {
	if g == nil {
		return 0
	}
	name := "memory.max_usage_in_bytes"
	if g.v2 {
		name = "memory.peak"
	}
	b, _ := os.ReadFile(filepath.Join(g.dir, name))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// kills is how many processes the kernel killed because the limit was reached.
func (g *group) kills() int {
	if g == nil {
		return 0
	}
	name := "memory.oom_control"
	if g.v2 {
		name = "memory.events"
	}
	b, _ := os.ReadFile(filepath.Join(g.dir, name))
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(v))
			return n
		}
	}
	return 0
}

// remove removes an empty group. The kernel counts a process as gone a moment
// after it is.
func (g *group) remove() {
	if g == nil {
		return
	}
	for _, dir := range g.others {
		removeGroup(dir)
	}
	removeGroup(g.dir)
}

func removeGroup(dir string) {
	for wait := time.Millisecond; wait < time.Second; wait = wait * 3 / 2 {
		if err := syscall.Rmdir(dir); err != syscall.EBUSY && err != syscall.EINTR {
			return
		}
		time.Sleep(wait)
	}
}

func hasController(dir, name string) bool {
	b, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	for s := range strings.FieldsSeq(string(b)) {
		if s == name {
			return true
		}
	}
	return false
}

func within(point, dir string) bool { return dir == point || strings.HasPrefix(dir, point+"/") }
