package mlv1_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
)

func TestAJobFileSaysWhatACommandLineDoes(t *testing.T) {
	f, err := mlv1.ParseFile("job.yaml", []byte("jobId: j\npackagePath: trainer\npackages: [a.whl, gs://b/c.whl]\nstaging_bucket: gs://b\nuserArgs: [--epochs=3, 7]\ntrainingInput: {region: r}\n"))
	if err != nil {
		t.Fatal(err)
	}
	job, err := json.Marshal(f.Job)
	if want := `{"jobId":"j","trainingInput":{"args":["--epochs=3","7"],"region":"r"}}`; err != nil || string(job) != want {
		t.Errorf("the job is %s, %v, want %s", job, err, want)
	}
	if f.PackagePath != "trainer" || f.StagingBucket != "gs://b" || !reflect.DeepEqual(f.Packages, []string{"a.whl", "gs://b/c.whl"}) {
		t.Errorf("%+v", f)
	}
	for in, want := range map[string]string{
		"packagepath: x\n":                            "unknown field packagepath; did you mean packagePath?",
		"userArgs: --x\n":                             "userArgs: expected a list",
		"packages: {a: b}\n":                          "packages: expected a list",
		"trainingInput: {packagePath: x}":             "unknown field trainingInput.packagePath",
		"userArgs: [a]\ntrainingInput: {args: [b]}\n": "userArgs and trainingInput.args are the same",
	} {
		if _, err := mlv1.ParseFile("job.yaml", []byte(in)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", in, err, want)
		}
	}
	// The API itself knows none of them.
	if _, err := mlv1.ParseConfig("c", []byte("packagePath: x\n")); err == nil {
		t.Error("packagePath is taken as a field of the API")
	}
}

func TestExportLeavesOutWhatTheServiceWrote(t *testing.T) {
	d, err := mlv1.ParseConfig("c", []byte("jobId: j\netag: A\nlabels: {a: b}\ntrainingInput: {args: [x], packageUris: [gs://b/p.whl], enableWebAccess: false}\n"))
	if err != nil {
		t.Fatal(err)
	}
	d["state"], d["createTime"] = "FAILED", "2026-01-01T00:00:00Z"
	got, err := json.Marshal(mlv1.Export(d))
	if want := `{"labels":{"a":"b"},"trainingInput":{"args":["x"],"packageUris":["gs://b/p.whl"]}}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// TestTheSchemaIsPublished: editors read docs/job.schema.json.
func TestTheSchemaIsPublished(t *testing.T) {
	const path = "../../docs/job.schema.json"
	got, err := mlv1.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date (%v): go test ./internal/mlv1 -update", path, err)
	}
	if !bytes.Contains(got, []byte(`"packagePath"`)) || !bytes.Contains(got, []byte(`"NVIDIA_TESLA_T4"`)) || bytes.Contains(got, []byte(`"createTime"`)) {
		t.Error("the schema is not of a job file")
	}
}
