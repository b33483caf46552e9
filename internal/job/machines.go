package job

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/fault"
)

//go:embed machines.yaml
var builtIn []byte

// BuiltIn is the table of the original.
var BuiltIn = sync.OnceValue(func() *Machines {
	m, err := (&Machines{}).read(builtIn)
	if err != nil {
		panic(err) // a test reads it
	}
	return m
})

// machinesFile is what a table looks like as a file; see machines.yaml.
type machinesFile struct {
	Machines map[string]*machineRow        `yaml:"machines"`
	Tiers    map[Tier]map[Role]*replicaRow `yaml:"tiers"`
}

type machineRow struct {
	VCPUs        float64          `yaml:"vcpus"`
	MemoryGiB    float64          `yaml:"memory_gib"`
	Accelerators map[string][]int `yaml:"accelerators"`
	ComesWith    map[string]int   `yaml:"comes_with"`
	Like         string           `yaml:"like"`
	Legacy       bool             `yaml:"legacy"`
}

type replicaRow struct {
	Machine string `yaml:"machine"`
	Count   *int   `yaml:"count"`
}

// ReadMachines reads a site's file, whose entries are put over those of the
// built-in table. The source is its name, for errors.
func ReadMachines(b []byte, source string) (*Machines, error) {
	m, err := BuiltIn().read(b)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s is not a table of machine types: %w", source, err).
			WithHint("the form of one is in the guide, under Machine types of one's own")
	}
	return m, nil
}

// read puts a file's entries over the table's.
func (m *Machines) read(b []byte) (*Machines, error) {
	var f machinesFile
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New(fault.YAMLText(err, b))
	}
	if len(f.Machines)+len(f.Tiers) == 0 {
		return nil, errors.New("it has neither machines nor tiers")
	}
	table := &Machines{types: map[string]Machine{}, tiers: map[Tier][]Group{}}
	maps.Copy(table.types, m.types)
	maps.Copy(table.tiers, m.tiers)
	for _, name := range slices.Sorted(maps.Keys(f.Machines)) {
		if f.Machines[name] == nil {
			delete(table.types, name)
			continue
		}
		machine, err := f.machine(m, name)
		if err != nil {
			return nil, fmt.Errorf("machine type %q: %w", name, err)
		}
		table.types[name] = machine
	}
	for _, t := range slices.Sorted(maps.Keys(f.Tiers)) {
		if !slices.Contains(Tiers, t) || t == Custom {
			return nil, fmt.Errorf("scale tier %q: there is none of this name; there are %v", t, Tiers[:len(Tiers)-1])
		}
		groups, err := f.groups(table, t)
		if err != nil {
			return nil, fmt.Errorf("scale tier %s: %w", t, err)
		}
		table.tiers[t] = groups
	}
	for t, groups := range table.tiers { // what the file says of machines goes for tiers that it does not name
		anew := make([]Group, len(groups))
		for i, g := range groups {
			now, ok := table.types[g.Machine]
			if !ok {
				return nil, fmt.Errorf("scale tier %s: its machine type %q is removed", t, g.Machine)
			}
			anew[i] = now.group(g.Role, g.Count)
		}
		table.tiers[t] = anew
	}
	return table, nil
}

const gib = 1 << 30

// named says whether a name is of letters in a range, digits and a few more
// characters, and begins with a letter. It is no regular expression, since one
// costs every start of the program.
func named(name string, from, to rune, more string) bool {
	for i, r := range name {
		letter := r >= from && r <= to
		if !letter && (i == 0 || (r < '0' || r > '9') && !strings.ContainsRune(more, r)) {
			return false
		}
	}
	return name != "" && len(name) <= 63
}

// machine makes a machine type of its row.
func (f *machinesFile) machine(before *Machines, name string) (Machine, error) {
	row := f.Machines[name]
	m := Machine{Name: name, Legacy: row.Legacy}
	switch {
	case !named(name, 'a', 'z', "-_"):
		return m, errors.New("a name is of lower-case letters, digits, dashes and underscores")
	case row.Like != "" && (row.VCPUs != 0 || row.MemoryGiB != 0):
		return m, errors.New("like stands for vcpus and memory_gib; give the one or the others")
	case row.Like != "":
		var as Machine
		var err error
		if other := f.Machines[row.Like]; other == nil || other.Like != "" {
			as, err = before.Machine(row.Like)
		} else {
			as, err = f.machine(before, row.Like)
		}
		if err != nil {
			return m, fmt.Errorf("it is like %q: %w", row.Like, err)
		}
		m.Need, m.Allowed = Need{CPUs: as.Need.CPUs, Memory: as.Need.Memory}, as.Allowed
	default:
		m.Need = Need{CPUs: row.VCPUs, Memory: int64(row.MemoryGiB * gib)}
	}
	for typ, n := range row.ComesWith {
		if len(row.ComesWith) > 1 || n < 1 || !named(typ, 'A', 'Z', "_") {
			return m, fmt.Errorf("comes_with is one type and how many, as in {NVIDIA_TESLA_A100: 1}; received: %v", row.ComesWith)
		}
		m.Accelerator = Accelerator{typ, n}
		if !strings.HasPrefix(typ, "TPU_") {
			m.Need.GPUs = n
		}
	}
	tpu := m.Accelerator.Count > 0 && m.Need.GPUs == 0
	if bad := !(m.Need.CPUs > 0 && m.Need.CPUs <= 1<<16) || !(m.Need.Memory > 0 && m.Need.Memory <= 1<<50); bad && !tpu {
		return m, fmt.Errorf("vcpus and memory_gib must be greater than 0; received: %v and %v", row.VCPUs, row.MemoryGiB)
	}
	if row.Legacy {
		m.Allowed = nil
	}
	for typ, counts := range row.Accelerators {
		if !named(typ, 'A', 'Z', "_") || len(counts) == 0 || slices.Min(counts) < 1 {
			return m, fmt.Errorf("accelerators are types and how many of them may be asked for, as in {NVIDIA_TESLA_T4: [1, 2, 4]}; received: %s: %v", typ, counts)
		}
	}
	if row.Accelerators != nil {
		if row.Legacy || m.Accelerator.Count > 0 {
			return m, errors.New("accelerators cannot be added to a legacy machine type, nor to one that comes with some")
		}
		m.Allowed = row.Accelerators
	}
	return m, nil
}

// groups makes a tier's groups of its rows.
func (f *machinesFile) groups(table *Machines, t Tier) ([]Group, error) {
	var groups []Group
	rows := f.Tiers[t]
	for r := range rows {
		if !slices.Contains(Roles, r) {
			return nil, fmt.Errorf("there is no role %q; there are %v", r, Roles)
		}
	}
	for _, r := range Roles {
		row := rows[r]
		if row == nil {
			continue
		}
		count := 1
		if row.Count != nil {
			count = *row.Count
		}
		if count < 1 || count > 1000 || r == Master && count != 1 {
			return nil, fmt.Errorf("the count of %s must be from 1 to 1000, and 1 for the master; received: %d", r, count)
		}
		m, err := table.Machine(row.Machine)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r, err)
		}
		groups = append(groups, m.group(r, count))
	}
	if len(groups) == 0 || groups[0].Role != Master {
		return nil, errors.New("it has no master")
	}
	return groups, nil
}
