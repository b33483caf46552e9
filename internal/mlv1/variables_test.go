package mlv1_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
)

func TestVariablesOnTheWire(t *testing.T) {
	p, err := mlv1.Parse("demo", []byte(with(`"jobDir": "gs://bucket/out", "noJobDirArg": true, "env": [{"name": "A", "value": ""}, {"name": "B", "value": "sesame", "secret": true}]`)), rules)
	if err != nil {
		t.Fatal(err)
	}
	want := []job.Variable{{Name: "A"}, {Name: "B", Value: "sesame", Secret: true}}
	if diff := cmp.Diff(want, p.Spec.Env); diff != "" || !p.Spec.NoJobDirArg {
		t.Errorf("no job-dir argument: %t, variables (-want +got):\n%s", p.Spec.NoJobDirArg, diff)
	}
	for _, text := range []string{string(p.Document), string(p.Spec.Opaque)} {
		if strings.Contains(text, "sesame") {
			t.Errorf("the secret is in %s", text)
		}
	}
	if o := string(p.Spec.Opaque); strings.Contains(o, "env") || strings.Contains(o, "arg") || !strings.Contains(o, "job_dir") {
		t.Errorf("TF_CONFIG says %s", o)
	}
	shown, err := json.Marshal(mlv1.RenderDoc(job.Job{Spec: p.Spec, Document: p.Document})["trainingInput"].(mlv1.Doc)["env"])
	if got := string(shown); err != nil || got != `[{"name":"A","value":""},{"name":"B","secret":true}]` {
		t.Errorf("shown as %s, %v", got, err)
	}
}

func TestVariablesThatAreRefused(t *testing.T) {
	for more, want := range map[string]string{
		`"env": [{"name": "A"}]`:                                                           "Field: env[0] Error: The variable 'A' has no value.",
		`"env": [{"name": "TF_CONFIG", "value": "x"}]`:                                     "Field: env[0] Error: TF_CONFIG is set by the service",
		`"env": [{"name": "a b", "value": "x"}]`:                                           `Field: env[0] Error: "a b" is no name`,
		`"env": [{"name": "A", "value": "x"},{"name": "A","value":"y"}]`:                   "Field: env[1] Error: A is there twice",
		`"env": {"A": "x"}`:                                                                "Invalid value at 'job.training_input.env'",
		`"env": [{"name": "A", "value": "x", "secrte": true}]`:                             `Unknown name "secrte" at 'job.training_input.env[0]'`,
		`"env": [{"name": "TRAINYARD_ENDPOINT", "value": "x"}]`:                            "TRAINYARD_ENDPOINT is set by the service",
		`"jobDir": "gs://bucket/x", "env": [{"name": "TRAINYARD_JOB_DIR", "value": "/x"}]`: "TRAINYARD_JOB_DIR is set by the service",
	} {
		if _, err := mlv1.Parse("demo", []byte(with(more)), rules); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", more, err, want)
		}
	}
	if _, err := mlv1.Parse("demo", []byte(with(`"env": [{"name": "TRAINYARD_JOB_DIR", "value": "/x"}]`)), rules); err != nil {
		t.Errorf("a job-dir on this machine: %v", err)
	}
}

func TestVariablesInAFile(t *testing.T) {
	for in, want := range map[string]string{
		"env: {A: x, B: 010, C: true, D: '', E: }":                             `[{"name":"A","value":"x"},{"name":"B","value":"010"},{"name":"C","value":"true"},{"name":"D","value":""},{"name":"E"}]`,
		"env: [A, B=x=y, C=, {name: D, value: 1.50, secret: true}, {name: E}]": `[{"name":"A"},{"name":"B","value":"x=y"},{"name":"C","value":""},{"name":"D","secret":true,"value":"1.50"},{"name":"E"}]`,
		"trainingInput: {env: {A: x}}":                                         `[{"name":"A","value":"x"}]`,
		"base: 1":                                                              "unknown field base",
		"env: x":                                                               "env: expected names and values, or a list of variables",
		"env: {A: [x]}":                                                        "env.A: expected a string, found a list",
		"env: [[x]]":                                                           "env[0]: expected NAME, NAME=VALUE or {name, value}",
		"env: [{value: x}]":                                                    "env[0]: expected a name",
		"env: [{name: A, secert: true}]":                                       "unknown field env[0].secert; did you mean secret?",
		"env: {A: x}\ntrainingInput: {env: {A: x}}":                            "env and trainingInput.env are the same",
		"env: [&a [*a]]":                                                       "env[0]: expected NAME",
	} {
		f, err := mlv1.ParseFile("job.yaml", []byte(in))
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q gives %v, want %q", in, err, want)
			}
			continue
		}
		if got, _ := json.Marshal(f.Job.Sub("trainingInput")["env"]); string(got) != want {
			t.Errorf("%q gives %s, want %s", in, got, want)
		}
	}
	f, err := mlv1.ParseFile("job.yaml", []byte("env: [A, B=x, {name: C, value: y, secret: true}]"))
	if err != nil {
		t.Fatal(err)
	}
	vs, bare := mlv1.Variables(f.Job.Sub("trainingInput"))
	if diff := cmp.Diff([]job.Variable{{Name: "A", Secret: true}, {Name: "B", Value: "x"}, {Name: "C", Value: "y", Secret: true}}, vs); diff != "" || len(bare) != 1 || bare[0] != "A" {
		t.Errorf("%v without a value; (-want +got):\n%s", bare, diff)
	}
	// What export writes is read again, and asks for the secret.
	open, found := mlv1.WithoutSecrets(f.Job)
	text, err := json.Marshal(mlv1.Export(open))
	if err != nil || !found || strings.Contains(string(text), `"y"`) || !strings.Contains(string(text), `{"name":"C","secret":true}`) {
		t.Fatalf("exported as %s, %v", text, err)
	}
	again, err := mlv1.ParseFile("job.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if _, bare := mlv1.Variables(again.Job.Sub("trainingInput")); len(bare) != 2 {
		t.Errorf("%s asks for %v", text, bare)
	}
}
