package process

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
)

// deviceUsage is what the vendor's tool says of every GPU, by index and by UUID.
func (e *Executor) deviceUsage(ctx context.Context) map[string]executor.GPUUsage {
	out, err := askDevices(ctx, 5*time.Second, io.Discard, "--query-gpu=index,uuid,utilization.gpu,memory.used", "--format=csv,noheader,nounits")
	if err != nil {
		return map[string]executor.GPUUsage{}
	}
	return parseDeviceUsage(string(out))
}

// parseDeviceUsage reads lines such as "0, GPU-1a2b, 87, 4021".
func parseDeviceUsage(text string) map[string]executor.GPUUsage {
	all := map[string]executor.GPUUsage{}
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) != 4 {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		busy, _ := strconv.Atoi(f[2]) // "[N/A]" for a part of one
		mib, _ := strconv.ParseInt(f[3], 10, 64)
		for _, name := range f[:2] {
			all[name] = executor.GPUUsage{Name: name, Busy: busy, Memory: mib << 20}
		}
	}
	return all
}
