package fault_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestYAMLText(t *testing.T) {
	for text, want := range map[string]string{
		"name: x\nlist: 3.12\n":         `line 2: expected a list, found "3.12"`,
		"name: x\nnme: y\n":             "line 2: there is no field nme",
		"name: [x]\n":                   "line 1: expected text, found a list",
		"price: dear\n":                 `line 1: expected a number, found "dear"`,
		"deep: 3\n":                     `line 1: expected fields, found "3"`,
		"count: many\n":                 `line 1: expected a whole number, found "many"`,
		"on: maybe\n":                   `line 1: expected true or false, found "maybe"`,
		"deep:\n\tname: x\n":            "line 2: it is indented by a tab; YAML takes spaces only",
		"name: x\n\tlist: []\n":         "line 2: it is indented by a tab; YAML takes spaces only",
		"deep:\n  name: x\n\t  name: y": "line 3: it is indented by a tab; YAML takes spaces only",
		"name: [\n":                     "line 1: did not find expected node content",
	} {
		var v struct {
			Name  string
			List  []string
			Price *float64
			Count int
			On    bool
			Deep  struct{ Name string }
		}
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		err := d.Decode(&v)
		if err == nil {
			t.Errorf("%q is fine", text)
			continue
		}
		if got := fault.YAMLText(err, []byte(text)); got != want {
			t.Errorf("%q: %q, want %q; the library says %q", text, got, want, err)
		}
	}
}

func FuzzYAMLText(f *testing.F) {
	f.Add("a:\n\tb: c")
	f.Add("\t")
	f.Fuzz(func(t *testing.T, text string) {
		if err := yaml.Unmarshal([]byte(text), new(struct{ A []string })); err != nil && fault.YAMLText(err, []byte(text)) == "" {
			t.Errorf("nothing is said of %q", err)
		}
	})
}
