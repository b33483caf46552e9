package filter

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/cli/format"
)

var now = time.Date(2026, 1, 4, 12, 0, 0, 0, time.UTC)

// load reads which documents the original let through, recorded by asking it.
func load(t testing.TB) (map[string][]string, []any) {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Documents json.RawMessage     `json:"documents"`
		Cases     map[string][]string `json:"cases"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	docs, err := format.Decode(r.Documents)
	if err != nil || len(r.Cases) == 0 {
		t.Fatalf("the reference is not usable: %v, %d cases", err, len(r.Cases))
	}
	return r.Cases, docs.([]any)
}

func matched(t *testing.T, text string, docs []any) []string {
	t.Helper()
	f, err := Parse(text, now)
	if err != nil {
		t.Errorf("Parse(%q): %v", text, err)
		return nil
	}
	got := []string{}
	for _, d := range docs {
		if f.Match(d) {
			got = append(got, d.(map[string]any)["jobId"].(string))
		}
	}
	return got
}

func TestFiltersLetThroughWhatTheOriginalDoes(t *testing.T) {
	time.Local = time.UTC
	cases, docs := load(t)
	for text, want := range cases {
		if diff := cmp.Diff(want, matched(t, text, docs)); diff != "" {
			t.Errorf("%s (-original +ours)\n%s", text, diff)
		}
	}
}

func TestDurationsCountFromNow(t *testing.T) {
	_, docs := load(t)
	for text, want := range map[string][]string{
		"createTime>-P1D":         {"rnn_3"},
		"createTime>-P2D":         {"rnn_2", "rnn_3"},
		"createTime<-PT12H":       {"census_1", "rnn_2"},
		"createTime>-P1W":         {"census_1", "rnn_2", "rnn_3"},
		"createTime>-P1DT9H30M5S": {"rnn_2", "rnn_3"},
	} {
		if diff := cmp.Diff(want, matched(t, text, docs)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", text, diff)
		}
	}
}

func TestWhatIsNotSupportedIsAnErrorThatSaysSo(t *testing.T) {
	for text, want := range map[string]string{
		"state=":                      "a value is expected",
		"state==FAILED":               "malformed operator",
		"state<>FAILED":               "malformed operator",
		"state=A AND":                 "a term is expected",
		"(state=A":                    "a ) is missing",
		"state=A)":                    "unexpected tokens",
		"AND state=A":                 "a term is expected",
		"state=A OR state=B AND x=1":  "parentheses are needed",
		"state=A state=B OR x=1":      "parentheses are needed",
		"state=A or state=B":          "OR is written in upper case",
		"not state=A":                 "NOT is written in upper case",
		"rnn":                         "words without an operator",
		"jobId:*n*":                   "at most one *",
		"jobId~[":                     "no regular expression",
		`state="x`:                    "a quote is not closed",
		"createTime.date()>1":         "functions are not supported",
		"state=AND":                   "a value is expected, not AND",
		"=x":                          "a name is expected",
		"state=()":                    "a value is expected",
		strings.Repeat("(", 10000):    "too many parentheses",
		strings.Repeat("NOT ", 10000): "too many NOTs",
	} {
		if _, err := Parse(text, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.40q) = %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	cases, docs := load(f)
	for text := range cases {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text, now)
		if err != nil {
			return
		}
		for _, d := range docs {
			parsed.Match(d)
			parsed.Match([]any{d, nil, true})
		}
	})
}
