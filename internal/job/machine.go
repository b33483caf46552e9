package job

import (
	"fmt"
	"regexp"
	"strconv"
)

// Tier is a scale tier, a predefined cluster.
type Tier string

// The scale tiers.
const (
	Basic     Tier = "BASIC"
	Standard1 Tier = "STANDARD_1"
	Premium1  Tier = "PREMIUM_1"
	BasicGPU  Tier = "BASIC_GPU"
	BasicTPU  Tier = "BASIC_TPU"
	Custom    Tier = "CUSTOM"
)

// Tiers lists every scale tier in the original's order.
var Tiers = []Tier{Basic, Standard1, Premium1, BasicGPU, BasicTPU, Custom}

// Groups are the replicas that a tier stands for; nil for Custom.
func (t Tier) Groups() []Group {
	g := func(r Role, n int, machine string) Group {
		m, _ := ParseMachine(machine)
		return Group{Role: r, Count: n, Machine: machine, Need: m.Need}
	}
	switch t {
	case Basic:
		return []Group{g(Master, 1, "n1-standard-4")}
	case Standard1:
		return []Group{g(Master, 1, "n1-highcpu-8"), g(Worker, 4, "n1-highcpu-8"), g(ParameterServer, 3, "n1-standard-4")}
	case Premium1:
		return []Group{g(Master, 1, "n1-highcpu-16"), g(Worker, 19, "n1-highcpu-16"), g(ParameterServer, 11, "n1-highmem-8")}
	case BasicGPU:
		m := g(Master, 1, "standard_gpu")
		m.Accelerator = Accelerator{Type: "NVIDIA_TESLA_K80", Count: 1}
		return []Group{m}
	case BasicTPU:
		w := Group{Role: Worker, Count: 1, Machine: "cloud_tpu", Accelerator: Accelerator{Type: "TPU_V2", Count: 8}}
		return []Group{g(Master, 1, "n1-standard-4"), w}
	default:
		return nil
	}
}

// Machine is what a machine type stands for.
type Machine struct {
	Name        string
	Legacy      bool // "standard", "large_model" …; all types of a job are of one category
	Need        Need
	Accelerator Accelerator // that comes with a legacy type
}

const gib = 1 << 30

var legacy = map[string]struct {
	as  string
	acc Accelerator
}{
	"standard":             {"n1-standard-4", Accelerator{}},
	"large_model":          {"n1-highmem-8", Accelerator{}},
	"complex_model_s":      {"n1-highcpu-8", Accelerator{}},
	"complex_model_m":      {"n1-highcpu-16", Accelerator{}},
	"complex_model_l":      {"n1-highcpu-32", Accelerator{}},
	"standard_gpu":         {"n1-standard-8", Accelerator{"NVIDIA_TESLA_K80", 1}},
	"complex_model_m_gpu":  {"n1-standard-16", Accelerator{"NVIDIA_TESLA_K80", 4}},
	"complex_model_l_gpu":  {"n1-standard-32", Accelerator{"NVIDIA_TESLA_K80", 8}},
	"standard_p100":        {"n1-standard-8", Accelerator{"NVIDIA_TESLA_P100", 1}},
	"complex_model_m_p100": {"n1-standard-16", Accelerator{"NVIDIA_TESLA_P100", 4}},
	"standard_v100":        {"n1-standard-8", Accelerator{"NVIDIA_TESLA_V100", 1}},
	"large_model_v100":     {"n1-highmem-8", Accelerator{"NVIDIA_TESLA_V100", 1}},
	"complex_model_m_v100": {"n1-standard-16", Accelerator{"NVIDIA_TESLA_V100", 4}},
	"complex_model_l_v100": {"n1-standard-32", Accelerator{"NVIDIA_TESLA_V100", 8}},
	"cloud_tpu":            {"", Accelerator{"TPU_V2", 8}},
}

var (
	machinePattern = regexp.MustCompile(`^(n1|n2|n2d|e2|c2|c3|m1)-(standard|highmem|highcpu)-([1-9][0-9]{0,2})$`)
	gpuPattern     = regexp.MustCompile(`^a2-(?:highgpu-([1248])g|megagpu-(16)g)$`)
)

// gbPerCPU is in units of 1 GB per virtual CPU as the original's price page
// gave them for n1; later families differ little and a wish is a wish.
var gbPerCPU = map[string]float64{"standard": 3.75, "highmem": 6.5, "highcpu": 0.9}

// ParseMachine says what a machine type stands for.
func ParseMachine(name string) (Machine, error) {
	if l, ok := legacy[name]; ok {
		m := Machine{Name: name}
		if l.as != "" {
			as, err := ParseMachine(l.as)
			if err != nil {
				return Machine{}, err
			}
			m = as
			m.Name, m.Legacy = name, true
		}
		m.Accelerator = l.acc
		if l.acc.Count > 0 && l.as != "" {
			m.Need.GPUs = l.acc.Count
		}
		return m, nil
	}
	if p := machinePattern.FindStringSubmatch(name); p != nil {
		n, _ := strconv.Atoi(p[3])
		return Machine{Name: name, Need: Need{CPUs: float64(n), Memory: int64(float64(n) * gbPerCPU[p[2]] * gib)}}, nil
	}
	if p := gpuPattern.FindStringSubmatch(name); p != nil {
		n, _ := strconv.Atoi(p[1] + p[2])
		return Machine{Name: name, Need: Need{CPUs: float64(12 * n), Memory: int64(n) * 85 * gib, GPUs: n}, Accelerator: Accelerator{"NVIDIA_TESLA_A100", n}}, nil
	}
	return Machine{}, fmt.Errorf("machine type %q is not known", name)
}
