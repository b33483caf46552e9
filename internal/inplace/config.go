// Package inplace runs a training program as the original's local train did:
// with the user's own Python, from the folder that the package lies in, as one
// process or as a cluster of processes of this machine. Nothing is packaged or
// installed, and the program sees the whole environment of whoever started it.
package inplace

import (
	"encoding/json"
	"fmt"

	"github.com/trainyard/trainyard/internal/fault"
)

// Cluster is how many processes a distributed run has beside its primary, and
// where their ports begin.
type Cluster struct {
	ParameterServers, Workers, Evaluators int
	StartPort                             int
}

// Check refuses ports that there are none of.
func (c Cluster) Check() error {
	last := c.StartPort + c.ParameterServers + c.Workers
	if c.StartPort < 1 || last > 65535 {
		return fault.Errorf(fault.Invalid, "the ports %d to %d of the cluster are not all between 1 and 65535", c.StartPort, last).
			WithHint("choose another --start-port, or fewer processes")
	}
	return nil
}

// task is one process of a run.
type task struct {
	kind  string
	index int
}

func (t task) String() string { return fmt.Sprintf("%s %d", t.kind, t.index) }

// addresses are the members of a cluster by kind. Evaluators belong to none.
func (c Cluster) addresses(primary string) map[string][]string {
	port := c.StartPort
	take := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("localhost:%d", port)
			port++
		}
		return list
	}
	return map[string][]string{primary: take(1), "ps": take(c.ParameterServers), "worker": take(c.Workers)}
}

// others are the processes beside the primary, in the order in which they are
// started.
func (c Cluster) others() (list []task) {
	for _, g := range []struct {
		kind string
		n    int
	}{{"ps", c.ParameterServers}, {"worker", c.Workers}, {"evaluator", c.Evaluators}} {
		for i := range g.n {
			list = append(list, task{g.kind, i})
		}
	}
	return list
}

// tfConfig is a process's TF_CONFIG. A run that is not distributed has neither
// a task nor a cluster.
func tfConfig(module string, args []string, cluster map[string][]string, t task) (string, error) {
	if args == nil {
		args = []string{}
	}
	doc := map[string]any{
		"job":         map[string]any{"job_name": module, "args": args},
		"task":        map[string]any{},
		"cluster":     map[string]any{},
		"environment": "cloud",
	}
	if cluster != nil {
		doc["cluster"], doc["task"] = cluster, map[string]any{"type": t.kind, "index": t.index}
	}
	b, err := json.Marshal(doc)
	return string(b), err
}
