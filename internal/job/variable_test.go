package job_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/job"
)

func TestASecretIsNotShown(t *testing.T) {
	spec := job.Spec{Env: []job.Variable{{Name: "A", Value: "plain"}, {Name: "B", Value: "sesame", Secret: true, Sealed: "x"}}}
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(b), fmt.Sprint(spec), fmt.Sprintf("%+v", spec), fmt.Sprintf("%v", &spec.Env[1])} {
		if strings.Contains(text, "sesame") {
			t.Errorf("%s", text)
		}
	}
	var back job.Spec
	if err := json.Unmarshal(b, &back); err != nil || back.Env[0].Value != "plain" || back.Env[1].Sealed != "x" || !back.Env[1].Secret {
		t.Errorf("%+v, %v", back.Env, err)
	}
}

func TestWhichVariablesAJobMayHave(t *testing.T) {
	one := func(name, value string) []job.Variable { return []job.Variable{{Name: name, Value: value}} }
	many := make([]job.Variable, 101)
	for i := range many {
		many[i] = job.Variable{Name: fmt.Sprintf("V%d", i)}
	}
	large := strings.Repeat("x", 32<<10)
	for _, tt := range []struct {
		vs   []job.Variable
		want string
	}{
		{one("WANDB_API_KEY", "ü\n"), ""}, {one("_x1", large), ""}, {one("PYTHONPATH", "/x"), ""}, {one("OMP_NUM_THREADS", "1"), ""}, {many[:100], ""},
		{one("1X", ""), "no name of a variable"}, {one("", ""), "no name of a variable"}, {one("A-B", ""), "no name of a variable"}, {one("A\n", ""), "no name of a variable"},
		{one("TF_CONFIG", ""), "set by the service"}, {one("TRAINYARD_X", ""), "set by the service"}, {one("CLOUD_ML_JOB_ID", ""), "set by the service"}, {one("PATH", ""), "set by the service"},
		{one("X", "a\x00b"), "NUL"}, {one("X", large+"x"), "32769 bytes"}, {one(strings.Repeat("X", 129), ""), "longer than 128"},
		{append(one("X", ""), one("X", "")...), "twice"}, {many, "at most 100"},
		{append(append(append(append(one("A", large), one("B", large)...), one("C", large)...), one("D", large)...), one("E", "x")...), "together"},
	} {
		var got []string
		job.CheckVariables(tt.vs, func(_ int, err error) { got = append(got, err.Error()) })
		if (tt.want == "") != (len(got) == 0) || tt.want != "" && !strings.Contains(got[0], tt.want) {
			t.Errorf("%.60v gives %q, want %q", tt.vs, got, tt.want)
		}
	}
}
