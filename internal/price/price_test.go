package price_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/price"
)

const sheet = "currency: BRL\nvCPU: 0.10\nGiB: 0.02\naccelerators: {NVIDIA_TESLA_T4: 2}\nmachineTypes: {n1-standard-4: 1}\n"

func TestAJobCostsWhatItsMachinesCostWhileItHeldThem(t *testing.T) {
	s, err := price.Read([]byte(sheet), "prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	spec := job.Spec{Groups: []job.Group{
		{Role: job.Master, Count: 1, Machine: "n1-standard-4", Need: job.Need{CPUs: 4, Memory: 15 << 30}},
		{Role: job.Worker, Count: 2, Machine: "n1-standard-8", Need: job.Need{CPUs: 8, Memory: 30 << 30}, Accelerator: job.Accelerator{Type: "NVIDIA_TESLA_T4", Count: 2}},
	}}
	// 1 + 2 × (0.8 + 0.6 + 4) an hour.
	for _, tt := range []struct {
		attempts []job.Attempt
		want     float64
	}{
		{nil, 0},
		{[]job.Attempt{{Created: begin, Ended: begin.Add(time.Hour)}}, 11.8},
		{[]job.Attempt{{Created: begin, Ended: begin.Add(30 * time.Minute)}, {Created: begin.Add(time.Hour)}}, 11.8 * 1.5},
	} {
		if got := s.Cost(spec, tt.attempts, begin.Add(2*time.Hour)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%+v cost %v, want %v", tt.attempts, got, tt.want)
		}
	}
}

func TestASheetThatIsWrongSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "prices.yaml: the price sheet is empty",
		"vCPU: 1\n":                              "names no currency",
		"currency: BRL\nvCpu: 1\n":               "line 2: field vCpu not found",
		"currency: BRL\nvCPU: cheap\n":           "line 2",
		"currency: BRL\nGiB: -1\n":               "GiB: -1 is no price per hour",
		"currency: BRL\naccelerators: {X: .nan}": "accelerators.X: NaN is no price per hour",
	} {
		_, err := price.Read([]byte(text), "prices.yaml")
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) || fault.HintOf(err) == "" {
			t.Errorf("%q: %v, want %q and a hint", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sheet)
	f.Add("currency: [1]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := price.Read([]byte(text), "f")
		if (s == nil) == (err == nil) {
			t.Errorf("%v, %v", s, err)
		}
	})
}
