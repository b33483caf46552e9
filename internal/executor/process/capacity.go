package process

import (
	"context"
	"runtime"

	"github.com/trainyard/trainyard/internal/executor"
)

// Capacity is what this process may use of the machine: its affinity and the
// limits of its cgroups count, not only what is built in.
func (e *Executor) Capacity(ctx context.Context) (executor.Capacity, error) {
	cpus, memory := limits()
	c := executor.Capacity{CPUs: float64(runtime.NumCPU()), Memory: memory, GPUs: len(e.devices(ctx))}
	if cpus > 0 && cpus < c.CPUs {
		c.CPUs = cpus
	}
	return c, nil
}
