// Package price says what machines cost, by a site's price sheet. It knows
// types and hours, and nothing of what runs.
package price

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Sheet is a list of prices per hour, in one currency. What is not in it costs
// nothing.
type Sheet struct {
	Currency string  `yaml:"currency"` // "BRL"
	VCPU     float64 `yaml:"vCPU"`
	GiB      float64 `yaml:"GiB"` // of memory
	// Accelerators are by type, one of each.
	Accelerators map[string]float64 `yaml:"accelerators"`
	// Machines are by machine type, whole but for accelerators: the price of one
	// that is here takes the place of its processors' and memory's.
	Machines map[string]float64 `yaml:"machineTypes"`
}

// Read reads a sheet; name is its file, for what is said of it.
func Read(text []byte, name string) (*Sheet, error) {
	var s Sheet
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fault.Errorf(fault.Invalid, "%s: the price sheet is empty", name).WithHint(example)
		}
		said := strings.Join(strings.Fields(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "in type price.Sheet", "")), " ")
		return nil, fault.Errorf(fault.Invalid, "%s: the price sheet cannot be read: %s", name, said).WithHint(example)
	}
	if s.Currency == "" {
		return nil, fault.Errorf(fault.Invalid, "%s: the price sheet names no currency", name).WithHint(example)
	}
	prices := map[string]float64{"vCPU": s.VCPU, "GiB": s.GiB}
	for of, list := range map[string]map[string]float64{"accelerators.": s.Accelerators, "machineTypes.": s.Machines} {
		for k, v := range list {
			prices[of+k] = v
		}
	}
	var names []string
	for k := range prices {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		if v := prices[k]; v < 0 || v != v || v > 1e12 {
			return nil, fault.Errorf(fault.Invalid, "%s: %s: %v is no price per hour", name, k, v).WithHint(example)
		}
	}
	return &s, nil
}

const example = "a sheet says, per hour: {currency: BRL, vCPU: 0.15, GiB: 0.02, accelerators: {NVIDIA_TESLA_T4: 2.10}, machineTypes: {n1-standard-4: 0.80}}"

// Hour is what one replica of a group costs in an hour.
func (s *Sheet) Hour(g job.Group) float64 {
	sum, whole := s.Machines[g.Machine]
	if !whole {
		sum = s.VCPU*g.Need.CPUs + s.GiB*float64(g.Need.Memory)/(1<<30)
	}
	return sum + s.Accelerators[g.Accelerator.Type]*float64(g.Accelerator.Count)
}

// Cost is what a job cost until now: of every attempt each replica for as long
// as the attempt held its machine, also while it was prepared. The machine is
// the type that was asked for, though it may have been given less.
func (s *Sheet) Cost(spec job.Spec, attempts []job.Attempt, now time.Time) float64 {
	hour := 0.0
	for _, g := range spec.Groups {
		hour += float64(g.Count) * s.Hour(g)
	}
	sum := 0.0
	for _, a := range attempts {
		end := a.Ended
		if end.IsZero() {
			end = now
		}
		sum += hour * max(0, end.Sub(a.Created)).Hours()
	}
	return sum
}
