package diagnose

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the guide's list of causes")

const (
	guide = "../../docs/guide/failures.md"
	begin = "<!-- from internal/diagnose/causes.yaml; go test ./internal/diagnose -run Guide -update writes it -->\n"
)

// TestTheGuideHasEveryCause keeps the list in the guide the catalogue's own.
func TestTheGuideHasEveryCause(t *testing.T) {
	b, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	text, got, ok := strings.Cut(string(b), begin)
	if !ok {
		t.Fatalf("%s has no line %q", guide, begin)
	}
	want := list(catalogue())
	if *update {
		if err := os.WriteFile(guide, []byte(text+begin+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s is not the catalogue's list; -update writes it", guide)
	}
}

func list(causes []cause) string {
	var groups []string
	rows := map[string]string{}
	example := func(text string) string {
		text = variableOf.ReplaceAllStringFunc(text, func(p string) string {
			name := p[2 : len(p)-1]
			if other := map[string]string{"missing": "module", "own": "package", "distribution": "name"}[name]; other != "" {
				name = other
			}
			return strings.ToUpper(name)
		})
		return strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;", "\n", " ").Replace(text)
	}
	for _, c := range causes {
		if !slices.Contains(groups, c.Group) {
			groups = append(groups, c.Group)
		}
		rows[c.Group] += fmt.Sprintf("| %s | %s |\n", example(c.Title), example(c.Hint))
	}
	slices.Sort(groups)
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "\n### %s\n\n| what happened | what to do |\n| --- | --- |\n%s", g, rows[g])
	}
	return b.String()
}
