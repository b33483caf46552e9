package cluster

import (
	"github.com/trainyard/trainyard/internal/job"
)

// Total is what all replicas of a job ask for together.
func Total(groups []job.Group) job.Need {
	var sum job.Need
	for _, g := range groups {
		sum.CPUs += float64(g.Count) * g.Need.CPUs
		sum.Memory += int64(g.Count) * g.Need.Memory
		sum.GPUs += g.Count * g.Accelerator.Count
	}
	return sum
}

// Shares are what a replica of each group gets of a machine with so many CPUs
// and so much memory: its wish or, where the wishes of all are more than the
// machine has, a part of it. All parts are of one proportion, and together
// never more than the machine. Zero CPUs or memory are no limit. GPUs cannot be
// shared and are given as asked.
func Shares(groups []job.Group, cpus float64, memory int64) []job.Need {
	total := Total(groups)
	shares := make([]job.Need, len(groups))
	for i, g := range groups {
		n := job.Need{CPUs: g.Need.CPUs, Memory: g.Need.Memory, GPUs: g.Accelerator.Count}
		if cpus > 0 && total.CPUs > cpus {
			n.CPUs = cpus * (n.CPUs / total.CPUs)
		}
		if memory > 0 && total.Memory > memory {
			n.Memory = int64(float64(memory) * (float64(n.Memory) / float64(total.Memory)))
		}
		shares[i] = n
	}
	return shares
}

// Threads is how many threads a program with so many CPUs is advised to use.
func Threads(cpus float64) int { return max(1, int(cpus)) }
