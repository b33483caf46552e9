// Package price says what jobs cost by a site's price sheet: a file with what
// a vCPU, memory, accelerators and machine types cost an hour. There is no
// sheet but the site's, since what a machine costs only its owner knows. It
// reads no clock and no store.
package price

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Sheet is a list of prices in one currency. The nil Sheet knows no price.
type Sheet struct {
	currency     string
	vcpu, gib    *float64 // an hour; nil where the sheet says nothing
	accelerators map[string]float64
	machines     map[string]whole
}

// whole is the price of a machine type as one.
type whole struct {
	hour float64
	// equipped says that the type comes with accelerators, which are in its price.
	equipped bool
}

// sheetFile is what a sheet looks like as a file.
type sheetFile struct {
	Currency     string              `yaml:"currency"`
	VCPU         *float64            `yaml:"vcpu_hour"`
	GiB          *float64            `yaml:"gib_hour"`
	Accelerators map[string]*float64 `yaml:"accelerator_hour"`
	Machines     map[string]*float64 `yaml:"machine_hour"`
}

var (
	currency = regexp.MustCompile(`^[A-Za-z]{1,12}$`)
	kind     = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// dearest is more than an hour of anything costs: with it sums stay finite.
const dearest = 1e9

// Read reads a sheet. The source is its name, for errors; machine finds what a
// machine type is, so that a name that does not exist is found at once and not
// by a job that costs nothing.
func Read(b []byte, source string, machine func(name string) (job.Machine, error)) (*Sheet, error) {
	s, err := read(b, machine)
	if err != nil {
		f := fault.Errorf(fault.Invalid, "%s is not a price sheet: %w", source, err)
		if hint := fault.HintOf(err); hint != "" { // which machine types there are
			return nil, f.WithHint("%s", hint)
		}
		return nil, f.WithHint("a sheet has currency, vcpu_hour, gib_hour, accelerator_hour and machine_hour; see Prices in the guide")
	}
	return s, nil
}

func read(b []byte, machine func(string) (job.Machine, error)) (*Sheet, error) {
	f, err := decode(b)
	if err != nil {
		return nil, err
	}
	switch {
	case f.Currency == "":
		return nil, errors.New("it names no currency, as in currency: EUR")
	case !currency.MatchString(f.Currency):
		return nil, fmt.Errorf("the currency is a code such as EUR, or a word of up to 12 letters such as credits; received: %q", f.Currency)
	case f.VCPU == nil && f.GiB == nil && len(f.Accelerators)+len(f.Machines) == 0:
		return nil, errors.New("it has no prices")
	}
	s := &Sheet{currency: f.Currency, vcpu: f.VCPU, gib: f.GiB, accelerators: map[string]float64{}, machines: map[string]whole{}}
	for name, p := range map[string]*float64{"vcpu_hour": f.VCPU, "gib_hour": f.GiB} {
		if p != nil && !sane(*p) {
			return nil, insane(name, *p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Accelerators)) {
		p := f.Accelerators[name]
		switch {
		case !kind.MatchString(name):
			return nil, fmt.Errorf("accelerator_hour: %q is not a type such as NVIDIA_TESLA_T4", name)
		case p == nil:
			return nil, fmt.Errorf("accelerator_hour: %s has no price", name)
		case !sane(*p):
			return nil, insane("accelerator_hour: "+name, *p)
		}
		s.accelerators[name] = *p
	}
	for _, name := range slices.Sorted(maps.Keys(f.Machines)) {
		p := f.Machines[name]
		switch {
		case p == nil:
			return nil, fmt.Errorf("machine_hour: %s has no price", name)
		case !sane(*p):
			return nil, insane("machine_hour: "+name, *p)
		}
		m, err := machine(name)
		if err != nil {
			return nil, fmt.Errorf("machine_hour: %w", err)
		}
		s.machines[name] = whole{*p, m.Accelerator.Count > 0}
	}
	return s, nil
}

// decode reads the one document of a file.
func decode(b []byte) (f sheetFile, err error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	switch err := d.Decode(&f); {
	case errors.Is(err, io.EOF):
		return f, errors.New("it is empty")
	case err != nil:
		return f, errors.New(fault.YAMLText(err, b))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return f, errors.New("it has more than one document")
	}
	return f, nil
}

// sane reports whether a price is one: a NaN is not.
func sane(p float64) bool { return p >= 0 && p <= dearest }

func insane(name string, p float64) error {
	return fmt.Errorf("%s: a price is a number from 0 to %.0f; received: %v", name, dearest, p)
}
