//go:build unix

package cli

import (
	"os/exec"
	"syscall"
)

// detach gives a command a session of its own, so that it gets no Ctrl-C meant
// for us and no hang-up when the terminal closes.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// terminate asks a process to end; one that is gone is fine.
func terminate(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && err != syscall.ESRCH {
		return err
	}
	return nil
}
