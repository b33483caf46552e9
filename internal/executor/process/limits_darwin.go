package process

import "golang.org/x/sys/unix"

// limits are the CPUs (0 for no limit) and the memory of the machine.
func limits() (cpus float64, memory int64) {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0, 0
	}
	return 0, int64(n)
}
