package price_test

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/price"
)

func TestAMistakeInASheetIsNamed(t *testing.T) {
	const form = "a sheet has currency, vcpu_hour"
	for _, tt := range []struct{ text, msg, hint string }{
		{"", "it is empty", form},
		{"# nothing yet\n", "it is empty", form},
		{"{}", "it names no currency, as in currency: EUR", form},
		{"vcpu_hour: 1", "it names no currency", form},
		{"currency: EUR", "it has no prices", form},
		{"currency: EUR\naccelerator_hour: {}\n", "it has no prices", form},
		{"currency: US dollars\nvcpu_hour: 1", `received: "US dollars"`, form},
		{"currency: EUR\nvcpu: 1", "line 2: there is no field vcpu", form},
		{"currency: EUR\nvcpu_hour: cheap", `line 2: expected a number, found "cheap"`, form},
		{"currency: EUR\nvcpu_hour: 1\nvcpu_hour: 2", `mapping key "vcpu_hour" already defined at line 2`, form},
		{"currency: EUR\nvcpu_hour: -1", "vcpu_hour: a price is a number from 0 to 1000000000; received: -1", form},
		{"currency: EUR\ngib_hour: .nan", "gib_hour: a price is a number from 0 to 1000000000; received: NaN", form},
		{"currency: EUR\ngib_hour: .inf", "received: +Inf", form},
		{"currency: EUR\naccelerator_hour: {nvidia-tesla-t4: 1}", `accelerator_hour: "nvidia-tesla-t4" is not a type such as NVIDIA_TESLA_T4`, form},
		{"currency: EUR\naccelerator_hour: {NVIDIA_TESLA_T4: }", "accelerator_hour: NVIDIA_TESLA_T4 has no price", form},
		{"currency: EUR\naccelerator_hour: {NVIDIA_TESLA_T4: -2}", "accelerator_hour: NVIDIA_TESLA_T4: a price is", form},
		{"currency: EUR\nmachine_hour: {n1-standard-4: }", "machine_hour: n1-standard-4 has no price", form},
		{"currency: EUR\nmachine_hour: {n1-standard-4: -2}", "machine_hour: n1-standard-4: a price is", form},
		{"currency: EUR\nmachine_hour: {n1-standrd-4: 2}", `machine_hour: machine type "n1-standrd-4" is not known`, ""},
		{"currency: EUR\nvcpu_hour: 1\n---\nvcpu_hour: 2", "it has more than one document", form},
		{"- 1", "line 1: expected fields, found a list", form},
		{"currency: [", "line 1", form},
	} {
		_, err := price.Read([]byte(tt.text), "/site/prices.yaml", job.ParseMachine)
		if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "/site/prices.yaml is not a price sheet: ") || !strings.Contains(err.Error(), tt.msg) || !strings.Contains(fault.HintOf(err), tt.hint) {
			t.Errorf("%q: %v (%s), want %q (%s)", tt.text, err, fault.HintOf(err), tt.msg, tt.hint)
		}
	}
}

func TestTheTableOfMachinesSaysWhichThereAre(t *testing.T) {
	_, err := price.Read([]byte("currency: EUR\nmachine_hour: {box: 1}"), "p", func(name string) (job.Machine, error) {
		return job.Machine{}, fault.Errorf(fault.Invalid, "machine type %q is not known", name).WithHint("there are crate, barrel")
	})
	if fault.HintOf(err) != "there are crate, barrel" {
		t.Errorf("%v: %q", err, fault.HintOf(err))
	}
	if _, err := price.Read([]byte("currency: EUR\nmachine_hour: {box: 1}"), "p", func(name string) (job.Machine, error) {
		return job.Machine{Name: name}, nil
	}); err != nil {
		t.Error(err)
	}
}

// TestTheGuidesAreRight reads their sheets and makes their sum.
func TestTheGuidesAreRight(t *testing.T) {
	for file, want := range map[string]string{"guide/prices.md": "0.96 EUR", "pt-BR/precos.md": "5.06 BRL"} {
		text, err := os.ReadFile("../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var sheet strings.Builder
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "    "); ok {
				sheet.WriteString(rest)
			}
		}
		j := job.Job{State: job.Running, Spec: job.Spec{Groups: job.Standard1.Groups()}}
		c, _ := mustRead(t, sheet.String()).Job(j, []job.Attempt{{Created: noon}}, at(0.5))
		if prose := strings.ReplaceAll(string(text), ",", "."); c.String() != want || !strings.Contains(prose, want) {
			t.Errorf("%s: %s, want %s", file, c, want)
		}
	}
}

// FuzzRead: whatever is taken for a sheet gives amounts that are numbers.
func FuzzRead(f *testing.F) {
	f.Add([]byte(sheet))
	f.Add([]byte("currency: x\ngib_hour: 1e9\nvcpu_hour: 0x7f\n"))
	f.Add([]byte("currency: &a EUR\naccelerator_hour: {<<: {T4: 1}}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := price.Read(b, "prices.yaml", job.ParseMachine)
		if err != nil {
			if s != nil || !fault.Is(err, fault.Invalid) || fault.HintOf(err) == "" && !strings.Contains(err.Error(), "machine type") {
				t.Fatalf("%v, %v", s, err)
			}
			return
		}
		j := job.Job{State: job.Running, Spec: job.Spec{Groups: job.Premium1.Groups()}}
		c, ok := s.Job(j, []job.Attempt{{Created: noon}}, at(1e5))
		if !ok || !(c.Amount >= 0) || math.IsInf(c.Amount, 0) || c.Currency == "" {
			t.Fatalf("%+v", c)
		}
	})
}
