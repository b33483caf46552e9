package diagnose

import (
	"strings"

	"github.com/trainyard/trainyard/internal/job"

	"github.com/trainyard/trainyard/internal/pattern"
)

// peerLost is what programs say when a replica that they talk to is gone, by
// Python, gRPC and TensorFlow, gloo and NCCL, XGBoost, MPI.
var peerLost = pattern.New(`(?i)connection reset by peer|connection closed by (?:remote )?peer|connection aborted|broken ?pipe|socket closed|recv(?:msg)?:?.{0,40}connection (?:reset|refused)|` +
	`ConnectionResetError|ConnectionRefusedError|BrokenPipeError|UnavailableError|failed to connect to all addresses|remote (?:host|process|worker) .{0,40}(?:closed|exited|died|gone)|` +
	`gloo.{0,80}(?:closed|reset|refused|timed out)|ncclRemoteError|ncclSystemError.{0,80}socket|collective ops? is aborted|heartbeat timeout|Coordination service.{0,80}(?:unavailable|unreachable|error)|rabit.{0,60}(?:closed|reset)`)

// PeerLost reports whether a program's own account of its end, its exception or
// its last lines where it has none, is that another one does not answer.
func PeerLost(e job.Exit) bool {
	said := strings.TrimSpace(e.Traceback)
	if said == "" {
		said = strings.Join(last(e.Tail, 5), "\n")
	}
	// Of a traceback only what follows the frames is the exception.
	lines := strings.Split(said, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "  ") {
			lines = lines[i+1:]
			break
		}
	}
	return peerLost.MatchString(strings.Join(lines, "\n"))
}
