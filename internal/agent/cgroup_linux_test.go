package agent

import (
	"slices"
	"strings"
	"testing"
)

func TestCgroupsAreFoundWhereverTheyAreMounted(t *testing.T) {
	for _, tt := range []struct {
		name, mountinfo, cgroup string
		want                    []hierarchy
	}{
		{
			"version 2", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n", "0::/user.slice/s.scope\n",
			[]hierarchy{{"/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/s.scope", true}},
		},
		{
			"both", "31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n33 23 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
			"4:memory:/m/x\n1:cpu:/\n0::/\n",
			[]hierarchy{{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/m/x", false}, {"/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified", true}},
		},
		{
			"a container that sees a part", "32 23 0:28 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "4:memory:/docker/abc\n",
			[]hierarchy{{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory", false}},
		},
		{"none", "", "", nil},
	} {
		if got := parseCgroups(tt.mountinfo, tt.cgroup, "memory"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func FuzzParseCgroups(f *testing.F) {
	f.Add("32 23 0:28 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "4:memory:/docker/abc\n")
	f.Add("30 23 0:26 / /c rw - cgroup2 cgroup2 rw", "0::/../x")
	f.Fuzz(func(t *testing.T, mountinfo, cgroup string) {
		for _, h := range parseCgroups(mountinfo, cgroup, "memory") {
			if strings.HasPrefix(h.point, "/") && !strings.Contains(h.point, "..") && h.point == strings.TrimRight(h.point, "/") && !strings.Contains(h.point, "//") && !strings.Contains(h.point, "/.") && !within(h.point, h.own) {
				t.Errorf("the own group %q is outside of %q", h.own, h.point)
			}
		}
	})
}
