package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// limits are the CPUs (0 for no limit) and the memory that the machine and the
// cgroups above this process allow.
func limits() (cpus float64, memory int64) {
	memory = memTotal()
	for _, dir := range cgroupDirs("memory") {
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
			if n, ok := number(filepath.Join(dir, name)); ok && n > 0 && (memory == 0 || n < memory) {
				memory = n
			}
		}
	}
	for _, dir := range cgroupDirs("cpu") {
		quota, period := int64(0), int64(0)
		if b, err := os.ReadFile(filepath.Join(dir, "cpu.max")); err == nil {
			if f := strings.Fields(string(b)); len(f) == 2 {
				quota, _ = strconv.ParseInt(f[0], 10, 64)
				period, _ = strconv.ParseInt(f[1], 10, 64)
			}
		} else {
			quota, _ = number(filepath.Join(dir, "cpu.cfs_quota_us"))
			period, _ = number(filepath.Join(dir, "cpu.cfs_period_us"))
		}
		if quota > 0 && period > 0 {
			if n := float64(quota) / float64(period); cpus == 0 || n < cpus {
				cpus = n
			}
		}
	}
	return cpus, memory
}

// cgroupDirs are the folders of this process's own cgroup and of those above
// it, at the places where the hierarchies are usually mounted.
func cgroupDirs(controller string) []string {
	b, _ := os.ReadFile("/proc/self/cgroup")
	var dirs []string
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		var root string
		switch {
		case f[1] == "":
			root = "/sys/fs/cgroup"
		case strings.Contains(","+f[1]+",", ","+controller+","):
			root = "/sys/fs/cgroup/" + f[1]
		default:
			continue
		}
		for p := filepath.Clean("/" + f[2]); ; p = filepath.Dir(p) {
			dirs = append(dirs, filepath.Join(root, p))
			if p == "/" {
				break
			}
		}
	}
	return dirs
}

func number(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

func memTotal() int64 {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
