package logs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

func record() *Record {
	return &Record{Key: job.Key{Project: "proj", ID: "k1"}, Entry: Entry{Task: "master-replica-0", Trial: "3", Time: t0, Severity: Warning, Message: "Loss is Low",
		Fields: json.RawMessage(`{"lineno":9,"pathname":"/a.py","deep":{"er":"x"},"flag":true}`), InsertID: "0001m00000000000000010"}}
}

// gcloudFilter is what gcloud sends (spec 7.3, 7.4), with its lower bound.
func gcloudFilter(id, lower string, task string) string {
	f := `(resource.type="ml_job" OR resource.type="cloudml_job") AND resource.labels.job_id="` + id + `"`
	if task != "" {
		f += ` AND (resource.labels.task_name="` + task + `" OR labels.task_name="` + task + `")`
	}
	return f + " AND " + lower + ` AND timestamp<"2026-11-22T22:04:48.239411Z"`
}

func TestFiltersMatchAsCloudLoggingDoes(t *testing.T) {
	at := t0.Format("2006-01-02T15:04:05.000000000Z")
	for filter, want := range map[string]bool{
		"":                             true,
		"  -- a comment":               true,
		"-- one\nseverity=INFO -- two": false,
		gcloudFilter("k1", `timestamp>="1970-01-01T01:00:00.000000000Z"`, ""):                                        true,
		gcloudFilter("k2", `timestamp>="1970-01-01T01:00:00.000000000Z"`, ""):                                        false,
		gcloudFilter("k1", `timestamp>="1970-01-01T01:00:00.000000000Z"`, "master-replica-0"):                        true,
		gcloudFilter("k1", `timestamp>="1970-01-01T01:00:00.000000000Z"`, "worker-replica-0"):                        false,
		gcloudFilter("k1", `timestamp>="`+at+`"`, ""):                                                                true,
		gcloudFilter("k1", `((timestamp="`+at+`" AND insertId>"0001m0000000000000000f") OR timestamp>"`+at+`")`, ""): true,
		gcloudFilter("k1", `((timestamp="`+at+`" AND insertId>"0001m00000000000000010") OR timestamp>"`+at+`")`, ""): false,

		`labels."trainyard/attempt"="1" AND labels."trainyard/restart"="0"`: true,
		`labels."trainyard/attempt"="2"`:                                    false,
		`labels."trainyard/restart"="1"`:                                    false,

		// OR binds tighter than AND, NOT than both, and side by side is AND.
		`severity=INFO AND severity=INFO OR severity=WARNING`:   false,
		`severity=WARNING OR severity=INFO AND severity=INFO`:   false,
		`(severity=INFO AND severity=INFO) OR severity=WARNING`: true,
		`severity=WARNING resource.type=ml_job`:                 true,
		`severity=WARNING resource.type=other`:                  false,
		`NOT severity=INFO AND severity=WARNING`:                true,
		`NOT severity=INFO OR severity=INFO`:                    true,
		`NOT (severity=INFO OR severity=WARNING)`:               false,
		`NOT NOT severity=WARNING`:                              true,
		`-severity=INFO`:                                        true,
		`- severity=WARNING`:                                    false,
		`((((severity=WARNING))))`:                              true,

		`severity>=ERROR`:     false,
		`severity>INFO`:       true,
		`severity>=warning`:   true,
		`severity!=WARNING`:   false,
		`severity<NOTICE`:     false,
		`severity=400`:        true,
		`severity:WARNING`:    true,
		`severity<=EMERGENCY`: true,

		`timestamp="` + at + `"`:                   true,
		`timestamp!="` + at + `"`:                  false,
		`timestamp<="` + at + `"`:                  true,
		`timestamp<"` + at + `"`:                   false,
		`timestamp>"` + at + `"`:                   false,
		`timestamp>="2026-01-02"`:                  true,
		`timestamp>="2026-01-02T05:04:05.7+02:00"`: false,
		`timestamp<="2026-01-02T05:04:05.7+02:00"`: true,

		`insertId="0001m00000000000000010"`:                       true,
		`insertId>"0001m00000000000000010"`:                       false,
		`insertId>="0001m00000000000000010"`:                      true,
		`insertId<"s"`:                                            true,
		`logName="projects/proj/logs/master-replica-0"`:           true,
		`logName:"master"`:                                        true,
		`resource.labels.project_id="proj"`:                       true,
		`resource.labels.nothing="x"`:                             false,
		`resource.labels.nothing!="x"`:                            true,
		`labels."ml.googleapis.com/task_name"="master-replica-0"`: true,
		`labels.ml.googleapis.com/trial_id="3"`:                   true,
		`labels.trial_id:*`:                                       true,
		`labels."ml.googleapis.com/job_id"="k1"`:                  true,
		`resource.labels."job_id" = 'k1'`:                         true,
		`jsonPayload.message:"loss is"`:                           true,
		`jsonPayload.message="Loss is Low"`:                       true,
		`jsonPayload.message="loss is low"`:                       false,
		`jsonPayload.lineno=9`:                                    true,
		`jsonPayload.lineno>10`:                                   false,
		`jsonPayload.lineno<10`:                                   true,
		`jsonPayload.lineno>-1.5`:                                 true,
		`jsonPayload.deep.er=x`:                                   true,
		`jsonPayload.flag=true`:                                   true,
		`jsonPayload.deep.none=x`:                                 false,
		`jsonPayload.none:*`:                                      false,
		`jsonPayload.pathname=/a.py`:                              true,
		`textPayload:"x"`:                                         false,
		`"LOSS is"`:                                               true,
		`"gain" OR "loss"`:                                        true,
		`NOT "loss"`:                                              false,
		`jsonPayload.message="a \"quoted\" \\ text"`:              false,
		`timestamp>="2026-01-02T05:04:05.7+0200"`:                 false,
		`timestamp<="2026-01-02T05:04:05.7+0200"`:                 true,
		`timestamp>="2026-01-02T03:04:05.000000+0000"`:            true,
		`timestamp>="2026-01-02T03:04:05.0"`:                      true,
		`timestamp<"2026-01-02T03:04"`:                            false,
		`timestamp>="2026-01-02T03:04Z"`:                          true,
		// A group of values, as if the field stood before each.
		`severity=(ERROR OR WARNING)`:                                        true,
		`severity=(ERROR OR INFO)`:                                           false,
		`severity!=(ERROR AND INFO) resource.type=ml_job`:                    true,
		`severity>=(INFO AND NOT ERROR)`:                                     true,
		`resource.labels.job_id=("k2" OR ("k1")) AND severity=(WARNING)`:     true,
		`jsonPayload.message:("loss" AND "low" AND NOT "gain")`:              true,
		`jsonPayload.message:("loss" "gain")`:                                false,
		`NOT jsonPayload.message:("x" OR "y") AND (severity=INFO OR "loss")`: true,
		`timestamp>=("2026-01-01" AND "2026-01-02")`:                         true,
		// Regular expressions match anywhere.
		`jsonPayload.message=~"^Loss.*[Ll]ow$"`:               true,
		`jsonPayload.message=~"loss"`:                         false,
		`jsonPayload.message=~"(?i)LOSS"`:                     true,
		`jsonPayload.message!~"^is"`:                          true,
		`jsonPayload.message!~"is"`:                           false,
		`jsonPayload.none=~".*"`:                              false,
		`jsonPayload.none!~".*"`:                              true,
		`resource.labels.task_name=~("^worker" OR "^master")`: true,
		// Texts alone need no quotation marks, which shells take away.
		`loss`:                           true,
		`gain OR loss`:                   true,
		`loss severity=INFO`:             false,
		`a.py loss`:                      false,
		`log_id("master-replica-0")`:     true,
		`NOT log_id("service") loss`:     true,
		`loss (severity=WARNING)`:        true,
		`jsonPayload:*`:                  true,
		`jsonPayload:"a.py"`:             true,
		`jsonPayload:"b.py"`:             false,
		`jsonPayload.deep:*`:             true,
		`textPayload:*`:                  false,
		`receiveTimestamp>="2026-01-02"`: true,
		`receiveTimestamp>="2027-01-02"`: false,
	} {
		f, err := ParseFilter(filter)
		if err != nil {
			t.Errorf("ParseFilter(%s): %v", filter, err)
			continue
		}
		if got := f.Match(record()); got != want {
			t.Errorf("%s is %t, want %t", filter, got, want)
		}
	}
}

func TestInsertIdsAreComparedAsText(t *testing.T) {
	r := record()
	r.InsertID = "0001e00000000000000010" // also a number, in a way
	f, err := ParseFilter(`insertId>"0001e0000000000000000f"`)
	if err != nil || !f.Match(r) {
		t.Errorf("%s is not after …f: %v", r.InsertID, err)
	}
	if f, err = ParseFilter(`insertId>"00001e0"`); err != nil || !f.Match(r) {
		t.Errorf("%s is not after 00001e0: %v", r.InsertID, err)
	}
}

func TestOddFiltersAreRefusedWithTheirPlace(t *testing.T) {
	for filter, want := range map[string]string{
		`severity`:                        "expected one of",
		`severity=`:                       "expected a value",
		`=x`:                              "expected a comparison",
		`AND severity=INFO`:               "expected a comparison",
		`severity=INFO AND`:               "expected a comparison",
		`severity=INFO OR`:                "expected a comparison",
		`(severity=INFO`:                  "expected )",
		`severity=INFO)`:                  "expected AND or OR",
		`()`:                              "expected a comparison",
		`NOT`:                             "expected a comparison",
		`severity="INFO`:                  "not closed",
		`severity=LOUD`:                   "no severity",
		`timestamp>yesterday`:             "not a timestamp",
		`timestamp:"2026"`:                "not a timestamp",
		`timestamp:"2026-01-02"`:          "no operator",
		`colour=red`:                      "field colour is not known",
		`resource.=x`:                     "expected a name after the dot",
		`resource..type=x`:                "expected a name after the dot",
		`severity=~"INFO"`:                "severity has no operator",
		`severity!~"INFO"`:                "severity has no operator",
		`timestamp=~"2026-01-02"`:         "no operator",
		`jsonPayload.message=~"("`:        "is no regular expression",
		`severity=(INFO OR)`:              "expected a value",
		`severity=(INFO`:                  "expected )",
		`severity=(severity=INFO)`:        "no severity",
		`severity=(INFO OR LOUD)`:         "no severity",
		`jsonPayload.message=(a b=c)`:     "expected a value",
		`SEARCH("x")`:                     "function SEARCH is not served",
		`log_id(x)`:                       "in quotation marks",
		`log_id("x"`:                      "expected )",
		`"resource".type=x`:               "field's name",
		`severity=INFO !`:                 "unexpected",
		`severity = ()`:                   "expected a value",
		`timestamp>=2026-01-02T03:04:05Z`: "",
		strings.Repeat("(", 1000) + "severity=INFO" + strings.Repeat(")", 1000): "nested too deeply",
		strings.Repeat("NOT ", 100_000) + "severity=INFO":                       "nested too deeply",
	} {
		_, err := ParseFilter(filter)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ", at ") || len(err.Error()) > 5000 {
			t.Errorf("ParseFilter(%.60s): %.300v, want one that says %q", filter, err, want)
		}
	}
}

func TestBoundsAreWhatEveryMatchKeeps(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 0, 0, s, 0, time.UTC) }
	ts := func(op string, s int) string { return "timestamp" + op + `"` + at(s).Format(time.RFC3339) + `"` }
	var zero time.Time
	for _, tt := range []struct {
		filter   string
		jobs     []job.ID
		from, to time.Time
	}{
		{``, nil, zero, zero},
		{gcloudFilter("k1", ts(">=", 1), ""), []job.ID{"k1"}, at(1), time.Date(2026, 11, 22, 22, 4, 48, 239411000, time.UTC)},
		{`resource.labels.job_id="a"`, []job.ID{"a"}, zero, zero},
		{`resource.labels.job_id="a" OR labels.job_id="b"`, []job.ID{"a", "b"}, zero, zero},
		{`resource.labels.job_id="a" OR severity=INFO`, nil, zero, zero},
		{`severity=INFO OR resource.labels.job_id="a"`, nil, zero, zero},
		{`NOT resource.labels.job_id="a"`, nil, zero, zero},
		{`resource.labels.job_id!="a"`, nil, zero, zero},
		{`resource.labels.job_id="a" resource.labels.job_id="b"`, []job.ID{}, zero, zero},
		{ts(">", 1) + " " + ts(">=", 2) + " " + ts("<", 9) + " " + ts("<=", 10), nil, at(2), at(9)},
		{ts("=", 3), nil, at(3), at(3).Add(1)},
		{ts("!=", 3), nil, zero, zero},
		{"((" + ts("=", 3) + ` AND insertId>"x") OR ` + ts(">", 3) + ")", nil, at(3), zero},
		{ts(">", 3) + " OR " + ts(">", 2), nil, at(2), zero},
		{ts(">", 3) + " OR " + ts("<", 2), nil, zero, zero},
		{ts("<", 3) + " OR " + ts("<", 5), nil, zero, at(5)},
		{ts("<", 3) + " OR severity=INFO", nil, zero, zero},
		{`resource.labels.job_id=("a" OR "b")`, []job.ID{"a", "b"}, zero, zero},
		{`resource.labels.job_id=("a" OR NOT "b")`, nil, zero, zero},
		{`resource.labels.job_id=~"a"`, nil, zero, zero},
		{"severity=INFO OR " + ts("<", 3), nil, zero, zero},
	} {
		f, err := ParseFilter(tt.filter)
		if err != nil || !slices.Equal(f.Jobs, tt.jobs) || (f.Jobs == nil) != (tt.jobs == nil) || !f.From.Equal(tt.from) || !f.To.Equal(tt.to) {
			t.Errorf("%s is bounded by %v, %s, %s, %v; want %v, %s, %s", tt.filter, f.Jobs, f.From, f.To, err, tt.jobs, tt.from, tt.to)
		}
	}
}

// Whatever is parsed, the bounds hold for every record that matches.
func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{
		gcloudFilter("k1", `timestamp>="1970-01-01T01:00:00.000000000Z"`, "t"),
		`((timestamp="2026-01-02T03:04:05Z" AND insertId>"x") OR timestamp>"2026-01-02T03:04:05Z")`,
		`NOT (a.b:"x\"y" -- c` + "\n" + `OR severity>=400)`, `jsonPayload.lineno<-1.5 "text" 'x'`, `labels."a.b/c"!=d`,
		`resource.labels.job_id="k1" OR resource.labels.job_id="k2" AND NOT timestamp<"2026-01-02"`,
		`resource.labels.job_id=("k1" OR NOT ("k2" AND k3)) timestamp>=("2026-01-02") loss`, `log_id("x") a=~"(b|c)+" OR a!~"^d"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		flt, err := ParseFilter(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("ParseFilter(%q): %v is no mistake of the caller's", text, err)
			}
			return
		}
		for i, id := range []job.ID{"k1", "k2", "other"} {
			for _, d := range []time.Duration{-48 * time.Hour, -6, 0, time.Second} {
				r := record()
				r.Key.ID, r.Time, r.InsertID = id, t0.Add(d), fmt.Sprint(i)
				if flt.Match(r) && (flt.Jobs != nil && !slices.Contains(flt.Jobs, id) || r.Time.Before(flt.From) || !flt.To.IsZero() && !r.Time.Before(flt.To)) {
					t.Errorf("%q matches a record of %s at %s, outside its bounds %v, %s, %s", text, id, r.Time, flt.Jobs, flt.From, flt.To)
				}
			}
		}
	})
}

func TestAnEntrySaysWhichTryItIsOf(t *testing.T) {
	for id, want := range map[string][2]int{
		"0001m00000000000000010": {1, 0}, "0012w9990300000000000f": {12, 3}, "s0000000000000001": {}, "": {}, "0001": {}, "0000m000000": {}, "0001m000x0": {}, "x": {},
	} {
		if a, r := (Entry{InsertID: id}).Try(); a != want[0] || r != want[1] {
			t.Errorf("%q is of attempt %d, run %d; want %v", id, a, r, want)
		}
	}
}
