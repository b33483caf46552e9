package job_test

import (
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

func TestClientsAreNamedByProgramAndVersion(t *testing.T) {
	for agent, want := range map[string]string{
		"trainyard/0.1.0": "trainyard/0.1.0",
		"google-cloud-sdk gcloud/528.0.0 command/gcloud.ai-platform.jobs.submit.training invocation-id/abc": "gcloud/528.0.0",
		"(gzip) google-api-go-client/0.5": "(gzip)",
		"":                                "", "\x01\x02": "", "x\ny": "x", strings.Repeat("z", 500): strings.Repeat("z", 100),
	} {
		if got := job.ClientOf(agent); got != want {
			t.Errorf("ClientOf(%q) = %q, want %q", agent, got, want)
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	f.Add("commit=0123456789abcdef0123456789abcdef01234567&branch=main&dirty=true")
	f.Add("commit=" + strings.Repeat("a", 65))
	f.Add("branch=%zz")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		o, err := job.ParseOrigin(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("ParseOrigin(%q): %v", s, err)
			}
			return
		}
		if again, err := job.ParseOrigin(o.Query()); err != nil || again != o {
			t.Errorf("%+v is written as %q and read as %+v, %v", o, o.Query(), again, err)
		}
	})
}
