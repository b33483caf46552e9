package process

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// run is one run of one replica.
type run struct {
	job.Replica
	number int
	dir    agent.Folder
}

// parseRun reads what agent.RunName writes.
func parseRun(name string) (run, bool) {
	left, number, ok := strings.Cut(name, ".")
	i := strings.LastIndexByte(left, '-')
	if !ok || i <= 0 {
		return run{}, false
	}
	index, err1 := strconv.Atoi(left[i+1:])
	n, err2 := strconv.Atoi(number)
	r := run{Replica: job.Replica{Role: job.Role(left[:i]), Index: index}, number: n}
	return r, err1 == nil && err2 == nil && agent.RunName(r.Replica, n) == name
}

// latest leaves the last run of each replica, in the order of roles and indexes.
func latest(list []run) []run {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b run) int {
		return cmp.Or(cmp.Compare(rank(a.Role), rank(b.Role)), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Index, b.Index), cmp.Compare(b.number, a.number))
	})
	return slices.CompactFunc(list, func(a, b run) bool { return a.Replica == b.Replica })
}

func rank(r job.Role) int {
	return slices.Index([]job.Role{job.Master, job.Worker, job.ParameterServer, job.Evaluator}, r)
}

// same says whether two statuses tell the same. Steps only grow, so their
// number is enough.
func same(a, b executor.Status) bool {
	return slices.EqualFunc(a.Replicas, b.Replicas, func(a, b executor.ReplicaStatus) bool {
		return a.Replica == b.Replica && a.Run == b.Run && a.State == b.State && a.Started.Equal(b.Started) &&
			len(a.Steps) == len(b.Steps) && (a.Exit == nil) == (b.Exit == nil)
	})
}
