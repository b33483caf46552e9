package inplace

import (
	"os"
	"os/exec"
)

func group(*exec.Cmd) {}

func interruptGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func endGroup(cmd *exec.Cmd, _ bool) { _ = cmd.Process.Kill() }

func status(p *os.ProcessState) int { return p.ExitCode() }
