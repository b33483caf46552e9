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

// stored is a job as the store has it that was sent as a document.
func stored(t *testing.T, doc string) job.Job {
	t.Helper()
	p, err := mlv1.Parse("p", []byte(doc), mlv1.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	p.Spec.Packages[0].Generation = 7
	p.Spec.PythonVersion = "3.11" // as it was chosen then
	return job.Job{Spec: p.Spec, Document: p.Document, Wire: mlv1.Wire}
}

func TestAgainIsTheSameUnderAnotherID(t *testing.T) {
	was := stored(t, `{"job_id":"a","training_input":{"region":"us-central1","package_uris":["gs://bkt/p.tar.gz"],"python_module":"t.k","args":["--x","1"],"job_dir":"gs://bkt/out"},"labels":{"team":"x"}}`)
	spec, doc, err := mlv1.Again(was, "a_2", mlv1.Changes{})
	if err != nil {
		t.Fatal(err)
	}
	want := was.Spec
	want.Key.ID = "a_2"
	if d := cmp.Diff(want, spec); d != "" {
		t.Errorf("the specification differs (-want +got):\n%s", d)
	}
	if !strings.Contains(string(doc), `"package_uris":["gs://bkt/p.tar.gz"]`) || !strings.Contains(string(doc), `"jobId":"a_2"`) || strings.Contains(string(doc), `"job_id"`) {
		t.Errorf("the document is %s", doc)
	}

	args, dir := []string{"--x", "2"}, "gs://bkt/other"
	spec, doc, err = mlv1.Again(was, "a_3", mlv1.Changes{Args: &args, JobDir: &dir, Labels: map[string]string{"team": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(mlv1.RenderDoc(job.Job{Spec: spec, Document: doc}))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"args":["--x","2"]`, `"jobDir":"gs://bkt/other"`, `"labels":{"team":"y"}`, `"jobId":"a_3"`} {
		if !strings.Contains(string(shown), part) {
			t.Errorf("the job shows as %s, without %s", shown, part)
		}
	}
	if !strings.Contains(string(spec.Opaque), `"args":["--x","2"]`) {
		t.Errorf("TF_CONFIG's job is %s", spec.Opaque)
	}
}

func TestAgainRefusesWhatASubmitWould(t *testing.T) {
	was := stored(t, `{"jobId":"a","trainingInput":{"region":"us-central1","packageUris":["gs://bkt/p.tar.gz"],"pythonModule":"t.k"}}`)
	bad := "no-place"
	for _, c := range []mlv1.Changes{{JobDir: &bad}, {Args: &[]string{"\x00"}}, {Labels: map[string]string{"A B": ""}}} {
		if _, _, err := mlv1.Again(was, "a_2", c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
