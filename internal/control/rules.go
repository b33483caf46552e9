package control

import "github.com/trainyard/trainyard/internal/job"

// What the original did: five restarts of a replica, then three retries of the
// whole job.
const (
	maxRestarts = 5
	maxRetries  = 3
)

// class is what becomes of a job when one of its runs ends badly.
type class int

const (
	permanent    class = iota // the job fails
	replicaAgain              // the replica alone is restarted, at most maxRestarts times; then the job is
	jobAgain                  // the whole job is tried again, at most maxRetries times
)

// rule is a line of the table of exits.
type rule struct {
	what string
	is   func(job.ReplicaRun) bool
	then class
}

// rules is the table of the original (the first line that fits counts): statuses
// 1 to 127 and signals are permanent, 128 to 255 and SIGTERM are not, and
// SIGABRT and SIGSEGV restart the job. Out of memory is permanent: it would
// happen again. What the original had no word for is a record that is missing,
// and an agent that knows that trying again may help.
var rules = []rule{
	{"no record: the agent or its machine is gone", func(r job.ReplicaRun) bool { return r.State == job.ReplicaLost || r.Exit == nil }, replicaAgain},
	{"out of memory", func(r job.ReplicaRun) bool { return r.Exit.OutOfMem }, permanent},
	{"an index or a bucket that did not answer", func(r job.ReplicaRun) bool { return r.Exit.Retry }, replicaAgain},
	{"asked to end, not by us", func(r job.ReplicaRun) bool { return r.Exit.Requested || r.Exit.Signal == "SIGTERM" }, replicaAgain},
	{"SIGABRT or SIGSEGV", func(r job.ReplicaRun) bool {
		return r.Exit.Signal == "SIGABRT" || r.Exit.Signal == "SIGSEGV" || r.Exit.Code == 134 || r.Exit.Code == 139
	}, jobAgain},
	{"another signal", func(r job.ReplicaRun) bool { return r.Exit.Signal != "" }, permanent},
	{"status 128 to 255", func(r job.ReplicaRun) bool { return r.Exit.Code >= 128 }, replicaAgain},
	{"status 1 to 127", func(job.ReplicaRun) bool { return true }, permanent},
}

// classify looks a run's end up in the table.
func classify(r job.ReplicaRun) class {
	for _, rule := range rules {
		if rule.is(r) {
			return rule.then
		}
	}
	return permanent
}
