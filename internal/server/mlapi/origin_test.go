package mlapi_test

import (
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/job"
)

func TestAJobKnowsWhatItsSourceWas(t *testing.T) {
	m, base := start(t)
	jobs := base + "/v1/projects/demo/jobs"
	got := send(t, "POST", jobs, document("j1", ""), "X-Trainyard-Source", "commit=0123456789abcdef&branch=r%C3%A4nder&dirty=true", "User-Agent", "x gcloud/528.0.0 y")
	want := job.Origin{Client: "gcloud/528.0.0", Commit: "0123456789abcdef", Branch: "ränder", Dirty: true}
	if got.code != 200 || m.jobs[0].Origin != want {
		t.Errorf("%d; the job is of %+v, want %+v", got.code, m.jobs[0].Origin, want)
	}
	if got := send(t, "POST", jobs, document("j2", ""), "X-Trainyard-Source", "commit=HEAD"); got.code != 400 || !strings.Contains(got.raw, "HEAD") || len(m.jobs) != 1 {
		t.Errorf("a source that is none: %d %s", got.code, got.raw)
	}
}
