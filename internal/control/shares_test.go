package control

import (
	"slices"
	"testing"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

func TestAJobIsToldWhatItGetsOfTheMachine(t *testing.T) {
	one := []job.Group{{Role: job.Master, Count: 1, Machine: "n1-standard-4", Need: job.Need{CPUs: 4, Memory: 15 << 30}}}
	gang := []job.Group{
		{Role: job.Master, Count: 1, Machine: "n1-standard-4", Need: job.Need{CPUs: 4, Memory: 16 << 30}},
		{Role: job.Worker, Count: 2, Machine: "n1-standard-8", Need: job.Need{CPUs: 8, Memory: 32 << 30}},
		{Role: job.ParameterServer, Count: 3, Machine: "n1-standard-4", Need: job.Need{CPUs: 4, Memory: 16 << 30}},
	}
	gpu := []job.Group{{Role: job.Master, Count: 1, Machine: "n1-standard-4", Accelerator: job.Accelerator{Type: "NVIDIA_TESLA_T4", Count: 1}}}
	for _, tt := range []struct {
		groups   []job.Group
		capacity executor.Capacity
		want     []string
	}{
		{one, executor.Capacity{CPUs: 8, Memory: 32 << 30}, nil},
		{one, executor.Capacity{}, nil},
		{one, executor.Capacity{CPUs: 2, Memory: 32 << 30}, []string{"Machine type n1-standard-4 asks for 4 vCPUs, 15 GiB; this machine has 2 vCPUs, 32 GiB, so the master gets 2 vCPUs, 15 GiB."}},
		{gang, executor.Capacity{CPUs: 4, Memory: 32 << 30}, []string{
			"The 6 replicas ask for 32 vCPUs, 128 GiB together; this machine has 4 vCPUs, 32 GiB, of which each gets a part by its machine type.",
			"The master (n1-standard-4) gets 0.5 vCPUs, 4 GiB instead of 4 vCPUs, 16 GiB.",
			"Each of 2 workers (n1-standard-8) gets 1 vCPUs, 8 GiB instead of 8 vCPUs, 32 GiB.",
			"Each of 3 parameter servers (n1-standard-4) gets 0.5 vCPUs, 4 GiB instead of 4 vCPUs, 16 GiB.",
		}},
		{one, executor.Capacity{CPUs: 8, Memory: 32 << 30, GPUs: 1}, []string{"This machine has 1 GPU, and the job asks for none, so its program sees none. Ask with --scale-tier=basic-gpu, or with --scale-tier=custom, --master-machine-type and --master-accelerator."}},
		{gpu, executor.Capacity{GPUs: 2}, nil},
	} {
		it := &Item{}
		it.Groups = tt.groups
		var got []string
		for _, e := range it.told(View{Capacity: tt.capacity}) {
			got = append(got, e.Text)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("of %+v, the job is told\n%q, want\n%q", tt.capacity, got, tt.want)
		}
	}
}
