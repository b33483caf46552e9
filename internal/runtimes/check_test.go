package runtimes

import (
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestCheckChoosesThePython(t *testing.T) {
	all := []string{"2.7.18", "3.13.0", "3.7.16", "3.14.1", "3.6.15", "3.11.7", "3.11.2", "3.10.13", "junk"}
	for _, tt := range []struct {
		name, runtime, python string
		have                  []string
		want                  string
		warn, note            string
	}{
		{name: "nothing asked: newest that wheels serve, and said so", have: all, want: "3.13.0", note: "the job gets Python 3.13.0"},
		{name: "nothing asked, only a newer one: taken, with a warning", have: []string{"3.14.1", "3.15.0"}, want: "3.14.1", warn: "newer than"},
		{name: "a line", python: "3.11", have: all, want: "3.11.7"},
		{name: "a whole version", python: "3.11.2", have: all, want: "3.11.2"},
		{name: "a line beyond the cap, asked for", python: "3.14", have: all, want: "3.14.1"},
		{name: "a major version", python: "3", have: all, want: "3.13.0"},
		{name: "Google's runtime", runtime: "2.11", python: "3.7", have: all, want: "3.7.16", warn: "tensorflow 2.11.0"},
		{name: "Google's runtime, no Python named", runtime: "1.15", have: all, want: "3.7.16", warn: "not installed yet"},
		{name: "2.10 is not 2.1", runtime: "2.10", have: all, want: "3.7.16", warn: "2.10.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Check(tt.runtime, tt.python, tt.have)
			if err != nil || got.Python != tt.want || got.Runtime != tt.runtime {
				t.Fatalf("Check(%q, %q) = %+v, %v; want Python %s", tt.runtime, tt.python, got, err, tt.want)
			}
			if w := strings.Join(got.Warnings, " "); (w == "") != (tt.warn == "") || !strings.Contains(w, tt.warn) {
				t.Errorf("Check(%q, %q) warns %q, want %q", tt.runtime, tt.python, w, tt.warn)
			}
			if n := strings.Join(got.Notes, " "); (n == "") != (tt.note == "") || !strings.Contains(n, tt.note) {
				t.Errorf("Check(%q, %q) notes %q, want %q", tt.runtime, tt.python, n, tt.note)
			}
			if !strings.HasPrefix(got.Python, got.Line()+".") || strings.Count(got.Line(), ".") != 1 {
				t.Errorf("the line of %s is %q", got.Python, got.Line())
			}
		})
	}
}

func TestCheckRefusesWithWhatIsThere(t *testing.T) {
	have := []string{"3.11.7"}
	for _, tt := range []struct{ name, runtime, python, field, text string }{
		{"unknown runtime", "1.9", "", "runtime_version", "The specified runtime version '1.9' with the Python version '' is not supported or is deprecated.  Please"},
		{"unknown runtime names the known", "2.12", "3.7", "runtime_version", "2.10, 2.11; there is Python 3.11.7"},
		{"its Python is missing", "2.11", "3.7", "runtime_version", "needs Python 3.7, which is not on this machine; there is Python 3.11.7"},
		{"the wrong Python for a runtime", "2.11", "3.11", "runtime_version", "Runtime version 2.11 has Python 3.7"},
		{"Python 2", "1.15", "2.7", "runtime_version", "has Python 3.7"},
		{"a Python that is missing", "", "3.8", "python_version", "'3.8' is not on this machine; there is Python 3.11.7"},
		{"3.1 is not 3.11", "", "3.1", "python_version", "'3.1' is not"},
		{"not a version", "", "three", "python_version", "'three'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Check(tt.runtime, tt.python, have)
			e, ok := err.(*fault.Error)
			if !ok || e.Kind != fault.Invalid || len(e.Violations) != 1 || e.Violations[0].Field != tt.field || !strings.Contains(e.Msg, tt.text) || e.Hint == "" {
				t.Errorf("Check(%q, %q) = %#v; want %s with %q", tt.runtime, tt.python, err, tt.field, tt.text)
			}
		})
	}
	if _, err := Check("", "", nil); !fault.Is(err, fault.Precondition) {
		t.Errorf("Check without any Python = %v, want precondition", err)
	}
}

func FuzzCheckNeverPanics(f *testing.F) {
	f.Add("2.11", "3.7", "3.7.16")
	f.Add("", "3", "3.14.0")
	f.Fuzz(func(t *testing.T, runtime, python, have string) {
		if c, err := Check(runtime, python, []string{have}); err == nil && c.Python != have {
			t.Errorf("Check(%q, %q, %q) chose %q", runtime, python, have, c.Python)
		}
	})
}
