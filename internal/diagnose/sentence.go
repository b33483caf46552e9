package diagnose

import (
	"fmt"

	"github.com/trainyard/trainyard/internal/job"
)

var signals = map[string]int{"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9, "SIGUSR1": 10, "SIGSEGV": 11, "SIGUSR2": 12, "SIGPIPE": 13, "SIGALRM": 14, "SIGTERM": 15}

// Sentence is the original's sentence about the end of a replica.
func Sentence(r job.ReplicaRun) string {
	who := fmt.Sprintf("The replica %s %d", r.Role, r.Index)
	e := r.Exit
	switch {
	case r.State == job.ReplicaLost || e == nil:
		return who + " was lost: its agent ended without a record, as after the loss of a machine."
	case e.OutOfMem && e.Signal == "SIGKILL":
		return fmt.Sprintf("%s ran out-of-memory and exited with a non-zero status of 9(SIGKILL).", who)
	case e.Signal != "":
		n := signals[e.Signal]
		if n == 0 {
			n = e.Code - 128
		}
		return fmt.Sprintf("%s exited with a non-zero status of %d(%s).", who, n, e.Signal)
	default:
		return fmt.Sprintf("%s exited with a non-zero status of %d.", who, e.Code)
	}
}
