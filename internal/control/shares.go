package control

import (
	"fmt"

	"github.com/trainyard/trainyard/internal/cluster"
	"github.com/trainyard/trainyard/internal/job"
)

// shares are what a replica of each group gets of the capacity.
func (it *Item) shares(v View) []job.Need {
	return cluster.Shares(it.Groups, v.Capacity.CPUs, v.Capacity.Memory)
}

// told are the lines that say, before anything starts, what the job gets that
// it did not ask for, or not of what it asked for.
func (it *Item) told(v View) []job.Event {
	var lines []job.Event
	shares := it.shares(v)
	asked := make([]job.Need, len(shares))
	less, replicas := false, 0
	for i, g := range it.Groups {
		asked[i] = job.Need{CPUs: g.Need.CPUs, Memory: g.Need.Memory, GPUs: g.Accelerator.Count}
		less = less || shares[i] != asked[i]
		replicas += g.Count
	}
	switch {
	case less && replicas == 1:
		g := it.Groups[0]
		lines = append(lines, service("machine/"+string(g.Role), fmt.Sprintf("Machine type %s asks for %s; this machine has %s, so the %s gets %s.",
			g.Machine, size(g.Need.CPUs, g.Need.Memory, 0), size(v.Capacity.CPUs, v.Capacity.Memory, 0), g.Role, size(shares[0].CPUs, shares[0].Memory, 0))))
	case less:
		total := cluster.Total(it.Groups)
		lines = append(lines, service("machine", fmt.Sprintf("The %d replicas ask for %s together; this machine has %s, of which each gets a part by its machine type.",
			replicas, size(total.CPUs, total.Memory, 0), size(v.Capacity.CPUs, v.Capacity.Memory, 0))))
		for i, g := range it.Groups {
			who := "The " + title(g.Role)
			if g.Count > 1 {
				who = fmt.Sprintf("Each of %s", counted(g.Count, title(g.Role)))
			}
			lines = append(lines, service("machine/"+string(g.Role), fmt.Sprintf("%s (%s) gets %s instead of %s.",
				who, g.Machine, size(shares[i].CPUs, shares[i].Memory, 0), size(g.Need.CPUs, g.Need.Memory, 0))))
		}
	}
	if n := v.Capacity.GPUs; n > 0 && cluster.Total(it.Groups).GPUs == 0 {
		lines = append(lines, service("gpus", fmt.Sprintf("This machine has %s, and the job asks for none, so its program sees none. Ask with --scale-tier=basic-gpu, or with --scale-tier=custom, --master-machine-type and --master-accelerator.", counted(n, "GPU"))))
	}
	return lines
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// title is a role in words.
func title(r job.Role) string {
	if r == job.ParameterServer {
		return "parameter server"
	}
	return string(r)
}
