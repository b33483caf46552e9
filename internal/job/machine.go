package job

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
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

// Groups are the replicas that a tier stands for in the built-in table.
func (t Tier) Groups() []Group { return BuiltIn().Groups(t) }

// Machine is what a machine type stands for.
type Machine struct {
	Name        string
	Legacy      bool // "standard", "large_model" …; all types of a job are of one category
	Need        Need
	Accelerator Accelerator      // that it comes with
	Allowed     map[string][]int // how many of which accelerators may be added
}

// Machines is a table of machine types and scale tiers.
type Machines struct {
	types map[string]Machine
	tiers map[Tier][]Group
}

// ParseMachine says what a machine type stands for in the built-in table.
func ParseMachine(name string) (Machine, error) { return BuiltIn().Machine(name) }

// Machine says what a machine type stands for.
func (m *Machines) Machine(name string) (Machine, error) {
	found, ok := m.types[name]
	if !ok {
		return Machine{}, m.unknown(name)
	}
	return found, nil
}

// unknown says what there is instead of a machine type: those that begin as
// it does.
func (m *Machines) unknown(name string) error {
	err := fault.Errorf(fault.Invalid, "machine type %q is not known", name)
	family := name[:strings.LastIndexByte(name, '-')+1]
	var near []string
	for other, x := range m.types {
		if family != "" && strings.HasPrefix(other, family) || family == "" && x.Legacy {
			near = append(near, other)
		}
	}
	if len(near) == 0 {
		return err.WithHint("machine types are n1-standard-4, n1-highmem-8, n1-highcpu-16 and others of these families")
	}
	slices.SortFunc(near, natural)
	return err.WithHint("there are %s", strings.Join(near, ", "))
}

// natural orders n1-standard-8 before n1-standard-16.
func natural(a, b string) int {
	if len(a) != len(b) && strings.TrimRight(a, "0123456789g") == strings.TrimRight(b, "0123456789g") {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// Groups are the replicas that a tier stands for; nil for Custom.
func (m *Machines) Groups(t Tier) []Group { return slices.Clone(m.tiers[t]) }

// group is so many replicas of a role on this machine.
func (m Machine) group(r Role, count int) Group {
	return Group{Role: r, Count: count, Machine: m.Name, Need: m.Need, Accelerator: m.Accelerator}
}

// CheckAccelerator says whether accelerators may be added to the machine.
func (m Machine) CheckAccelerator(a Accelerator) error {
	counts, ok := m.Allowed[a.Type]
	switch {
	case ok && slices.Contains(counts, a.Count):
		return nil
	case ok:
		return fmt.Errorf("the machine type '%s' can have %s %s; received: %d", m.Name, or(counts), a.Type, a.Count)
	case len(m.Allowed) == 0:
		return fmt.Errorf("accelerators cannot be added to the machine type '%s'", m.Name)
	}
	return fmt.Errorf("the machine type '%s' cannot have %s; it can have %s", m.Name, a.Type, strings.Join(slices.Sorted(maps.Keys(m.Allowed)), ", "))
}

// or writes 1, 2 or 4.
func or(counts []int) string {
	words := make([]string, len(counts))
	for i, n := range counts {
		words[i] = strconv.Itoa(n)
	}
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
