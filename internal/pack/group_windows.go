package pack

import "os/exec"

// group leaves a command as it is: ending it ends what there is.
func group(*exec.Cmd) {}
