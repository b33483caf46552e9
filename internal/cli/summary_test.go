package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/trainyard/trainyard/internal/client"
)

// testdata/summary.txt is what gcloud 528 printed for the same job.
func TestSummaryIsTheOriginalsToTheLetter(t *testing.T) {
	want, err := os.ReadFile("testdata/summary.txt")
	if err != nil || len(want) == 0 {
		t.Fatalf("%d bytes, %v", len(want), err)
	}
	var out bytes.Buffer
	o := &describeOptions{App: &App{Streams: Streams{Out: &out}}}
	j := client.Job{Raw: json.RawMessage(`{"jobId": "tuned", "createTime": "2026-01-02T03:04:05Z", "startTime": "2026-01-02T03:04:06Z", "state": "RUNNING",
		"trainingInput": {"region": "us-central1", "scaleTier": "CUSTOM", "masterType": "n1-standard-4", "workerCount": "2", "workerType": "x", "pythonModule": "t.task"},
		"trainingOutput": {"completedTrialCount": "2", "consumedMLUnits": 0.04, "isHyperparameterTuningJob": true}}`)}
	if err := o.summary(j); err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
