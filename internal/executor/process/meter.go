package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

var _ executor.Meter = (*Executor)(nil)

// How old an answer about usage may be, how often the machine is looked at
// while nobody asks, and how often the disk is.
const (
	sampleFresh = time.Second
	samplePause = 5 * time.Second
	diskPause   = time.Minute
)

// meter is the sampler of this machine: one look at the processes serves every
// replica.
type meter struct {
	mu    sync.Mutex // held during a look
	taken time.Time
	runs  map[agent.Folder]*metered
}

// metered is what is known of a run between looks.
type metered struct {
	replica job.Replica
	number  int
	attempt string
	where   agent.Where
	gpus    []string
	last    executor.Usage
	disk    time.Time // when it was looked at last
}

// Usage is executor.Meter's.
func (e *Executor) Usage(ctx context.Context, s string) ([]executor.Usage, error) {
	h, err := parseHandle(s)
	if err != nil {
		return nil, err
	}
	e.meter.mu.Lock()
	defer e.meter.mu.Unlock()
	if time.Since(e.meter.taken) >= sampleFresh {
		if err := e.look(ctx); err != nil {
			return nil, err
		}
	}
	var list []executor.Usage
	for _, r := range e.meter.runs {
		if r.attempt == h.Name {
			list = append(list, r.last)
		}
	}
	return list, nil
}

// Sample looks at the machine now and then, so that peaks are seen while nobody
// asks. It returns when ctx ends.
func (e *Executor) Sample(ctx context.Context) {
	tick := time.NewTicker(samplePause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		e.meter.mu.Lock()
		if time.Since(e.meter.taken) >= samplePause/2 {
			if err := e.look(ctx); err != nil {
				e.Log.Warn("what jobs use cannot be measured", "err", err)
			}
		}
		e.meter.mu.Unlock()
	}
}

// look measures every run that goes on; the meter's mu is held.
func (e *Executor) look(ctx context.Context) error {
	if err := e.findRuns(); err != nil {
		return err
	}
	now := time.Now()
	e.meter.taken = now
	if len(e.meter.runs) == 0 {
		return nil
	}
	trees, err := processTrees("/proc")
	if err != nil {
		return err
	}
	var devices map[string]executor.GPUUsage
	for _, r := range e.meter.runs {
		if len(r.gpus) > 0 && devices == nil {
			devices = e.deviceUsage(ctx)
		}
		r.measure(now, trees, devices)
	}
	for dir, r := range e.meter.runs {
		if now.Sub(r.disk) >= diskPause {
			r.disk, r.last.Disk = now, dir.Disk()
		}
	}
	return nil
}

// findRuns takes up the runs that go on and lets go of those that have ended.
func (e *Executor) findRuns() error {
	entries, err := os.ReadDir(filepath.Join(e.DataDir, "attempts"))
	if err != nil {
		return fmt.Errorf("read the attempts: %w", err)
	}
	if e.meter.runs == nil {
		e.meter.runs = map[agent.Folder]*metered{}
	}
	there := map[agent.Folder]bool{}
	for _, entry := range entries {
		if !validName(entry.Name()) {
			continue
		}
		rec, err := e.readRecord(entry.Name())
		if err != nil {
			continue // removed meanwhile
		}
		list, err := e.runs(rec.handle)
		if err != nil {
			continue
		}
		for _, r := range latest(list) {
			if r.dir.Ended() {
				continue
			}
			known := e.meter.runs[r.dir]
			if known == nil {
				where, err := r.dir.Where()
				if err != nil {
					continue // not begun
				}
				known = &metered{replica: r.Replica, number: r.number, attempt: rec.Name, where: where, gpus: rec.GPUs[executor.Task(r.Replica)]}
				e.meter.runs[r.dir] = known
			} else if known.where.Group == "" {
				if where, err := r.dir.Where(); err == nil { // its program may have got a group since
					known.where = where
				}
			}
			there[r.dir] = true
		}
	}
	for dir := range e.meter.runs {
		if !there[dir] {
			delete(e.meter.runs, dir)
		}
	}
	return nil
}

// measure makes a run's next sample.
func (r *metered) measure(now time.Time, trees procTable, devices map[string]executor.GPUUsage) {
	u := executor.Usage{Replica: r.replica, Run: r.number, Time: now, Disk: r.last.Disk}
	t := trees.below(r.where.Agent)
	u.CPUSeconds, u.Memory, u.Processes = t.cpu.Seconds(), t.memory, t.count
	if used, peak, ok := groupMemory(r.where.Group); ok { // counts what processes share once
		u.Memory, u.PeakMemory = used, peak
	}
	u.CPUSeconds = max(u.CPUSeconds, r.last.CPUSeconds) // a process between its end and its parent's notice is in neither
	u.PeakMemory = max(u.PeakMemory, u.Memory, r.last.PeakMemory)
	if passed := now.Sub(r.last.Time).Seconds(); !r.last.Time.IsZero() && passed > 0 {
		u.CPU = (u.CPUSeconds - r.last.CPUSeconds) / passed
	}
	for _, name := range r.gpus {
		if d, ok := devices[name]; ok {
			u.GPUs = append(u.GPUs, d)
		}
	}
	r.last = u
}

// groupMemory is what a memory cgroup's processes use, less what is only cached
// of files, and the most that was.
func groupMemory(dir string) (used, peak int64, ok bool) {
	if dir == "" {
		return 0, 0, false
	}
	read := func(name string) (int64, bool) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		return n, err == nil
	}
	if used, ok = read("memory.current"); ok {
		peak, _ = read("memory.peak")
	} else if used, ok = read("memory.usage_in_bytes"); ok {
		peak, _ = read("memory.max_usage_in_bytes")
	}
	if b, err := os.ReadFile(filepath.Join(dir, "memory.stat")); ok && err == nil {
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if name == "inactive_file" || name == "total_inactive_file" {
				n, _ := strconv.ParseInt(value, 10, 64)
				used = max(0, used-n)
				break
			}
		}
	}
	return used, peak, ok
}
