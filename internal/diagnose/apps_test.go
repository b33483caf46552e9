package diagnose

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// elsewhere are the causes that other tests make happen.
var elsewhere = []string{"lost", "idle", "python-version", "no-wheel", "conflict", "no-version", "index-denied", "index-unreachable", "hash", "damaged-package", "build-file-missing",
	"install-disk-full", "build-import", "build-failed", "package-fetch", "gcloud-package"}

func TestEveryCauseIsFoundInARealFailure(t *testing.T) {
	dirs, err := os.ReadDir("testdata/apps")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range dirs {
		a := readApp(t, d.Name())
		seen[a.cause] = true
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			f := a.run(t)
			d := Of(f)
			if d.Cause != a.cause || d.Text != a.says || d.Where.String() != a.at {
				t.Errorf("cause %q, want %q\ntext %q\nwant %q\nat   %q\nwant %q\nof %+v", d.Cause, a.cause, d.Text, a.says, d.Where, a.at, f.Replica.Exit)
			}
			if inGroup(d.Cause, "Several replicas") && !Echo(f.Replica) {
				t.Errorf("%s is not taken for the echo of another replica's end: %+v", d.Cause, f.Replica.Exit)
			}
			if handled := handledLater(f); handled != nil {
				if d := Of(*handled); d.Cause != "" || d.Where.File != "" {
					t.Errorf("handled, and the program went on: cause %q at %s", d.Cause, d.Where)
				}
			}
			if a.cause != "" && (strings.Contains(d.Text+d.Hint, "${") || strings.Contains(d.Text, "  ")) {
				t.Errorf("text %q, hint %q", d.Text, d.Hint)
			}
		})
	}
	for _, c := range catalogue() {
		if !seen[c.Name] && !slices.Contains(elsewhere, c.Name) {
			t.Errorf("no app fails by the cause %s", c.Name)
		}
	}
}

func inGroup(name, group string) bool {
	return slices.ContainsFunc(catalogue(), func(c cause) bool { return c.Name == name && c.Group == group })
}

// handledLater is a failure whose exception the program caught and logged, to
// go on and end for another reason; nil where no exception ended it.
func handledLater(f Failure) *Failure {
	if f.Replica.Exit.Traceback == "" {
		return nil
	}
	e := *f.Replica.Exit
	e.Uncaught, e.AfterTraceback = false, 3
	e.Tail = append(slices.Clone(e.Tail), "step 100 loss 0.3", "step 200 loss 0.2", "evaluation: the model is worse than the last one")
	f.Replica.Exit = &e
	return &f
}

func TestTheCatalogueIsWhole(t *testing.T) {
	names := map[string]bool{}
	for _, c := range catalogue() {
		if c.Name == "" || c.Group == "" || c.Title == "" || c.Text == "" || names[c.Name] {
			t.Errorf("incomplete, or twice: %+v", c)
		}
		names[c.Name] = true
		if c.Exception == "" && c.Last == "" && c.Output == "" && c.Signal == "" && !c.Lost && !c.Memory && !c.Overtime {
			t.Errorf("%s fits everything", c.Name)
		}
	}
	if len(names) < 40 {
		t.Errorf("only %d causes", len(names))
	}
	if _, err := read([]byte("- {name: x, nonsense: 1}")); err == nil {
		t.Error("an unknown field passes")
	}
	if _, err := read([]byte("- {name: x, exception: '('}")); err == nil {
		t.Error("a wrong pattern passes")
	}
}
