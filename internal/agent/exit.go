package agent

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trainyard/trainyard/internal/job"
)

// exitOf reads how a process ended, counting signals as a shell does.
func exitOf(p *os.ProcessState) job.Exit {
	ws, ok := p.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return job.Exit{Code: 128 + int(ws.Signal()), Signal: unix.SignalName(ws.Signal())}
	}
	return job.Exit{Code: p.ExitCode()}
}

// childrenCPU is what all processes that ended and were waited for have used.
func childrenCPU() time.Duration {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// maxRSS is the largest process's peak: less than the whole tree's, but known
// everywhere.
func maxRSS(p *os.ProcessState) int64 {
	ru, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "linux" {
		return int64(ru.Maxrss) << 10 // in KiB there, in bytes elsewhere
	}
	return int64(ru.Maxrss)
}
