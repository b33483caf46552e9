package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hierarchy is a mounted cgroup hierarchy that may hold groups.
type hierarchy struct {
	point string // where it is mounted
	own   string // the folder of the caller's own cgroup
	v2    bool
}

// cgroupMounts lists the hierarchies of a controller, the one of version 1
// first: where both are mounted, the controller is there.
func cgroupMounts(controller string) ([]hierarchy, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read the mounts: %w", err)
	}
	cgroup, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("read the cgroups: %w", err)
	}
	return parseCgroups(string(mountinfo), string(cgroup), controller), nil
}

// parseCgroups puts together what /proc/self/mountinfo and /proc/self/cgroup say.
func parseCgroups(mountinfo, cgroup, controller string) []hierarchy {
	var v1, v2 string // the caller's paths
	var has1, has2 bool
	for line := range strings.Lines(cgroup) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case f[0] == "0" && f[1] == "":
			v2, has2 = f[2], true
		case slices.Contains(strings.Split(f[1], ","), controller):
			v1, has1 = f[2], true
		}
	}
	var hs []hierarchy
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		h := hierarchy{point: l[4]}
		own := ""
		switch {
		case r[0] == "cgroup2" && has2:
			h.v2, own = true, v2
		case r[0] == "cgroup" && has1 && slices.Contains(strings.Split(r[2], ","), controller):
			own = v1
		default:
			continue
		}
		// The mount may show a part of the hierarchy only.
		rel, err := filepath.Rel(l[3], own)
		if err != nil || strings.HasPrefix(rel, "..") {
			rel = "."
		}
		h.own = filepath.Join(h.point, rel)
		hs = append(hs, h)
	}
	slices.SortStableFunc(hs, func(a, b hierarchy) int {
		switch {
		case a.v2 == b.v2:
			return 0
		case a.v2:
			return 1
		default:
			return -1
		}
	})
	return hs
}
