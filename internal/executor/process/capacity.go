package process

import (
	"bytes"
	"context"
	"os/exec"
	"runtime"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
)

// Capacity is what this process may use of the machine: its affinity and the
// limits of its cgroups count, not only what is built in.
func (e *Executor) Capacity(ctx context.Context) (executor.Capacity, error) {
	cpus, memory := limits()
	c := executor.Capacity{CPUs: float64(runtime.NumCPU()), Memory: memory, GPUs: gpus(ctx)}
	if cpus > 0 && cpus < c.CPUs {
		c.CPUs = cpus
	}
	return c, nil
}

// gpus counts what the vendor's tool lists; no tool, no GPUs.
func gpus(ctx context.Context) int {
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-L").Output()
	if err != nil {
		return 0
	}
	n := 0
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("GPU ")) {
			n++
		}
	}
	return n
}
