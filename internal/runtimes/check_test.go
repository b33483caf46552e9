package runtimes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

var now = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

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
		{name: "Google's runtime", runtime: "2.11", python: "3.7", have: all, want: "3.7.16"},
		{name: "Google's runtime, no Python named", runtime: "1.15", have: all, want: "3.7.16"},
		{name: "2.10 is not 2.1", runtime: "2.10", have: all, want: "3.7.16"},
		{name: "of a runtime's Pythons the best that is there", runtime: "2026.11-sklearn", have: all, want: "3.13.0"},
		{name: "a Python as a runtime", runtime: "python3.10", have: all, want: "3.10.13"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Catalogue.Choose(Catalogue{}, Ask{Runtime: tt.runtime, Python: tt.python, Now: now}, tt.have)
			if err != nil || got.Python != tt.want || (got.Runtime != nil) != (tt.runtime != "") || got.Runtime != nil && got.Runtime.Version != tt.runtime {
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
		{"unknown runtime names the known", "2.12", "3.7", "runtime_version", "Nearest here: 2.11, 2.10, 2026.11-tf2"},
		{"an old one", "1.9", "", "runtime_version", "Nearest here: 1.15, "},
		{"a name that is nearly one", "2026.11-skleran", "", "runtime_version", "Nearest here: 2026.11-sklearn"},
		{"a path", "../x", "", "runtime_version", "'../x' with"},
		{"its Python is missing", "2.11", "3.7", "runtime_version", "needs Python 3.7, which is not on this machine; there is Python 3.11.7"},
		{"the wrong Python for a runtime", "2.11", "3.11", "runtime_version", "Runtime version 2.11 has Python 3.7"},
		{"Python 2", "1.15", "2.7", "runtime_version", "has Python 3.7"},
		{"a Python that is missing", "", "3.8", "python_version", "'3.8' is not on this machine; there is Python 3.11.7"},
		{"3.1 is not 3.11", "", "3.1", "python_version", "'3.1' is not"},
		{"not a version", "", "three", "python_version", "'three'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Catalogue{}.Choose(Ask{Runtime: tt.runtime, Python: tt.python, Now: now}, have)
			e, ok := err.(*fault.Error)
			if !ok || e.Kind != fault.Invalid || len(e.Violations) != 1 || e.Violations[0].Field != tt.field || !strings.Contains(e.Msg, tt.text) || e.Hint == "" {
				t.Errorf("Check(%q, %q) = %#v; want %s with %q", tt.runtime, tt.python, err, tt.field, tt.text)
			}
		})
	}
	if _, err := (Catalogue{}).Choose(Ask{}, nil); !fault.Is(err, fault.Precondition) {
		t.Errorf("Check without any Python = %v, want precondition", err)
	}
}

func TestAPythonThatIsNotThereIsFetchedWhereThatIsAllowed(t *testing.T) {
	for _, tt := range []struct{ runtime, python, want, fetch string }{
		{"2.11", "", "", "3.7"},
		{"", "3.9", "", "3.9"},
		{"", "3.11", "3.11.7", ""},
		{"2026.11-tf2", "3.13", "", "3.13"},
	} {
		got, err := Catalogue{}.Choose(Ask{Runtime: tt.runtime, Python: tt.python, Now: now, Fetch: true}, []string{"3.11.7"})
		if err != nil || got.Python != tt.want || got.Fetch != tt.fetch {
			t.Errorf("Choose(%q, %q) = %+v, %v; want %+v", tt.runtime, tt.python, got, err, tt)
		}
	}
	for _, python := range []string{"2.7", "3.5", "3", "nonsense"} {
		if got, err := (Catalogue{}).Choose(Ask{Python: python, Now: now, Fetch: true}, []string{"3.14.1"}); err == nil {
			t.Errorf("Python %s: %+v, want it refused", python, got)
		}
	}
}

func TestOurFilesAreWhole(t *testing.T) {
	versions := Catalogue{}.Versions()
	for _, want := range []string{"1.15", "2.1", "2.10", "2.11", "2026.11-sklearn", "2026.11-tf2", "2026.11-torch", "2026.11-xgboost", "pytorch-cpu.1-4"} {
		if !slices.Contains(versions, want) {
			t.Errorf("there is no %s among %v", want, versions)
		}
	}
	for _, v := range versions {
		r, err := Catalogue{}.Get(v)
		if err != nil {
			t.Errorf("%s: %v", v, err)
			continue
		}
		if r.Title == "" || r.Download < 1<<20 || len(r.Packages) < 20 {
			t.Errorf("%s: title %q, %d bytes, %d packages: not locked", v, r.Title, r.Download, len(r.Packages))
		}
		for _, p := range r.Packages {
			if len(p.Hashes) == 0 {
				t.Errorf("%s: %s has no hash", v, p)
			}
		}
		for _, want := range r.Requires {
			if name, version, exact := strings.Cut(want, "=="); exact {
				if p, ok := r.Pin(name); !ok || p.Version != version {
					t.Errorf("%s asks for %s and is locked with %s", v, want, p)
				}
			}
		}
	}
}

func TestVersionsAreListedNewestFirst(t *testing.T) {
	list := Catalogue{}.Versions()
	at := func(v string) int { return slices.Index(list, v) }
	if at("2.11") > at("2.10") || at("2.10") > at("2.9") || at("2.1") > at("1.15") || at("2026.11-tf2") > at("2.11") {
		t.Errorf("order: %v", list)
	}
}

func TestASitesOwnFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("house.yaml", "version: house\npython: [\"3.11\"]\nrequires: [six]\ndeprecated: 2026-10\n")
	write("2.11.yaml", "version: \"2.11\"\npython: [\"3.11\"]\nrequires: [six]\n")
	write("old.yaml", "version: old\npython: [\"3.11\"]\nrequires: [six]\nends: 2026-11-24\n")
	c := Catalogue{Dir: dir, Default: "house"}
	if err := c.CheckDir(); err != nil {
		t.Fatal(err)
	}
	have := []string{"3.11.7", "3.7.16"}
	for _, tt := range []struct{ ask, python, want, runtime, warn string }{
		{"house", "", "3.11.7", "house", "deprecated since 2026-10"},
		{"2.11", "", "3.11.7", "2.11", ""},
		{"", "", "3.11.7", "house", "this server's default, house"},
		{"", "3.7", "3.7.16", "", ""}, // the default has no such Python
	} {
		got, err := c.Choose(Ask{Runtime: tt.ask, Python: tt.python, Now: now}, have)
		name := ""
		if got.Runtime != nil {
			name = got.Runtime.Version
		}
		if err != nil || got.Python != tt.want || name != tt.runtime || !strings.Contains(strings.Join(append(got.Notes, got.Warnings...), " "), tt.warn) {
			t.Errorf("Choose(%q, %q) = %+v, %v; want %+v", tt.ask, tt.python, got, err, tt)
		}
	}
	if _, err := c.Choose(Ask{Runtime: "old", Now: now}, have); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "ended on 2026-11-24") {
		t.Errorf("a version that has ended: %v", err)
	}
	for text, want := range map[string]string{
		"version: bad\npython: [3.11]\nrequires: [six]\nextra: 1\n":           "line 4: there is no field extra",
		"version: other\npython: [\"3.11\"]\nrequires: [six]\n":               "named after bad and says other",
		"version: bad\nrequires: [six]\n":                                     "python: none is named",
		"version: bad\npython: [\"3.11\"]\n":                                  "no package is named",
		"version: bad\npython: [\"3.11\"]\nrequires: [\"-r x\"]\n":            "is not a requirement",
		"version: bad\npython: [\"3.11\"]\nrequires: [six numpy]\n":           "is not a requirement",
		"version: bad\npython: 3.11\nrequires: [six]\n":                       "line 2: expected a list, found \"3.11\"",
		"version: bad\npython: [\"3.11\"]\npackages: [six]\n":                 "NAME==VERSION",
		"version: bad\npython: [\"3.11\"]\npackages: [\"six==1 md5:1\"]\n":    "sha256",
		"version: bad\npython: [\"three\"]\nrequires: [six]\n":                "not a line of Python",
		"version: bad\npython: [\"3.11\"]\nrequires: [six]\nends: tomorrow\n": "is not a date",
	} {
		write("bad.yaml", text)
		if err := c.CheckDir(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "bad.yaml") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	write("bad.yaml", "version: bad\npython: [\"3.11\"]\nrequires: [six, 'a[b,c] >=1', 'a==1; python_version<\"3.12\"', a @ https://h/a.whl, https://h/b.whl, git+https://h/c.git, ./d.whl, 'e (>1)', ' f~=2']\n")
	if err := c.CheckDir(); err != nil {
		t.Error(err)
	}
	_ = os.Remove(filepath.Join(dir, "bad.yaml"))
	c.Default = "hause"
	if err := c.CheckDir(); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.HintOf(err), "house") {
		t.Errorf("a default that is not there: %v (%s)", err, fault.HintOf(err))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("version: a\npython: [\"3.11\"]\nrequires: [six]\npackages: [six==1.17.0]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b, "x.yaml")
		if err == nil && (r.Version == "" || len(r.Python) == 0 || r.Bare()) {
			t.Errorf("%q was read as %+v", b, r)
		}
	})
}

func FuzzCheckNeverPanics(f *testing.F) {
	f.Add("2.11", "3.7", "3.7.16")
	f.Add("", "3", "3.14.0")
	f.Fuzz(func(t *testing.T, runtime, python, have string) {
		if c, err := Catalogue.Choose(Catalogue{}, Ask{Runtime: runtime, Python: python, Now: now}, []string{have}); err == nil && c.Python != have {
			t.Errorf("Check(%q, %q, %q) chose %q", runtime, python, have, c.Python)
		}
	})
}
