package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
)

// gpu is a device as programs are given it.
type gpu struct {
	name string // in CUDA_VISIBLE_DEVICES: the index, or the UUID of a part of one
	uuid string
}

// parseGPUs reads what `nvidia-smi -L` prints: devices, and below each the
// parts that it is cut into, where it is.
func parseGPUs(list string) []gpu {
	gpuLine := regexp.MustCompile(`^GPU ([0-9]+): .*?(?:\(UUID: (GPU-[^)]+)\))?$`)
	partLine := regexp.MustCompile(`^\s+MIG .*\(UUID: (MIG-[^),]+)\)$`)
	var gpus []gpu
	whole := -1 // place of the device that the next parts belong to
	for line := range strings.Lines(list) {
		line = strings.TrimRight(line, " \r\n")
		if p := gpuLine.FindStringSubmatch(line); p != nil {
			whole = len(gpus)
			gpus = append(gpus, gpu{name: p[1], uuid: p[2]})
		} else if p := partLine.FindStringSubmatch(line); p != nil && whole >= 0 {
			if whole < len(gpus) && strings.HasPrefix(gpus[whole].uuid, "GPU-") {
				gpus = gpus[:whole] // a device in parts is used by its parts only
			}
			gpus = append(gpus, gpu{name: p[1], uuid: p[1]})
		}
	}
	return gpus
}

// visible leaves of the devices those that a CUDA_VISIBLE_DEVICES lets one see,
// which ends, as for CUDA, at the first that is not there.
func visible(gpus []gpu, value string) []gpu {
	var seen []gpu
	for entry := range strings.SplitSeq(value, ",") {
		entry = strings.TrimSpace(entry)
		i := slices.IndexFunc(gpus, func(g gpu) bool {
			return g.name == entry || len(entry) > 4 && strings.HasPrefix(g.uuid, entry)
		})
		if i < 0 {
			break
		}
		seen = append(seen, gpus[i])
	}
	return seen
}

// askDevices runs the vendor's tool. It may be a script, and is not waited for
// when it does not answer, nor is a child that keeps its output.
func askDevices(ctx context.Context, limit time.Duration, stderr io.Writer, args ...string) ([]byte, error) {
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr, cmd.WaitDelay = stderr, time.Second
	return cmd.Output()
}

// devices are the GPUs that this server may give out: those that the vendor's
// tool lists, or of them what the server itself may see. They are listed once.
func (e *Executor) devices(ctx context.Context) []string {
	e.gpuOnce.Do(func() {
		var stderr bytes.Buffer
		out, err := askDevices(context.WithoutCancel(ctx), 10*time.Second, &stderr, "-L")
		if errors.Is(err, exec.ErrNotFound) {
			return
		}
		if err != nil {
			e.Log.Warn("nvidia-smi lists no GPUs, so none are given to jobs", "err", err, "said", strings.TrimSpace(stderr.String()))
			return
		}
		gpus := parseGPUs(string(out))
		for _, kv := range e.Environ {
			if v, ok := strings.CutPrefix(kv, "CUDA_VISIBLE_DEVICES="); ok {
				gpus = visible(gpus, v)
			}
		}
		for _, g := range gpus {
			e.gpuNames = append(e.gpuNames, g.name)
		}
	})
	return e.gpuNames
}

// assign gives every replica that asks for GPUs its own, in the record, unless
// the record has them already; mu is held.
func (e *Executor) assign(ctx context.Context, r *record, a executor.Attempt) error {
	asked := 0
	for _, x := range a.Replicas {
		asked += x.Need.GPUs
	}
	if asked == 0 || r.GPUs != nil {
		return nil
	}
	all := e.devices(ctx)
	free := slices.DeleteFunc(slices.Clone(all), func(name string) bool { _, taken := e.gpus[name]; return taken })
	switch {
	case asked > len(all):
		return fault.Errorf(fault.Precondition, "the job's replicas ask for %d GPUs together; this machine has %d", asked, len(all))
	case asked > len(free): // those of an attempt that is being removed, say
		return fault.Errorf(fault.Exhausted, "the job's replicas ask for %d GPUs together; of this machine's %d, %d are free", asked, len(all), len(free))
	}
	r.GPUs = map[string][]string{}
	for _, x := range a.Replicas {
		if n := x.Need.GPUs; n > 0 {
			r.GPUs[executor.Task(x.Replica)] = free[:n:n]
			free = free[n:]
		}
	}
	return nil
}

// gpusOf are a replica's; nil where the machine has none.
func (e *Executor) gpusOf(ctx context.Context, r record, x executor.Replica) []string {
	if own := r.GPUs[executor.Task(x.Replica)]; own != nil {
		return own
	}
	if len(e.devices(ctx)) == 0 {
		return nil
	}
	return []string{}
}
