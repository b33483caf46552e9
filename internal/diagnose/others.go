package diagnose

import (
	"fmt"
	"strings"

	"github.com/trainyard/trainyard/internal/job"
)

// others says what the job's other replicas did, in a sentence.
func others(f Failure) string {
	var succeeded, stopped, lost, waiting []job.Replica
	var parts []string
	for _, r := range f.Others {
		switch {
		case r.Replica == f.Replica.Replica:
		case r.State == job.ReplicaLost:
			lost = append(lost, r.Replica)
		case r.Exit == nil:
			waiting = append(waiting, r.Replica)
		case r.Exit.Code == 0:
			succeeded = append(succeeded, r.Replica)
		case r.Exit.Requested:
			stopped = append(stopped, r.Replica)
		default:
			parts = append(parts, fmt.Sprintf("%s failed, too (%s)", names([]job.Replica{r.Replica}), briefly(r)))
		}
	}
	for _, g := range []struct {
		who  []job.Replica
		verb string
	}{{lost, "lost, too"}, {succeeded, "done"}, {stopped, "stopped then"}, {waiting, "not running"}} {
		if len(g.who) > 0 {
			was := "was"
			if len(g.who) > 1 {
				was = "were"
			}
			parts = append(parts, fmt.Sprintf("%s %s %s", names(g.who), was, g.verb))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Of the others, " + strings.Join(parts, "; ") + "."
}

// briefly is how a replica ended, in a few words.
func briefly(r job.ReplicaRun) string {
	e := evidenceOf(r)
	if len(e.chains) > 0 {
		chain := e.chains[0]
		return cut(exceptionOf(chain[len(chain)-1]), 120)
	}
	if r.Exit.Signal != "" {
		return r.Exit.Signal
	}
	return fmt.Sprintf("status %d", r.Exit.Code)
}

// names lists replicas: "worker 0 to 3, worker 5 and ps 0".
func names(list []job.Replica) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1].Role == list[i].Role && list[j+1].Index == list[j].Index+1 {
			j++
		}
		part := fmt.Sprintf("%s %d", list[i].Role, list[i].Index)
		switch {
		case j == i+1:
			j = i // two are named one by one
		case j > i:
			part += fmt.Sprintf(" to %d", list[j].Index)
		}
		parts = append(parts, part)
		i = j + 1
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return strings.Join(parts, "")
}

func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + " …"
	}
	return s
}
