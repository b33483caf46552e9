package job_test

import (
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

func TestStatesMoveOnlyForward(t *testing.T) {
	allowed := map[job.State]string{
		job.Queued:    "PREPARING RUNNING SUCCEEDED FAILED CANCELLED",
		job.Preparing: "RUNNING SUCCEEDED FAILED CANCELLED",
		job.Running:   "SUCCEEDED FAILED CANCELLED",
	}
	for _, from := range append(job.States, "", "OTHER") {
		for _, to := range append(job.States, "", "OTHER") {
			want := to != "" && strings.Contains(" "+allowed[from]+" ", " "+string(to)+" ")
			if got := job.CanMove(from, to); got != want {
				t.Errorf("CanMove(%s, %s) = %t, want %t", from, to, got, want)
			}
		}
	}
}

func TestAWishToCancelShowsUntilTheEnd(t *testing.T) {
	for _, s := range job.States {
		j := job.Job{State: s, Cancel: &job.Cancel{}}
		want := job.Cancelling
		if s.Final() {
			want = s
		}
		if got := j.Shown(); got != want {
			t.Errorf("a %s job with a cancel shows %s, want %s", s, got, want)
		}
		if got := (job.Job{State: s}).Shown(); got != s {
			t.Errorf("a %s job shows %s", s, got)
		}
	}
}

func TestParseID(t *testing.T) {
	for in, hint := range map[string]string{
		"a": "", "Census_2020": "", strings.Repeat("x", 128): "",
		"my-job": "use my_job", "1st.try": "use job_1st_try", "_x": "use job_x", "": "-", "ü": "-", strings.Repeat("x", 129): "-", "a b/c": "use a_b_c",
		"a\n": "use a",
	} {
		id, err := job.ParseID(in)
		switch {
		case hint == "" && (err != nil || string(id) != in):
			t.Errorf("ParseID(%q) = %q, %v", in, id, err)
		case hint != "" && !fault.Is(err, fault.Invalid):
			t.Errorf("ParseID(%q) = %q, %v; want a refusal", in, id, err)
		case hint != "" && hint != "-" && fault.HintOf(err) != hint:
			t.Errorf("ParseID(%q) hints %q, want %q", in, fault.HintOf(err), hint)
		}
	}
}

func TestParseProject(t *testing.T) {
	for in, want := range map[string]bool{
		"local": true, "my-project-1": true, "example.com:my-project": true, "a": true,
		"12345": false, "": false, "My": false, "a-": false, "-a": false, "a_b": false, "a/b": false, strings.Repeat("a", 64): false,
	} {
		if _, err := job.ParseProject(in); (err == nil) != want {
			t.Errorf("ParseProject(%q) gives %v, want it accepted: %t", in, err, want)
		}
	}
	if _, err := job.ParseProject("12345"); fault.HintOf(err) == "" {
		t.Error("a project number is refused without a hint")
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("my-job")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		_, err := job.ParseID(s)
		hint, ok := strings.CutPrefix(fault.HintOf(err), "use ")
		if !ok {
			return
		}
		if _, err := job.ParseID(hint); err != nil {
			t.Errorf("ParseID(%q) hints at %q, which it refuses", s, hint)
		}
	})
}

func TestParseMachine(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cpus   float64
		gpus   int
		legacy bool
	}{
		{"n1-standard-4", 4, 0, false}, {"n1-highcpu-16", 16, 0, false}, {"e2-highmem-2", 2, 0, false},
		{"a2-highgpu-2g", 24, 2, false}, {"a2-megagpu-16g", 96, 16, false},
		{"standard", 4, 0, true}, {"complex_model_l", 32, 0, true}, {"complex_model_m_gpu", 16, 4, true}, {"large_model_v100", 8, 1, true},
	} {
		m, err := job.ParseMachine(tt.name)
		if err != nil || m.Need.CPUs != tt.cpus || m.Need.GPUs != tt.gpus || m.Legacy != tt.legacy || m.Need.Memory <= 0 {
			t.Errorf("ParseMachine(%q) = %+v, %v; want %v CPUs, %d GPUs, legacy %t", tt.name, m, err, tt.cpus, tt.gpus, tt.legacy)
		}
		if m.Accelerator.Count != tt.gpus {
			t.Errorf("ParseMachine(%q) has accelerator %v, want %d of them", tt.name, m.Accelerator, tt.gpus)
		}
	}
	for _, name := range []string{"", "n1-standard", "n1-standard-0", "n1-standard-04", "z9-standard-4", "N1-STANDARD-4", "a2-highgpu-3g", "n1-standard-4 ", "n1-standard-3"} {
		if m, err := job.ParseMachine(name); err == nil {
			t.Errorf("ParseMachine(%q) = %+v, want a refusal", name, m)
		}
	}
}

func TestTiersStandForTheirClusters(t *testing.T) {
	want := map[job.Tier]map[job.Role]int{
		job.Basic:     {job.Master: 1},
		job.Standard1: {job.Master: 1, job.Worker: 4, job.ParameterServer: 3},
		job.Premium1:  {job.Master: 1, job.Worker: 19, job.ParameterServer: 11},
		job.BasicGPU:  {job.Master: 1},
		job.BasicTPU:  {job.Master: 1, job.Worker: 1},
		job.Custom:    {},
	}
	for _, tier := range job.Tiers {
		groups := tier.Groups()
		if len(groups) != len(want[tier]) {
			t.Errorf("%s has %d groups, want %d", tier, len(groups), len(want[tier]))
		}
		for i, g := range groups {
			if g.Count != want[tier][g.Role] || i == 0 && g.Role != job.Master {
				t.Errorf("%s group %d is %d × %s", tier, i, g.Count, g.Role)
			}
		}
	}
}

func TestLabels(t *testing.T) {
	for key, want := range map[string]bool{
		"a": true, "team-1_x": true, "größe": true, "名前": true, strings.Repeat("a", 63): true, strings.Repeat("ü", 63): true,
		"": false, "A": false, "1a": false, "_a": false, "a b": false, "aB": false, strings.Repeat("a", 64): false, "a\n": false,
	} {
		if err := job.CheckLabelKey(key); (err == nil) != want {
			t.Errorf("CheckLabelKey(%q) = %v, want it accepted: %t", key, err, want)
		}
	}
	for value, want := range map[string]bool{"": true, "1": true, "-x": true, "ü": true, "X": false, "a.b": false, strings.Repeat("a", 64): false} {
		if err := job.CheckLabelValue(value); (err == nil) != want {
			t.Errorf("CheckLabelValue(%q) = %v, want it accepted: %t", value, err, want)
		}
	}
	many := map[string]string{}
	for i := range 65 {
		many["k"+strings.Repeat("x", i%60)+string(rune('a'+i/60))] = ""
	}
	if vs := job.CheckLabels(many); len(vs) != 1 || !strings.Contains(vs[0].Description, "at most 64") {
		t.Errorf("65 labels: %v", vs)
	}
	if vs := job.CheckLabels(map[string]string{"Foo": "BAR", "ok": "x"}); len(vs) != 2 || vs[0].Field != "labels" {
		t.Errorf("a bad key with a bad value: %v, want both named", vs)
	}
}
