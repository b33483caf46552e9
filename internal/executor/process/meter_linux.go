package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// procTable is this machine's processes, as one look found them.
type procTable struct {
	children map[int][]int
	all      map[int]proc
}

type proc struct {
	own, ended time.Duration // time on processors: its own, and of children that it has waited for
	memory     int64
}

// tick is the unit of times in /proc, on every Linux since 2.6.
const tick = 10 * time.Millisecond

// processTrees reads every process's stat once.
func processTrees(root string) (procTable, error) {
	d, err := os.Open(root)
	if err != nil {
		return procTable{}, fmt.Errorf("read the processes: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return procTable{}, fmt.Errorf("read the processes: %w", err)
	}
	p := procTable{children: map[int][]int{}, all: map[int]proc{}}
	page := int64(os.Getpagesize())
	buf := make([]byte, 1024)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		f, err := os.Open(root + "/" + name + "/stat")
		if err != nil {
			continue // it has ended
		}
		n, err := f.Read(buf)
		f.Close()
		if err != nil {
			continue
		}
		// The name in parentheses may contain anything.
		at := bytes.LastIndexByte(buf[:n], ')')
		if at < 0 {
			continue
		}
		fields := bytes.Fields(buf[at+1 : n])
		if len(fields) < 22 {
			continue
		}
		number := func(i int) int64 { v, _ := strconv.ParseInt(string(fields[i]), 10, 64); return v }
		ppid := int(number(1))
		p.children[ppid] = append(p.children[ppid], pid)
		p.all[pid] = proc{own: time.Duration(number(11)+number(12)) * tick, ended: time.Duration(number(13)+number(14)) * tick, memory: number(21) * page}
	}
	return p, nil
}

// total is what a tree of processes has used and uses.
type total struct {
	cpu    time.Duration
	memory int64
	count  int
}

// below sums what the descendants of a process use, and what those used that it
// has waited for; not the process itself.
func (p procTable) below(pid int) total {
	root, ok := p.all[pid]
	if !ok {
		return total{}
	}
	t := total{cpu: root.ended}
	queue := append([]int(nil), p.children[pid]...)
	for len(queue) > 0 {
		next := queue[0]
		queue = append(queue[1:], p.children[next]...)
		c := p.all[next]
		t.cpu += c.own + c.ended
		t.memory += c.memory
		t.count++
	}
	return t
}
