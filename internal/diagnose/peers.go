package diagnose

import (
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/pattern"
)

// peerGone is what programs say when a replica that they talk to is gone, or
// never came, by Python, gRPC and TensorFlow, gloo and NCCL, XGBoost, MPI.
var peerGone = pattern.New(`(?i)connection reset by peer|connection closed by (?:remote )?peer|connection aborted|broken ?pipe|socket closed|recv(?:msg)?:?.{0,40}connection (?:reset|refused)|` +
	`ConnectionResetError|ConnectionRefusedError|BrokenPipeError|UnavailableError|failed to connect to all addresses|remote (?:host|process|worker) .{0,40}(?:closed|exited|died|gone)|` +
	`gloo.{0,80}(?:closed|reset|refused|timed out|read error)|ncclRemoteError|ncclSystemError|NCCL error.{0,80}remote|collective ops? is aborted|heartbeat timeout|Coordination service.{0,80}(?:unavailable|unreachable|error)|rabit.{0,60}(?:closed|reset)|` +
	`waiting for clients|socket has timed out|stop waiting response|store timed out|store->get\(|barrier timed out|collective operation timeout|monitoredBarrier`)

// Echo reports whether all that a replica says of its end, by its exception or
// its last lines where it has none, is that another one is not there. Then the
// other one's end is the cause, if it failed, too.
func Echo(r job.ReplicaRun) bool {
	if r.Exit == nil || r.Exit.OutOfMem || r.Exit.Step != "run" {
		return false
	}
	e := evidenceOf(r)
	if len(e.chains) == 0 {
		return peerGone.MatchString(strings.Join(last(e.last, 5), "\n"))
	}
	return slices.ContainsFunc(culprits(e.chains[0]), func(r raised) bool { return peerGone.MatchString(r.text) })
}
