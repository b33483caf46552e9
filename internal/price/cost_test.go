package price_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/price"
)

// sheet has round prices, so that a test's sums can be done in the head.
const sheet = `
currency: EUR
vcpu_hour: 0.1
gib_hour: 0.01
accelerator_hour: {NVIDIA_TESLA_T4: 0.5, NVIDIA_TESLA_K80: 2, NVIDIA_TESLA_A100: 7, TPU_V2: 1.5}
machine_hour: {n1-highmem-8: 3, standard_gpu: 4}
`

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return noon.Add(time.Duration(hours * float64(time.Hour))) }

func group(t *testing.T, role job.Role, n int, machine string, added job.Accelerator) job.Group {
	t.Helper()
	m, err := job.ParseMachine(machine)
	if err != nil {
		t.Fatal(err)
	}
	g := job.Group{Role: role, Count: n, Machine: machine, Need: m.Need, Accelerator: m.Accelerator}
	if added.Count > 0 {
		g.Accelerator, g.Need.GPUs = added, added.Count
	}
	return g
}

func mustRead(t *testing.T, text string) *price.Sheet {
	t.Helper()
	s, err := price.Read([]byte(text), "prices.yaml", job.ParseMachine)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatAMachineCostsAnHour(t *testing.T) {
	none, t4 := job.Accelerator{}, job.Accelerator{Type: "NVIDIA_TESLA_T4", Count: 2}
	for _, tt := range []struct {
		name, sheet, machine string
		added                job.Accelerator
		want                 float64
		unpriced             []string
	}{
		{"vCPUs and memory", sheet, "n1-standard-4", none, 4*0.1 + 15*0.01, nil},
		{"and accelerators", sheet, "n1-standard-4", t4, 4*0.1 + 15*0.01 + 2*0.5, nil},
		{"the machine's own price", sheet, "n1-highmem-8", none, 3, nil},
		{"and accelerators that were added to it", sheet, "n1-highmem-8", t4, 3 + 2*0.5, nil},
		{"accelerators that come with a machine are in its price", sheet, "standard_gpu", none, 4, nil},
		{"and have their own where it has none", sheet, "complex_model_m_gpu", none, 16*0.1 + 60*0.01 + 4*2, nil},
		{"an A100", sheet, "a2-highgpu-1g", none, 12*0.1 + 85*0.01 + 7, nil},
		{"a TPU", sheet, "cloud_tpu", none, 8 * 1.5, nil},
		{"a TPU where only accelerators have a price", "currency: EUR\naccelerator_hour: {TPU_V2: 1}", "cloud_tpu", none, 8, nil},
		{"vCPUs alone", "currency: EUR\nvcpu_hour: 1", "n1-standard-4", none, 4, nil},
		{"memory alone", "currency: EUR\ngib_hour: 1", "n1-standard-4", none, 15, nil},
		{"nothing is a price", "currency: EUR\nvcpu_hour: 0", "n1-standard-4", none, 0, nil},
		{"no price for the machine", "currency: EUR\nmachine_hour: {n1-highmem-8: 3}", "n1-standard-4", none, 0, []string{"n1-standard-4"}},
		{"no price for the accelerator", "currency: EUR\nvcpu_hour: 1", "n1-standard-4", t4, 4, []string{"NVIDIA_TESLA_T4"}},
		{"no price for either", "currency: EUR\nmachine_hour: {n1-highmem-8: 3}", "n1-standard-4", t4, 0, []string{"NVIDIA_TESLA_T4", "n1-standard-4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := job.Job{State: job.Running, Spec: job.Spec{Groups: []job.Group{group(t, job.Master, 1, tt.machine, tt.added)}}}
			c, ok := mustRead(t, tt.sheet).Job(j, []job.Attempt{{Created: noon}}, at(1))
			if !ok || math.Abs(c.Amount-tt.want) > 1e-6 || c.Parts[0].Hour != c.Amount || c.Parts[0].Hours != 1 || !slices.Equal(c.Unpriced, tt.unpriced) {
				t.Errorf("%+v, want %v without %v", c, tt.want, tt.unpriced)
			}
		})
	}
}

func TestHowLongAJobPays(t *testing.T) {
	for _, tt := range []struct {
		name     string
		job      job.Job
		attempts []job.Attempt
		hours    float64
	}{
		{"it waits", job.Job{State: job.Queued}, nil, 0},
		{"it prepares, which is paid for", job.Job{State: job.Preparing}, []job.Attempt{{Created: at(1)}}, 2},
		{"it runs", job.Job{State: job.Running}, []job.Attempt{{Created: at(1), Running: at(2)}}, 2},
		{"it ended", job.Job{State: job.Succeeded, Ended: at(2.5)}, []job.Attempt{{Created: at(1), Ended: at(2.5)}}, 1.5},
		{"every attempt, and not the time between them", job.Job{State: job.Running}, []job.Attempt{{Created: at(0), Ended: at(1)}, {Created: at(1.5), Ended: at(1.75)}, {Created: at(2)}}, 2.25},
		{"it waits for the next attempt", job.Job{State: job.Running}, []job.Attempt{{Created: at(0), Ended: at(1)}}, 1},
		{"an attempt whose end was not noted ends with the job", job.Job{State: job.Cancelled, Ended: at(1)}, []job.Attempt{{Created: at(0)}}, 1},
		{"the clock was set back", job.Job{State: job.Running}, []job.Attempt{{Created: at(5)}, {Created: at(1), Ended: at(0)}}, 0},
		{"the end lies ahead of the clock", job.Job{State: job.Succeeded, Ended: at(9)}, []job.Attempt{{Created: at(1), Ended: at(9)}}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.job.Groups = []job.Group{group(t, job.Master, 1, "n1-highmem-8", job.Accelerator{})}
			c, ok := mustRead(t, sheet).Job(tt.job, tt.attempts, at(3))
			if !ok || c.Parts[0].Hours != tt.hours || c.Amount != 3*tt.hours {
				t.Errorf("%+v, want %v hours", c, tt.hours)
			}
		})
	}
}

func TestAGangPaysForAllOfIt(t *testing.T) {
	j := job.Job{State: job.Succeeded, Ended: at(0.5), Spec: job.Spec{Groups: job.Standard1.Groups()}}
	c, _ := mustRead(t, sheet).Job(j, []job.Attempt{{Created: noon, Ended: at(0.5)}}, at(7))
	got, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"amount":3.005,"currency":"EUR","parts":[` +
		`{"role":"master","machineType":"n1-highcpu-8","replicas":1,"pricePerHour":0.872,"hours":0.5,"amount":0.436},` +
		`{"role":"worker","machineType":"n1-highcpu-8","replicas":4,"pricePerHour":0.872,"hours":0.5,"amount":1.744},` +
		`{"role":"ps","machineType":"n1-standard-4","replicas":3,"pricePerHour":0.55,"hours":0.5,"amount":0.825}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutASheetThereIsNoCost(t *testing.T) {
	var none *price.Sheet
	if c, ok := none.Job(job.Job{State: job.Running}, []job.Attempt{{Created: noon}}, at(1)); ok {
		t.Errorf("%+v", c)
	}
}

func TestACostInWords(t *testing.T) {
	for want, c := range map[string]price.Cost{
		"0.00 EUR":     {Currency: "EUR"},
		"0.0012 EUR":   {Currency: "EUR", Amount: 0.001234},
		"1234.57 EUR":  {Currency: "EUR", Amount: 1234.567},
		"2.50 credits": {Currency: "credits", Amount: 2.5},
		"0.50 EUR":     {Currency: "EUR", Amount: 0.5},
		"1.00 EUR (without NVIDIA_TESLA_T4, n1-standard-4: no price)": {Currency: "EUR", Amount: 1, Unpriced: []string{"NVIDIA_TESLA_T4", "n1-standard-4"}},
	} {
		if got := c.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestCostsOnlyGrow: a job never becomes cheaper while it goes on, attempts add
// up, and so do the parts.
func TestCostsOnlyGrow(t *testing.T) {
	s := mustRead(t, sheet)
	rapid.Check(t, func(r *rapid.T) {
		j := job.Job{State: job.Running}
		for _, role := range []job.Role{job.Master, job.Worker, job.ParameterServer}[:rapid.IntRange(1, 3).Draw(r, "roles")] {
			machine := rapid.SampledFrom([]string{"n1-standard-4", "n1-highmem-8", "standard_gpu", "a2-highgpu-2g"}).Draw(r, "machine")
			j.Groups = append(j.Groups, group(t, role, rapid.IntRange(1, 30).Draw(r, "count"), machine, job.Accelerator{}))
		}
		var attempts []job.Attempt
		for begin := noon; len(attempts) < 5 && rapid.Bool().Draw(r, "another attempt"); {
			end := begin.Add(time.Duration(rapid.Int64Range(0, int64(99*time.Hour)).Draw(r, "length")))
			attempts = append(attempts, job.Attempt{Created: begin, Ended: end})
			begin = end.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(r, "backoff")))
		}
		cost := func(list []job.Attempt, hours float64) float64 {
			c, ok := s.Job(j, list, at(hours))
			parts := 0.0
			for _, p := range c.Parts {
				parts += p.Amount
			}
			if !ok || c.Amount < 0 || len(c.Parts) != len(j.Groups) || math.Abs(parts-c.Amount) > 1e-5 {
				r.Fatalf("%+v", c)
			}
			return c.Amount
		}
		early := rapid.Float64Range(0, 300).Draw(r, "early")
		late := early + rapid.Float64Range(0, 300).Draw(r, "later")
		if a, b := cost(attempts, early), cost(attempts, late); a > b {
			r.Fatalf("%v, then %v", a, b)
		}
		sum := 0.0
		for i := range attempts {
			sum += cost(attempts[i:i+1], late)
		}
		if all := cost(attempts, late); math.Abs(all-sum) > 1e-5 {
			r.Fatalf("all attempts cost %v, one by one %v", all, sum)
		}
	})
}
