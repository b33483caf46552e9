package mlv1_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
)

func TestAConfigurationIsReadByItsSchema(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", `{}`},
		{"only a comment", "# nothing\n", `{}`},
		{"null", "---\n~\n", `{}`},
		{"versions keep their written text", "trainingInput:\n  runtimeVersion: 2.10\n  pythonVersion: 3.10\n", `{"trainingInput":{"pythonVersion":"3.10","runtimeVersion":"2.10"}}`},
		{"YAML 1.1 booleans", "training_input: {enableWebAccess: TRUE, use_chief_in_tf_config: off}", `{"trainingInput":{"enableWebAccess":true,"useChiefInTfConfig":false}}`},
		{"integers", "trainingInput: {workerCount: '3', evaluatorCount: 2, scheduling: {priority: '5'}}", `{"trainingInput":{"evaluatorCount":"2","scheduling":{"priority":5},"workerCount":"3"}}`},
		{"text that looks otherwise", "trainingInput:\n  args: [yes, 1, 1e3, 2020-01-01, ~x, '', \"null\"]\nlabels: {a: 1, b: on, c: }\n", `{"labels":{"a":"1","b":"on","c":""},"trainingInput":{"args":["yes","1","1e3","2020-01-01","~x","","null"]}}`},
		{"JSON with tabs", "{\n\t\"trainingInput\": {\n\t\t\"args\": [\"a\\tb\"]\n\t}\n}", `{"trainingInput":{"args":["a\tb"]}}`},
		{"aliases and merge keys", "trainingInput:\n  masterConfig: &c {imageUri: x, diskConfig: {bootDiskSizeGb: 1}}\n  workerConfig:\n    <<: *c\n    imageUri: y\n", `{"trainingInput":{"masterConfig":{"diskConfig":{"bootDiskSizeGb":1},"imageUri":"x"},"workerConfig":{"diskConfig":{"bootDiskSizeGb":1},"imageUri":"y"}}}`},
		{"what describe prints", "createTime: '2020-01-01T00:00:00Z'\nstate: QUEUED\ntrainingOutput: {consumedMLUnits: 0.04}\njobId: j\netag: AAAA\n", `{"etag":"AAAA","jobId":"j"}`},
		{"hyperparameters", "trainingInput:\n  hyperparameters:\n    goal: MAXIMIZE\n    params:\n    - {parameterName: lr, type: DOUBLE, minValue: 1e-4, maxValue: 1}\n", `{"trainingInput":{"hyperparameters":{"goal":"MAXIMIZE","params":[{"maxValue":1,"minValue":0.0001,"parameterName":"lr","type":"DOUBLE"}]}}}`},
		{"an object that is null", "trainingInput:\n", `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := mlv1.ParseConfig("cfg.yaml", []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(d)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestAConfigurationThatIsWrongIsRefusedByLine(t *testing.T) {
	for in, want := range map[string]string{
		"- a\n":                                  "cfg.yaml:1: expected the fields of a job, found a list",
		"hello":                                  "cfg.yaml:1: expected the fields of a job, found \"hello\"",
		"a: [":                                   "cfg.yaml:1: did not find",
		"a: 1\n---\nb: 2\n":                      "more than one document",
		"trainingInput:\n  regoin: x\n":          "cfg.yaml:2: unknown field trainingInput.regoin; did you mean region?",
		"trainingInput:\n  zzz: x\n":             "cfg.yaml:2: unknown field trainingInput.zzz",
		"region: x\n":                            "cfg.yaml:1: unknown field region; it belongs under trainingInput",
		"trainingInput:\n  workerCount: abc\n":   "cfg.yaml:2: trainingInput.workerCount: expected an integer, found \"abc\"",
		"trainingInput:\n  args: --x\n":          "cfg.yaml:2: trainingInput.args: expected a list, found \"--x\"",
		"trainingInput:\n  args: [[a]]\n":        "cfg.yaml:2: trainingInput.args[0]: expected a string, found a list",
		"trainingInput:\n  args: [a, ~]\n":       "trainingInput.args[1]: expected a string, found nothing",
		"trainingInput:\n  enableWebAccess: 1\n": "expected true or false, found \"1\"",
		"trainingInput:\n  scaleTier: custom\n":  "cfg.yaml:2: trainingInput.scaleTier: expected one of BASIC, STANDARD_1, PREMIUM_1, BASIC_GPU, BASIC_TPU, CUSTOM, found \"custom\"; did you mean CUSTOM?",
		"trainingInput:\n  scheduling: {maxRunningTime: 2h}\n": "expected seconds such as 7200s, found \"2h\"",
		"trainingInput: x\n":                           "cfg.yaml:1: trainingInput: expected fields, found \"x\"",
		"labels: [a]\n":                                "labels: expected names and values, found a list",
		"labels: {a: [b]}\n":                           "labels.a: expected a string, found a list",
		"jobId: a\njob_id: b\n":                        "cfg.yaml:2: jobId is given twice",
		"a: &a [*a, *a]\n":                             "unknown field a",
		"trainingInput: &t {masterConfig: *t}\n":       "", // any refusal
		"trainingInput:\n  region: {}\n  jobDir: []\n": "cfg.yaml:3: trainingInput.jobDir: expected a string, found a list",
	} {
		_, err := mlv1.ParseConfig("cfg.yaml", []byte(in))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", in, err, want)
		}
	}
	_, err := mlv1.ParseConfig("f", []byte("x1: 1\nx2: 2\n"))
	if n := strings.Count(err.Error(), "\n") + 1; n != 2 {
		t.Errorf("two errors are told in %d lines: %v", n, err)
	}
}

func TestFlagsAreMergedOverAConfiguration(t *testing.T) {
	cfg, err := mlv1.ParseConfig("cfg.yaml", []byte(`
jobId: ignored
labels: {z: q}
trainingInput:
  scaleTier: CUSTOM
  masterType: n1-standard-4
  masterConfig: {imageUri: old, diskConfig: {bootDiskSizeGb: 50}}
  packageUris: [gs://mine/p.whl]
  args: [--cfg]
  enableWebAccess: true
  scheduling: {priority: 5, maxRunningTime: 7200s}
`))
	if err != nil {
		t.Fatal(err)
	}
	before := cfg.Clone()
	none := mlv1.Merge(cfg, mlv1.Flags{JobID: "j3"})
	if got, _ := json.Marshal(none); string(got) != `{"jobId":"j3","labels":{"z":"q"},"trainingInput":{"args":["--cfg"],"enableWebAccess":true,"masterConfig":{"diskConfig":{"bootDiskSizeGb":50},"imageUri":"old"},"masterType":"n1-standard-4","packageUris":["gs://mine/p.whl"],"scaleTier":"CUSTOM","scheduling":{"maxRunningTime":"7200s","priority":5}}}` {
		t.Errorf("without flags: %s", got)
	}
	s, no, two := "x", false, int64(2)
	all := mlv1.Merge(cfg, mlv1.Flags{
		JobID: "j3", Labels: map[string]string{"a": "b"}, Module: &s, Args: []string{"--one"}, PackageURIs: []string{"gs://other/p.whl"}, Region: &s, JobDir: &s, ScaleTier: &s,
		RuntimeVersion: &s, PythonVersion: &s, Network: &s, ServiceAccount: &s, EnableWebAccess: &no, KMSKey: &s, UseChief: &no,
		Master: mlv1.ReplicaFlags{Type: &s, Image: &s, Accelerator: &mlv1.Accelerator{Type: "NVIDIA_TESLA_T4", Count: 2}},
		Worker: mlv1.ReplicaFlags{Type: &s, Count: &two, TPUTFVersion: &s}, ParameterServer: mlv1.ReplicaFlags{Type: &s, Count: &two},
	})
	raw, _ := json.Marshal(all)
	golden(t, "merged.json", indent(t, raw))
	if diff := cmp.Diff(before, cfg); diff != "" {
		t.Errorf("Merge changed its argument:\n%s", diff)
	}
	if d := mlv1.Merge(nil, mlv1.Flags{JobID: "x", Labels: map[string]string{}}); d.Text("jobId") != "x" {
		t.Errorf("a merge over nothing gives %v", d)
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{"", "trainingInput: {runtimeVersion: 2.10, args: [a]}", "a: &a [*a]", "labels: {<<: {a: b}}", "{\"jobId\": \"x\"}", "trainingInput: &t\n  masterConfig: *t\n", "? [a]\n: b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := mlv1.ParseConfig("f", data)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("ParseConfig(%q): %v is %s", data, err, fault.KindOf(err))
			}
			return
		}
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("ParseConfig(%q) gives what is no JSON: %v", data, err)
		}
		again, violations, err := mlv1.Decode(raw)
		if err != nil || len(violations) > 0 {
			t.Fatalf("ParseConfig(%q) gives %s, which the wire refuses: %v %v", data, raw, violations, err)
		}
		if !strings.Contains(string(raw), `\ufffd`) && !reflect.DeepEqual(d, again) {
			t.Errorf("%s comes back as %v", raw, again)
		}
	})
}
