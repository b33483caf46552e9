package executor

import (
	"context"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// Usage is what one replica's latest run uses.
type Usage struct {
	job.Replica
	Run        int
	Time       time.Time // of the sample
	CPU        float64   // processors that it kept busy since the sample before
	CPUSeconds float64   // of this run until now
	Memory     int64     // bytes now
	PeakMemory int64     // the most so far
	Disk       int64     // bytes of its working folder and /tmp, looked at now and then
	Processes  int
	GPUs       []GPUUsage // those that it was given
}

// GPUUsage is what a GPU does.
type GPUUsage struct {
	Name   string // as CUDA_VISIBLE_DEVICES has it
	Busy   int    // per cent
	Memory int64  // bytes in use on it
}

// Meter is an executor that can say what attempts use. It is one sampler for
// all of them; asking often costs no more than asking now and then.
type Meter interface {
	// Usage is what the attempt's replicas use that run now. One that is not
	// running any more has its sums in its exit record.
	Usage(ctx context.Context, handle string) ([]Usage, error)
}
