package agent

import (
	"fmt"
	"strings"
	"testing"
)

func TestTheProcessThatTorchrunNamesIsTheCause(t *testing.T) {
	shard, echo := "Traceback (most recent call last):\nValueError: bad shard", "Traceback (most recent call last):\nRuntimeError: Connection closed by peer"
	torchrun := func(exit, pid int) string {
		return fmt.Sprintf(`Traceback (most recent call last):
  File "/p/torch/distributed/launcher/api.py", line 386, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError: 
============================================================
trainer.train FAILED
------------------------------------------------------------
Failures:
[1]:
  exitcode  : -15 (pid: 12)  (SIGTERM)
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  exitcode  : %d (pid: %d)
============================================================`, exit, pid)
	}
	var e ends
	e.add(11, shard)
	e.add(12, echo)
	for _, tt := range []struct {
		name, trace, want string
	}{
		{"the first to fail, not the last to say so", torchrun(1, 11), shard},
		{"killed", torchrun(-9, 13), ""},
		{"a shell that ran it", torchrun(1, 13), echo},
		{"a command", "Traceback (most recent call last):\nsubprocess.CalledProcessError: Command '['python', 'x.py']' returned non-zero exit status 1.", echo},
		{"none", "Traceback (most recent call last):\nValueError: mine", ""},
	} {
		before, rest, ok := strings.Cut(e.caused(tt.trace, echo), "\n\nThe above exception was the direct cause of the following exception:\n\n")
		if !ok {
			before, rest = "", before
		}
		if before != tt.want || rest != tt.trace {
			t.Errorf("%s: %q\nwant %q", tt.name, before, tt.want)
		}
	}
	for pid := range 1000 {
		e.add(pid, "x")
	}
	if len(e) > manyEnds {
		t.Errorf("%d are kept", len(e))
	}
}
