package mlv1_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
)

var update = flag.Bool("update", false, "write golden files anew")

var rules = mlv1.Rules{
	Regions: []string{"us-central1", "asia-east1"},
	Runtime: func(runtime, _ string) (mlv1.Runtime, error) {
		if runtime == "1.9" || runtime == "latest" {
			return mlv1.Runtime{}, fault.Errorf(fault.Invalid, "There are 1.15 and 2.11.").WithHint("leave it out")
		}
		if runtime == "1.15" {
			return mlv1.Runtime{Python: "3.7", Warnings: []string{"Runtime 1.15 runs without its packages."}}, nil
		}
		return mlv1.Runtime{Python: "3.13", Notes: []string{"The job gets Python 3.13.0."}}, nil
	},
	Accelerators: func(typ string, count int) error {
		if typ == "NVIDIA_TESLA_T4" && count <= 2 {
			return nil
		}
		return fmt.Errorf("This server does not have %d %s.", count, typ)
	},
}

const head = `{"jobId": "j", "trainingInput": {"packageUris": ["gs://bucket/p.tar.gz"], "pythonModule": "trainer.task", "region": "us-central1"`

// with is a right document with more in its training input.
func with(more string) string { return head + ", " + more + "}}" }

func TestADocumentBecomesASpec(t *testing.T) {
	p, err := mlv1.Parse("demo", []byte(`{
		"job_id": "j1", "labels": {"team": "a", "empty": ""}, "state": "FAILED", "createTime": 7, "trainingOutput": [], "etag": "x", "predictionInput": null,
		"training_input": {
			"scale_tier": "CUSTOM", "masterType": "n1-highmem-8", "masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": 2}, "diskConfig": {"bootDiskSizeGb": 200}},
			"workerCount": "0", "useChiefInTfConfig": "True", "enableWebAccess": false,
			"packageUris": ["gs://bucket/a.tar.gz", "gs://bucket/dir/b.whl"], "pythonModule": "trainer.task", "args": ["--x", "", "ü"],
			"jobDir": "gs://bucket/out/", "region": "us-central1", "runtimeVersion": "1.15", "pythonVersion": "3.7",
			"scheduling": {"maxRunningTime": "3600.5s", "maxWaitTime": "1800s", "priority": 7, "strategy": "LOW_COST", "resilientToWorkerRestart": true}}}`), rules)
	if err != nil {
		t.Fatal(err)
	}
	opaque := p.Spec.Opaque
	p.Spec.Opaque = nil
	m, _ := job.ParseMachine("n1-highmem-8")
	need := m.Need
	need.GPUs = 2
	acc := job.Accelerator{Type: "NVIDIA_TESLA_T4", Count: 2}
	want := job.Spec{
		Key: job.Key{Project: "demo", ID: "j1"}, Labels: map[string]string{"team": "a", "empty": ""},
		Packages: []job.Package{{URI: "gs://bucket/a.tar.gz"}, {URI: "gs://bucket/dir/b.whl"}},
		Module:   "trainer.task", Args: []string{"--x", "", "ü"}, JobDir: "gs://bucket/out/", Region: "us-central1",
		RuntimeVersion: "1.15", PythonVersion: "3.7", Tier: job.Custom,
		Groups:     []job.Group{{Role: job.Master, Count: 1, Machine: "n1-highmem-8", Need: need, Accelerator: acc}},
		MaxRunning: 3600*time.Second + 500*time.Millisecond, MaxWait: 30 * time.Minute, Priority: 7, Primary: "master",
		Warnings: []string{"Boot disk settings have no effect on this server.", "Runtime 1.15 runs without its packages."},
	}
	if diff := cmp.Diff(want, p.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	golden(t, "opaque.json", indent(t, opaque))
}

func TestWhatIsAbsentHasItsDefault(t *testing.T) {
	p, err := mlv1.Parse("demo", []byte(head+"}}"), rules)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Spec
	if s.Tier != job.Basic || len(s.Groups) != 1 || s.Groups[0].Need.CPUs != 4 || s.MaxRunning != 7*24*time.Hour || s.MaxWait != 0 || s.Primary != "chief" || s.Warnings != nil {
		t.Errorf("defaults: %+v", s)
	}
	if strings.Contains(string(s.Opaque), "job-dir") {
		t.Errorf("a job without a job-dir tells TF_CONFIG %s", s.Opaque)
	}
}

func TestThePrimaryIsMasterUpTo115AndChiefFrom21(t *testing.T) {
	for runtime, want := range map[string]string{"": "chief", "1.12": "master", "1.15": "master", "2.1": "chief", "2.11": "chief", "3.0": "chief"} {
		p, err := mlv1.Parse("demo", []byte(with(fmt.Sprintf(`"runtimeVersion": %q`, runtime))), rules)
		if err != nil || p.Spec.Primary != want {
			t.Errorf("runtime %q: primary %q, %v; want %q", runtime, p.Spec.Primary, err, want)
		}
	}
}

// TestARefusalNamesTheField has one line per rule: what is added to a right
// document, and the violations that follow, as "field: part of the text".
func TestARefusalNamesTheField(t *testing.T) {
	const gone = "not available on this server."
	for doc, want := range map[string][]string{
		// form
		with(`"workerCuont": 1`):                                   {`job.training_input: Invalid JSON payload received. Unknown name "workerCuont" at 'job.training_input': Cannot find field.`},
		with(`"scheduling": {"prio": 1}`):                          {`job.training_input.scheduling: Unknown name "prio" at 'job.training_input.scheduling'`},
		with(`"args": [1]`):                                        {`job.training_input.args[0]: Invalid value at 'job.training_input.args[0]' (TYPE_STRING), 1`},
		with(`"args": "x"`):                                        {`job.training_input.args: (TYPE_STRING), "x"`},
		with(`"jobDir": ["x"]`):                                    {`job.training_input: Unknown name "jobDir" at 'job.training_input': Proto field is not repeating, cannot start list.`},
		with(`"region": "x"`):                                      {`job.training_input: Unknown name "region" at 'job.training_input'`},
		with(`"scaleTier": "custom"`):                              {`job.training_input.scale_tier: (type.googleapis.com/google.cloud.ml.v1.ScaleTier), "custom"`},
		with(`"runtimeVersion": 2.10`):                             {`job.training_input.runtime_version: (TYPE_STRING), 2.10`},
		with(`"workerCount": "abc"`):                               {`job.training_input.worker_count: (TYPE_INT64), "abc"`},
		with(`"enableWebAccess": "maybe"`):                         {`job.training_input.enable_web_access: (TYPE_BOOL), "maybe"`},
		with(`"scheduling": {"maxRunningTime": "2h"}`):             {`job.training_input.scheduling.max_running_time: (type.googleapis.com/google.protobuf.Duration), "2h"`},
		with(`"scheduling": {"priority": 1.5}`):                    {`job.training_input.scheduling.priority: (TYPE_INT32), 1.5`},
		with(`"scheduling": "x"`):                                  {`job.training_input.scheduling: (type.googleapis.com/google.cloud.ml.v1.Scheduling), "x"`},
		with(`"hyperparameters": {"params": [{"type": "FLOAT"}]}`): {`job.training_input.hyperparameters.params[0].type: "FLOAT"`, `hyperparameters: ` + gone},
		`{"jobId": 5, "trainingInput": []}`:                        {`job.job_id: (TYPE_STRING), 5`, `job: Proto field is not repeating, cannot start list.`},
		`{"labels": {"a": 1}, "jobId": "j", "trainingInput": {"region": 1, "packageUris": 1, "pythonModule": {}}}`: {`job.labels.a: (TYPE_STRING), 1`, `job.training_input.region: 1`, `job.training_input.package_uris: 1`, `job.training_input.python_module: an object`},
		`[]`: {`job: Invalid value at 'job'`},
		// union and ids
		`{}`:                                    {`job.job_id: required`, `training_input: required`},
		`{"jobId": "a-b"}`:                      {`job.job_id: "a-b" is not valid`, `training_input: required`},
		`{"jobId": "j", "predictionInput": {}}`: {`prediction_input: ` + gone},
		strings.Replace(with(`"args": []`), `"trainingInput"`, `"predictionInput": {}, "trainingInput"`, 1): {`prediction_input: ` + gone, `job: Only one of`},
		strings.Replace(with(`"args": []`), `"jobId"`, `"labels": {"A": "B"}, "jobId"`, 1):                  {`labels: Bad value [A]`, `labels: Bad value [B]`},
		// program
		`{"jobId": "j", "trainingInput": {}}`: {`package_uris: At least one`, `python_module: required`, `region: required. Options are [asia-east1, us-central1].`},
		strings.Replace(with(`"args": []`), `"gs://bucket/p.tar.gz"`, strings.Repeat(`"gs://bucket/p",`, 100)+`"gs://bucket/p"`, 1):                                     {`package_uris: At most 100 packages are allowed; there are 101.`},
		strings.Replace(with(`"args": []`), `"gs://bucket/p.tar.gz"`, `"p.whl", "gs://r/p.whl", "gs://bucket", "gs://Bucket/x", "gs://1.2.3.4/x", "gs://-bucket/x"`, 1): {`package_uris: must start with gs://`, `package_uris: 3 to 63`, `package_uris: form gs://bucket/object`, `package_uris: only lowercase`, `package_uris: IP address`, `package_uris: start and end`},
		strings.Replace(with(`"args": []`), "trainer.task", "trainer/task.py", 1):                                                                                       {`python_module: 'trainer/task.py' is not a dotted module name`},
		strings.Replace(with(`"args": []`), "trainer.task", "trainer..task", 1):                                                                                         {`python_module: not a dotted`},
		strings.Replace(with(`"args": []`), "trainer.task", "-c", 1):                                                                                                    {`python_module: not a dotted`},
		with(`"args": ["a\u0000b"]`):                                  {`args[0]: NUL`},
		with(`"jobDir": "/tmp/x"`):                                    {`job_dir: '/tmp/x' is not valid: it must start with gs://`},
		with(`"jobDir": "gs://b/"`):                                   {`job_dir: 3 to 63`},
		strings.Replace(with(`"args": []`), "us-central1", "mars", 1): {`region: The provided GCE region 'mars' is not available. Options are [asia-east1, us-central1].`},
		// versions
		with(`"runtimeVersion": "1.9"`):    {`runtime_version: The specified runtime version '1.9' with the Python version '' is not supported or is deprecated.  Please specify a different runtime version. There are`},
		with(`"runtimeVersion": "latest"`): {`runtime_version: The specified runtime version 'latest' with`},
		with(`"pythonVersion": "3"`):       {`python_version: MAJOR.MINOR`},
		// cluster
		with(`"scaleTier": "CUSTOM"`):                                              {`master_type: Master type must be specified for the CUSTOM scale tier.`},
		with(`"scaleTier": "CUSTOM", "masterType": "huge"`):                        {`master_type: The machine type 'huge' is not supported.`},
		with(`"masterType": "n1-standard-4"`):                                      {`master_type: only for the CUSTOM scale tier; the scale tier is BASIC`},
		with(`"workerCount": 2`):                                                   {`worker_count: only for the CUSTOM scale tier`},
		with(`"scaleTier": "BASIC_TPU"`):                                           {`scale_tier: ` + gone},
		with(`"scaleTier": "BASIC_GPU"`):                                           {`scale_tier: This server does not have 1 NVIDIA_TESLA_K80.`},
		with(`"scaleTier": "CUSTOM", "masterType": "standard", "workerCount": 1`):  {`worker_type: Worker type must be specified when worker_count is set.`},
		with(`"scaleTier": "CUSTOM", "masterType": "standard", "workerCount": -1`): {`worker_count: negative`},
		with(`"scaleTier": "CUSTOM", "masterType": "standard", "workerCount": "1", "workerType": "n1-standard-4", "parameterServerType": "cloud_tpu", "evaluatorCount": 1, "evaluatorType": "large_model"`):                                                                               {`worker_type: same category`, `parameter_server_type: TPUs`},
		with(`"scaleTier": "CUSTOM", "masterType": "standard", "workerCount": 1001, "workerType": "standard"`):                                                                                                                                                                            {`worker_count: The count must be at most 1000; received: 1001.`},
		with(`"scaleTier": "CUSTOM", "masterType": "n1-standard-4", "masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "1"}}, "workerCount": 2, "workerType": "n1-standard-4", "workerConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "1"}}`): {`worker_config.accelerator_config: does not have 3 NVIDIA_TESLA_T4`},
		with(`"scaleTier": "CUSTOM", "masterType": "standard_gpu"`):                                                                                    {`master_type: does not have 1 NVIDIA_TESLA_K80`},
		with(`"scaleTier": "CUSTOM", "masterType": "standard", "masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "1"}}`):      {`master_config.accelerator_config: only to Compute Engine`},
		with(`"scaleTier": "CUSTOM", "masterType": "n1-standard-4", "masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "4"}}`): {`master_config.accelerator_config: does not have 4 NVIDIA_TESLA_T4`},
		with(`"scaleTier": "CUSTOM", "masterType": "a2-highgpu-1g", "masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "1"}}`): {`master_config.accelerator_config: comes with 1 NVIDIA_TESLA_A100`},
		with(`"masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": "1"}}`):                                                       {`master_config.accelerator_config: only for the CUSTOM`},
		with(`"masterConfig": {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4"}}`):                                                                     {`master_config.accelerator_config.count: greater than 0`},
		with(`"masterConfig": {"acceleratorConfig": {"count": 1}}`):                                                                                    {`master_config.accelerator_config.type: required`},
		with(`"workerConfig": {"acceleratorConfig": {"type": "TPU_V2", "count": 8}, "tpuTfVersion": "1.15"}`):                                          {`worker_config.tpu_tf_version: TPUs`, `worker_config.accelerator_config.type: TPUs`},
		with(`"masterConfig": {"imageUri": "gcr.io/x", "containerCommand": ["a"], "containerArgs": ["b"]}`):                                            {`master_config.image_uri: ` + gone, `master_config.container_command: ` + gone, `master_config.container_args: ` + gone},
		with(`"evaluatorConfig": {"imageUri": "x"}`):                                                                                                   {`evaluator_config.image_uri: ` + gone},
		with(`"masterConfig": {"diskConfig": {"bootDiskType": "floppy", "bootDiskSizeGb": -1}}`):                                                       {`master_config.disk_config.boot_disk_type: pd-ssd`, `master_config.disk_config.boot_disk_size_gb: negative`},
		// scheduling
		with(`"scheduling": {"maxRunningTime": "0s"}`):  {`scheduling.max_running_time: greater than 0s`},
		with(`"scheduling": {"maxRunningTime": "-5s"}`): {`scheduling.max_running_time: greater than 0s`},
		with(`"scheduling": {"maxWaitTime": "1799s"}`):  {`scheduling.max_wait_time: at least 1800s`},
		with(`"scheduling": {"priority": 1001}`):        {`scheduling.priority: between 0 and 1000`},
		with(`"scheduling": {"priority": -1}`):          {`scheduling.priority: between 0 and 1000`},
		// not built
		with(`"hyperparameters": {"goal": "MAXIMIZE"}`): {`hyperparameters: ` + gone},
		with(`"enableWebAccess": true`):                 {`enable_web_access: ` + gone},
		with(`"network": "projects/1/global/networks/x", "serviceAccount": "a@b.c", "encryptionConfig": {"kmsKeyName": "k"}`): {`network: ` + gone, `service_account: ` + gone, `encryption_config.kms_key_name: ` + gone},
	} {
		_, err := mlv1.Parse("demo", []byte(doc), rules)
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != fault.Invalid {
			t.Errorf("%s\ngives %v, want a refusal", doc, err)
			continue
		}
		var got []string
		for _, v := range e.Violations {
			got = append(got, v.Field+": "+v.Description)
			if !strings.Contains(e.Msg, v.Description) {
				t.Errorf("%s\nthe message lacks %q", doc, v.Description)
			}
		}
		matches := func(w string) bool {
			field, part, _ := strings.Cut(w, ": ")
			return slices.ContainsFunc(e.Violations, func(v fault.Violation) bool { return v.Field == field && strings.Contains(v.Description, part) })
		}
		for _, w := range want {
			if !matches(w) {
				t.Errorf("%s\nlacks %q; got\n  %s", doc, w, strings.Join(got, "\n  "))
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s\nhas %d violations, want %d:\n  %s", doc, len(got), len(want), strings.Join(got, "\n  "))
		}
	}
}

func TestWhatIsNoJSONIsRefusedInTheOriginalsWords(t *testing.T) {
	for doc, want := range map[string]string{
		`{"jobId": oops}`:       "Invalid JSON payload received. Unexpected token.\n{\"jobId\": oops}\n          ^",
		`{"jobId": "x"`:         "Invalid JSON payload received. Unexpected end of string.",
		`{} {}`:                 "Invalid JSON payload received. Expected end of input.",
		`{}x`:                   "Invalid JSON payload received. Unexpected token.",
		"{\"jobId\": \"\xff\"}": "Invalid JSON payload received. It is not UTF-8.",
		`{"trainingInput": ` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`: "Invalid JSON payload received. Message too deep.",
	} {
		if _, err := mlv1.Parse("demo", []byte(doc), rules); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q gives %q, want %q", doc, err, want)
		}
	}
}

func TestAHintOfARuleReachesTheRefusal(t *testing.T) {
	_, err := mlv1.Parse("demo", []byte(with(`"runtimeVersion": "1.9"`)), rules)
	if fault.HintOf(err) != "leave it out" {
		t.Errorf("the hint is %q", fault.HintOf(err))
	}
}

func TestAJobIsRenderedAsTheOriginalDid(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 250_000_000, time.FixedZone("", 3600))
	p, err := mlv1.Parse("demo", []byte(`{"job_id": "j1", "labels": {"old": "x"}, "training_input": {"package_uris": ["gs://bucket/p<1>.tar.gz"], "pythonModule": "trainer.task",
		"region": "us-central1", "enableWebAccess": false, "jobDir": "", "args": [], "workerCount": "0", "useChiefInTfConfig": "true",
		"scheduling": {"maxRunningTime": "7200s", "priority": 0, "strategy": "ON_DEMAND"}}}`), rules)
	if err != nil {
		t.Fatal(err)
	}
	j := job.Job{Spec: p.Spec, Document: p.Document, State: job.Failed, Version: 258, Created: at, Started: at.Add(time.Second), Ended: at.Add(time.Minute),
		Error: "The replica master 0 exited with a non-zero status of 1.", Usage: job.Usage{CPUSeconds: 144}}
	j.Labels = map[string]string{"team": "vision", "0": "0"}
	raw, err := mlv1.RenderJSON(j)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "job.json", indent(t, raw))
	typed := mlv1.Render(j)
	if typed.JobId != "j1" || typed.State != "FAILED" || typed.TrainingInput.Scheduling.MaxRunningTime != "7200s" || typed.TrainingOutput.ConsumedMLUnits != 0.04 {
		t.Errorf("typed: %+v", typed)
	}
	if v, err := mlv1.ParseEtag(typed.Etag); err != nil || v != 258 {
		t.Errorf("ParseEtag(%q) = %d, %v", typed.Etag, v, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "}}"))
	f.Add([]byte(with(`"scaleTier": "CUSTOM", "masterType": "n1-standard-4", "scheduling": {"maxWaitTime": "1800.000000001s"}, "args": ["a", null, ""]`)))
	f.Add([]byte(`{"labels": {"a": "b"}, "trainingInput": {"hyperparameters": {"params": [{"discreteValues": [1, "2"]}]}}}`))
	f.Add([]byte(`[[`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := mlv1.Parse("demo", doc, rules)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || err.Error() == "" {
				t.Errorf("Parse(%q) fails with %v (%s)", doc, err, fault.KindOf(err))
			}
			return
		}
		// What was accepted is accepted again as it is rendered, and means the same.
		raw, err := mlv1.RenderJSON(job.Job{Spec: p.Spec, Document: p.Document, State: job.Queued})
		if err != nil {
			t.Fatal(err)
		}
		again, err := mlv1.Parse("demo", raw, rules)
		if err != nil {
			t.Fatalf("%q was accepted; as rendered, %s, it is not: %v", doc, raw, err)
		}
		p.Spec.Opaque, again.Spec.Opaque = nil, nil
		if diff := cmp.Diff(p.Spec, again.Spec, emptyIsNil); diff != "" {
			t.Errorf("%q rendered as %s means another (-first +again):\n%s", doc, raw, diff)
		}
	})
}

// emptyIsNil: proto3 does not tell an empty list or map from none.
var emptyIsNil = cmp.FilterValues(func(a, b any) bool { return empty(a) && empty(b) }, cmp.Comparer(func(any, any) bool { return true }))

func empty(v any) bool {
	switch v := v.(type) {
	case []string:
		return len(v) == 0
	case map[string]string:
		return len(v) == 0
	}
	return false
}

func indent(t *testing.T, raw []byte) []byte {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestTheOriginalsPyTorchImageIsARuntimeVersion: with packages to run in it, and
// only then.
func TestTheOriginalsPyTorchImageIsARuntimeVersion(t *testing.T) {
	const image = "gcr.io/cloud-ml-public/training/pytorch-cpu.1-4"
	for doc, primary := range map[string]string{
		with(`"masterConfig": {"imageUri": "` + image + `"}`):                                    "master",
		with(`"masterConfig": {"imageUri": "` + image + `:latest"}, "useChiefInTfConfig": true`): "chief",
	} {
		p, err := mlv1.Parse("demo", []byte(doc), rules)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if p.Spec.RuntimeVersion != "pytorch-cpu.1-4" || p.Spec.Primary != primary || len(p.Notes) == 0 || !strings.Contains(p.Notes[0], "runs as the runtime version pytorch-cpu.1-4") {
			t.Errorf("%s: runtime version %q, primary %q, notes %q", doc, p.Spec.RuntimeVersion, p.Spec.Primary, p.Notes)
		}
	}
	for doc, field := range map[string]string{
		with(`"masterConfig": {"imageUri": "` + strings.Replace(image, "cpu", "gpu", 1) + `"}`):                     "master_config.image_uri",
		with(`"masterConfig": {"imageUri": "gcr.io/mine/pytorch-cpu.1-4"}`):                                         "master_config.image_uri",
		with(`"workerConfig": {"imageUri": "` + image + `"}`):                                                       "worker_config.image_uri",
		with(`"masterConfig": {"imageUri": "` + image + `"}, "runtimeVersion": "2.11"`):                             "runtime_version",
		with(`"masterConfig": {"imageUri": "` + image + `", "containerArgs": ["x"]}`):                               "master_config.container_args",
		`{"jobId": "j", "trainingInput": {"region": "us-central1", "masterConfig": {"imageUri": "` + image + `"}}}`: "master_config.image_uri",
	} {
		_, err := mlv1.Parse("demo", []byte(doc), rules)
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || !slices.ContainsFunc(e.Violations, func(v fault.Violation) bool { return v.Field == field }) {
			t.Errorf("%s gives %v, want a word on %s", doc, err, field)
		}
	}
}
