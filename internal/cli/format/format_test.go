package format

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// reference is what the original printer wrote for each format, recorded by
// calling it.
type reference struct {
	Documents json.RawMessage   `json:"documents"`
	Cases     map[string]string `json:"cases"`
}

func load(t testing.TB) (reference, []any) {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	docs, err := Decode(r.Documents)
	if err != nil || len(r.Cases) == 0 {
		t.Fatalf("the reference is not usable: %v, %d cases", err, len(r.Cases))
	}
	return r, docs.([]any)
}

func TestFormatsPrintWhatTheOriginalPrints(t *testing.T) {
	time.Local = time.UTC
	r, docs := load(t)
	for text, want := range r.Cases {
		spec, single := strings.CutPrefix(text, "1:")
		f, err := Parse(spec)
		if err != nil {
			t.Errorf("Parse(%q): %v", spec, err)
			continue
		}
		var b bytes.Buffer
		if single {
			err = f.PrintOne(&b, docs[0])
		} else {
			err = f.Print(&b, docs)
		}
		if diff := cmp.Diff(trimmed(want), trimmed(b.String())); err != nil || diff != "" {
			t.Errorf("%s: %v (-original +ours)\n%s", text, err, diff)
		}
	}
}

// trimmed takes the spaces off the ends of lines: the original pads the last
// column of some rows.
func trimmed(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}

func TestWhatIsNotSupportedIsAnErrorThatSaysSo(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "not supported",
		"bogus(jobId)":                  `"bogus" is not supported`,
		"table":                         "table needs columns",
		"value()":                       "value needs columns",
		"table(jobId.bogus())":          "function bogus() is not supported",
		"table(jobId:bogus=2)":          `column attribute "bogus" is not supported`,
		"table(jobId":                   "a comma or ) is expected",
		`table(jobId:label="x`:          "a quote is not closed",
		"table[box](jobId)":             `attribute "box" is not supported`,
		"table(jobId) x":                "that is not supported",
		"table(jobId.date(bogus=1))":    "date() has no argument bogus",
		"table(jobId.date(tz=Nowhere))": "time zone Nowhere is not known",
		"table(jobId.list(1,2))":        "list() takes fewer arguments",
		"table(date())":                 "a function goes after a path",
		"table(a[x])":                   `"x" is no index`,
		"table(.a)":                     "a name is expected",
		"table(jobId:sort=x)":           "no place in the order",
		"json[x]":                       `attribute "x" is not supported for json`,
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestTextsReadBackFromYAMLAsTheyWere(t *testing.T) {
	f, _ := Parse("yaml")
	for _, s := range []string{"", "2", "1.0", "true", "no", "null", "~", "a: b", "- x", "#c", "x #y", " lead", "trail ", "a\nb", "a\n", "\n", "a\n\n b", "tab\there", "\x00", "ä€😀", "2026-01-02", "2026-01-02T03:04:05Z", "'", `"`, "{}", "[1]", "*a", "&a", "!x", "%x", "@x", "a\r\nb", "0x10", "1e3", "353dd8be", "0b111111", "12345678", "1e345678", "2026-11-25T13:26:03+0000", ".inf", "=", "<<", strings.Repeat("long ", 60)} {
		var b bytes.Buffer
		if err := f.PrintOne(&b, map[string]any{"k": s}); err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if got := readYAML(t, b.Bytes())["k"]; got != s {
			t.Errorf("%q reads back as %q from %q", s, got, b.String())
		}
	}
}

func FuzzParse(f *testing.F) {
	r, docs := load(f)
	for text := range r.Cases {
		f.Add(strings.TrimPrefix(text, "1:"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := parsed.Print(&b, docs); err != nil {
			t.Errorf("Parse(%q) took it and printing gave %v", text, err)
		}
		for _, c := range parsed.columns {
			s := &Scanner{Text: c.path.String(), What: "path"}
			again, err := s.Path()
			if err != nil || !s.End() || !cmp.Equal(again, c.path) {
				t.Errorf("path %q of %q reads back as %v, %v", c.path, text, again, err)
			}
		}
	})
}
