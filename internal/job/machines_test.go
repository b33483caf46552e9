package job_test

import (
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// TestTheTableOfAccelerators holds the built-in table against the original's,
// column by column.
func TestTheTableOfAccelerators(t *testing.T) {
	columns := []string{"NVIDIA_TESLA_K80", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_T4", "NVIDIA_TESLA_V100"}
	for machines, row := range map[string]string{
		"n1-standard-4 n1-standard-8 n1-highmem-2 n1-highmem-4 n1-highmem-8": "1248 124 124 124 1248",
		"n1-standard-16 n1-highmem-16 n1-highcpu-16":                         "248 124 124 124 248",
		"n1-standard-32 n1-highmem-32 n1-highcpu-32":                         "48 24 24 24 48",
		"n1-standard-64 n1-standard-96 n1-highmem-64 n1-highmem-96":          "- 4 - 4 8",
		"n1-highcpu-64": "8 4 4 4 8",
		"n1-highcpu-96": "- 4 - 4 8",
		"n1-highcpu-8 n1-standard-2 e2-highmem-2": "- - - - -",
	} {
		for _, name := range strings.Fields(machines) {
			m, err := job.ParseMachine(name)
			if err != nil {
				t.Error(err)
				continue
			}
			for i, cell := range strings.Fields(row) {
				for n := range 10 {
					err := m.CheckAccelerator(job.Accelerator{Type: columns[i], Count: n})
					if want := strings.ContainsRune(cell, rune('0'+n)); (err == nil) != want {
						t.Errorf("%d %s on %s: %v, want it accepted: %t", n, columns[i], name, err, want)
					}
				}
			}
		}
	}
	m, _ := job.ParseMachine("n1-standard-4")
	for count, want := range map[job.Accelerator]string{
		{Type: "NVIDIA_TESLA_T4", Count: 3}:   "the machine type 'n1-standard-4' can have 1, 2 or 4 NVIDIA_TESLA_T4; received: 3",
		{Type: "NVIDIA_TESLA_A100", Count: 1}: "the machine type 'n1-standard-4' cannot have NVIDIA_TESLA_A100; it can have NVIDIA_TESLA_K80, NVIDIA_TESLA_P100, NVIDIA_TESLA_P4, NVIDIA_TESLA_T4, NVIDIA_TESLA_V100",
	} {
		if err := m.CheckAccelerator(count); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %q", count, err, want)
		}
	}
}

func TestAnUnknownMachineTypeIsAnsweredWithItsFamily(t *testing.T) {
	for name, want := range map[string]string{
		"n1-highcpu-3": "there are n1-highcpu-2, n1-highcpu-4, n1-highcpu-8, n1-highcpu-16, n1-highcpu-32, n1-highcpu-64, n1-highcpu-96",
		"large":        "complex_model_l, ",
		"x-y":          "machine types are n1-standard-4",
	} {
		if _, err := job.ParseMachine(name); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.HintOf(err), want) {
			t.Errorf("%s: the hint is %q, want %q", name, fault.HintOf(err), want)
		}
	}
}

const site = `
machines:
  box: {vcpus: 32, memory_gib: 256.5, accelerators: {NVIDIA_TESLA_T4: [1, 2, 3]}}
  small: {like: box}
  standard_gpu: {like: n1-standard-16, legacy: true, comes_with: {NVIDIA_TESLA_T4: 1}}
  e2-standard-2: null
tiers:
  BASIC:
    master: {machine: box}
  STANDARD_1:
    evaluator: {machine: small}
    master: {machine: box}
    worker: {machine: box, count: 2}
`

func TestASitesTableIsPutOverTheBuiltInOne(t *testing.T) {
	m, err := job.ReadMachines([]byte(site), "machines.yaml")
	if err != nil {
		t.Fatal(err)
	}
	box, err := m.Machine("box")
	if err != nil || box.Need != (job.Need{CPUs: 32, Memory: 513 << 29}) || box.CheckAccelerator(job.Accelerator{Type: "NVIDIA_TESLA_T4", Count: 3}) != nil {
		t.Errorf("box is %+v, %v", box, err)
	}
	if small, err := m.Machine("small"); err != nil || small.Need != box.Need || small.Name != "small" {
		t.Errorf("small is %+v, %v", small, err)
	}
	if _, err := m.Machine("e2-standard-2"); err == nil {
		t.Error("a removed machine type is there")
	}
	if x, err := m.Machine("n1-standard-4"); err != nil || x.Need.CPUs != 4 {
		t.Errorf("n1-standard-4 is %+v, %v", x, err)
	}
	g := m.Groups(job.Standard1)
	if len(g) != 3 || g[0].Role != job.Master || g[1].Count != 2 || g[2].Role != job.Evaluator || g[2].Need.CPUs != 32 {
		t.Errorf("STANDARD_1 is %+v", g)
	}
	// A tier that the file does not name has what it says of its machine.
	if g := m.Groups(job.BasicGPU)[0]; g.Need.CPUs != 16 || g.Accelerator != (job.Accelerator{Type: "NVIDIA_TESLA_T4", Count: 1}) {
		t.Errorf("BASIC_GPU is %+v", g)
	}
	if g := job.BasicGPU.Groups()[0]; g.Need.CPUs != 8 || g.Accelerator.Type != "NVIDIA_TESLA_K80" {
		t.Errorf("the built-in BASIC_GPU has become %+v", g)
	}
}

func TestABadTableIsRefusedByName(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "neither machines nor tiers",
		"machines: 5":               "line 1",
		"machines: {a: {cpu: 1}}":   "there is no field cpu",
		"machines: {a: {vcpus: 1}}": `machine type "a": vcpus and memory_gib must be greater than 0; received: 1 and 0`,
		"machines: {a: {vcpus: -1, memory_gib: 1}}":                                                          "greater than 0",
		"machines: {a: {vcpus: .nan, memory_gib: 1}}":                                                        "greater than 0",
		"machines: {A B: {vcpus: 1, memory_gib: 1}}":                                                         "a name is of lower-case letters",
		"machines: {a: {like: b}}":                                                                           `it is like "b": machine type "b" is not known`,
		"machines: {a: {like: a}}":                                                                           `it is like "a"`,
		"machines: {a: {like: standard, vcpus: 1}}":                                                          "like stands for",
		"machines: {a: {vcpus: 1, memory_gib: 1, comes_with: {T4: 0}}}":                                      "comes_with is one type",
		"machines: {a: {vcpus: 1, memory_gib: 1, comes_with: {T4: 1, K80: 1}}}":                              "comes_with is one type",
		"machines: {a: {vcpus: 1, memory_gib: 1, accelerators: {T4: []}}}":                                   "received: T4: []",
		"machines: {a: {vcpus: 1, memory_gib: 1, accelerators: {t4: [1]}}}":                                  "received: t4: [1]",
		"machines: {a: {vcpus: 1, memory_gib: 1, legacy: true, accelerators: {T4: [1]}}}":                    "cannot be added to a legacy",
		"machines: {n1-standard-4: null}":                                                                    `its machine type "n1-standard-4" is removed`,
		"tiers: {HUGE: {master: {machine: standard}}}":                                                       `scale tier "HUGE": there is none of this name; there are [BASIC STANDARD_1`,
		"tiers: {CUSTOM: {master: {machine: standard}}}":                                                     "CUSTOM",
		"tiers: {BASIC: {worker: {machine: standard}}}":                                                      "scale tier BASIC: it has no master",
		"tiers: {BASIC: {chief: {machine: standard}}}":                                                       `there is no role "chief"; there are [master worker ps evaluator]`,
		"tiers: {BASIC: {master: {machine: standard, count: 2}}}":                                            "received: 2",
		"tiers: {BASIC: {master: {machine: standard}, ps: {count: 0, machine: standard}}}":                   "received: 0",
		"tiers: {BASIC: {master: {machine: nope}}}":                                                          `master: machine type "nope" is not known`,
		"machines: {a: {vcpus: 1, memory_gib: 1}}\nmachines: {b: {vcpus: 1, memory_gib: 1}}":                 "already defined",
		"machines: {a: {like: b}, b: {like: c}, c: {vcpus: 1, memory_gib: 1}}":                               `"b" is not known`,
		"machines: {a: {vcpus: 1, memory_gib: 1, comes_with: {A100: 1}, accelerators: {NVIDIA_L4: [1, 2]}}}": "nor to one that comes with some",
	} {
		_, err := job.ReadMachines([]byte(text), "site.yaml")
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "site.yaml is not a table of machine types: ") || fault.HintOf(err) == "" {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
}

func FuzzReadMachines(f *testing.F) {
	f.Add(site)
	f.Add("tiers: {BASIC: {master: {machine: standard, count: null}}}")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := job.ReadMachines([]byte(text), "x")
		if err != nil {
			return
		}
		for _, tier := range job.Tiers {
			for i, g := range m.Groups(tier) {
				x, err := m.Machine(g.Machine)
				if err != nil || x.Need != g.Need || g.Count < 1 || (i == 0) != (g.Role == job.Master) {
					t.Errorf("%q: %s has %+v, %v", text, tier, g, err)
				}
			}
		}
	})
}
