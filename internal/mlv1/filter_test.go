package mlv1_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
)

var listed = func() []job.Job {
	day := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	make := func(id string, state job.State, hours int, labels map[string]string) job.Job {
		return job.Job{Spec: job.Spec{Key: job.Key{Project: "demo", ID: job.ID(id)}, Labels: labels, Region: "us-central1", Tier: job.Basic, Module: "trainer.task"},
			State: state, Created: day.Add(time.Duration(hours) * time.Hour)}
	}
	jobs := []job.Job{
		make("census_1", job.Succeeded, 0, map[string]string{"team": "vision", "x": ""}),
		make("census_2", job.Failed, 1, map[string]string{"team": "text"}),
		make("rnn_1", job.Failed, 2, nil),
		make("Rnn_2", job.Running, 3, nil),
		make("AND", job.Queued, 4, nil),
	}
	jobs[1].Error = `exit "1" (SIGKILL)`
	jobs[3].Cancel = &job.Cancel{}
	jobs[0].Ended = day.Add(12 * time.Hour)
	return jobs
}()

func TestFilter(t *testing.T) {
	for filter, want := range map[string]string{
		"":                                   "census_1 census_2 rnn_1 Rnn_2 AND",
		"   ":                                "census_1 census_2 rnn_1 Rnn_2 AND",
		"jobId:census*":                      "census_1 census_2",
		"jobId:rnn* AND state:FAILED":        "rnn_1",
		"jobId:rnn* state:failed":            "rnn_1",
		"job_id=rnn*":                        "rnn_1 Rnn_2",
		"jobId:_1":                           "census_1 rnn_1",
		"jobId=_1":                           "",
		"jobId=*_1":                          "census_1 rnn_1",
		`jobId="AND"`:                        "AND",
		"state=CANCELLING":                   "Rnn_2",
		"state!=FAILED":                      "census_1 Rnn_2 AND",
		"NOT state=FAILED":                   "census_1 Rnn_2 AND",
		"-state=FAILED":                      "census_1 Rnn_2 AND",
		"NOT NOT state=FAILED":               "census_2 rnn_1",
		"NOT (state=FAILED OR state=QUEUED)": "census_1 Rnn_2",
		"state=QUEUED OR state=FAILED jobId:rnn*":                 "rnn_1",
		"(jobId:rnn* AND state=FAILED) OR jobId=\"AND\"":          "rnn_1 AND",
		"labels.team=vision":                                      "census_1",
		"labels.team!=vision":                                     "census_2 rnn_1 Rnn_2 AND",
		"labels.team:*":                                           "census_1 census_2",
		"labels.x=\"\"":                                           "census_1",
		"labels:x":                                                "census_1",
		"NOT labels:team":                                         "rnn_1 Rnn_2 AND",
		`createTime>"2026-11-24T11:00:00Z"`:                       "rnn_1 Rnn_2 AND",
		`createTime >= 2026-11-24T12:00:00+01:00`:                 "census_2 rnn_1 Rnn_2 AND",
		"create_time<2026-11-25 create_time>2026-11-24T13:30:00Z": "AND",
		"endTime:*":                                               "census_1",
		"endTime<2030-01-01":                                      "census_1",
		`errorMessage:"exit \"1\" ("`:                             "census_2",
		"trainingInput.region=us-central1 training_input.scale_tier=BASIC jobId=\"AND\"": "AND",
	} {
		f, err := mlv1.ParseFilter(filter)
		if err != nil {
			t.Errorf("ParseFilter(%q): %v", filter, err)
			continue
		}
		var got []string
		for _, j := range listed {
			if f(j) {
				got = append(got, string(j.Key.ID))
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q finds %q, want %q", filter, s, want)
		}
	}
}

func TestAFilterThatIsWrongIsRefused(t *testing.T) {
	for filter, want := range map[string]string{
		"census":             "expected an operator after census",
		"foo=bar":            "the field foo is not known",
		"jobId=":             "expected a value",
		"jobId= AND state=x": "expected a value",
		"(jobId=x":           "not closed",
		"jobId=x)":           "unexpected \")\"",
		"jobId=x OR":         "expected the name",
		"AND jobId=x":        "expected the name",
		`jobId="x`:           "no end",
		"jobId>x":            "cannot be compared",
		"createTime>today":   "is compared with a time",
		"!jobId=x":           "unexpected",
		"= x":                "expected the name",
		strings.Repeat("(", 100) + "jobId=x" + strings.Repeat(")", 100): "too many parentheses",
		"jobId=" + strings.Repeat("x", 20_000):                          "longer than",
	} {
		if _, err := mlv1.ParseFilter(filter); !fault.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("ParseFilter(%.40q) gives %v, want %q", filter, err, want)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"", "jobId:census* AND (state=FAILED OR NOT labels.a:\"x\\\"\")", "createTime>=2026-11-24T12:00:00+01:00", "-jobId=*a*b*", "labels.\"K k\"=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		match, err := mlv1.ParseFilter(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("ParseFilter(%q): %v is %s", s, err, fault.KindOf(err))
			}
			return
		}
		not, err := mlv1.ParseFilter("NOT (" + s + ")")
		if strings.TrimSpace(s) == "" || len(s) > 9_000 || strings.Count(s, "(") > 40 {
			return
		}
		if err != nil {
			t.Fatalf("%q is a filter and its negation is not: %v", s, err)
		}
		for _, j := range listed {
			if match(j) == not(j) {
				t.Errorf("%q and its negation agree on %s", s, j.Key.ID)
			}
		}
	})
}
