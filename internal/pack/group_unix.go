//go:build unix

package pack

import (
	"os/exec"
	"syscall"
)

// group makes a command the leader of a process group, all of which is killed
// when its context ends.
func group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
