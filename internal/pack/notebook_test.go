package pack

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// notebookOf makes a notebook of code cells.
func notebookOf(t testing.TB, cells ...string) []byte {
	t.Helper()
	type cell struct {
		Type   string `json:"cell_type"`
		Source string `json:"source"`
	}
	var doc struct {
		Cells []cell `json:"cells"`
	}
	for _, c := range cells {
		doc.Cells = append(doc.Cells, cell{"code", c})
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestANotebookRunsAsAScript: what a notebook's shell does is left out, and what
// looks like it within a statement is Python.
func TestANotebookRunsAsAScript(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 on PATH")
	}
	var r Result
	code, requires, err := r.notebook("n.ipynb", notebookOf(t,
		"!pip install -qU six==1.16.0 'toolz>=0.12' -r more.txt\n%pip install six==1.16.0 \"more-itertools[x]\"",
		"!{sys.executable} -m pip install \\\n   attrs\n!pip3 uninstall -y six",
		"\n%%time\ntext = '''\n%s of a text\n!'''\nn = (7\n     % 4)\nm = 7 \\\n  % 4\none = 'it\\'s \\\n% 3'",
		"# of Colab\n%%bash\necho $(( 1 ))",
		"files = !ls\nn?\n??n\nfor i in range(2):\n    !nvidia-smi  # why?\n    %time last = i\n%matplotlib inline",
		"# how is that?\nwhy = 'how?'  # ?\nassert n == m == 3 and last == 1, (n, m, last)\nassert text == '\\n%s of a text\\n!' and one == \"it's % 3\", (text, one)\ndisplay(n)",
	))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"six==1.16.0", "toolz>=0.12", "more-itertools[x]", "attrs"}; !slices.Equal(requires, want) {
		t.Errorf("it requires %q, want %q", requires, want)
	}
	out, err := exec.Command(python, "-c", string(code)).CombinedOutput()
	if err != nil || string(out) != "3\n" {
		t.Errorf("%v\n%s\nfrom\n%s", err, out, code)
	}
	if n := len(r.Warnings); n != 8 {
		t.Errorf("%d warnings: %q", n, r.Warnings)
	}
}

// TestPythonStaysAsItIs puts the standard library into notebooks.
func TestPythonStaysAsItIs(t *testing.T) {
	out, err := exec.Command("python3", "-c", "import os; print(os.path.dirname(os.__file__))").Output()
	if err != nil {
		t.Skip("SKIPPED: no python3 on PATH")
	}
	top, seen := strings.TrimSpace(string(out)), 0
	err = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() && strings.HasSuffix(path, "-packages") {
			return filepath.SkipDir
		}
		code, _ := os.ReadFile(path)
		if filepath.Ext(path) != ".py" || !utf8.Valid(code) || strings.TrimSpace(string(code)) == "" || strings.Contains(path, "bad") {
			return nil
		}
		seen++
		var r Result
		got, _, err := r.notebook(path, notebookOf(t, string(code)))
		if err != nil || !strings.HasSuffix(strings.TrimSpace(string(got)), strings.TrimSpace(string(code))) || len(r.Warnings) > 0 {
			t.Errorf("%s became something else: %v %q", path, err, r.Warnings)
		}
		return nil
	})
	if err != nil || seen < 100 {
		t.Errorf("%d files seen, %v", seen, err)
	}
}

func FuzzNotebook(f *testing.F) {
	f.Add(notebookOf(f, "%%time\nx = 1", "!pip install six \\\n toolz", "x?", "'''", "\\"))
	f.Add([]byte(`{"worksheets": [{"cells": [{"cell_type": "code", "input": ["print 1\n"]}]}], "nbformat": 3}`))
	f.Add([]byte(`{"cells": [{"cell_type": "code", "source": 1}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Result
		code, requires, err := r.notebook("n.ipynb", b)
		if err == nil && strings.TrimSpace(string(code)) == "" {
			t.Errorf("nothing came of %q", b)
		}
		for _, q := range requires {
			if !requirement.MatchString(q) {
				t.Errorf("%q is no requirement", q)
			}
		}
	})
}
