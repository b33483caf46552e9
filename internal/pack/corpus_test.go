package pack_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pack"
)

// TestCorpus packs small projects as people have them: their files, and in
// "want" what comes of it: the files of the archive, what is left out and why,
// the entry module, warnings, or the error and its hint. TOP stands for the
// project's folder.
func TestCorpus(t *testing.T) {
	cases, err := filepath.Glob("testdata/corpus/*.txtar")
	if err != nil || len(cases) < 25 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			top, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			what, want := "trainer", ""
			for line := range strings.Lines(string(a.Comment)) {
				switch key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key {
				case "path":
					what = value
				case "link":
					from, to, _ := strings.Cut(value, " -> ")
					if err := os.MkdirAll(filepath.Dir(filepath.Join(top, from)), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.Symlink(to, filepath.Join(top, from)); err != nil {
						t.Fatal(err)
					}
				case "needs":
					if exec.Command("python3", "-c", "import "+value).Run() != nil {
						t.Skipf("SKIPPED: python3 has no %s", value)
					}
				}
			}
			for _, f := range a.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				p := filepath.Join(top, f.Name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := strings.ReplaceAll(outcome(t, filepath.Join(top, what)), top, "TOP")
			if got != want {
				t.Errorf("came out as\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func outcome(t *testing.T, path string) string {
	t.Helper()
	var b strings.Builder
	failed := func(err error) string {
		fmt.Fprintf(&b, "error: %s\n", err)
		if hint := fault.HintOf(err); hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", hint)
		}
		return b.String()
	}
	r, err := build(t, pack.Options{Path: path})
	if err != nil {
		return failed(err)
	}
	var archives []string
	for _, a := range r.Archives {
		archives = append(archives, a.Path)
		for _, f := range a.Files {
			fmt.Fprintf(&b, "%s\n", f.Path)
		}
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "out: %s (%s)\n", s.Path, s.Why)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	m, err := pack.Entry(archives, path)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(&b, "runs %s\n", m)
	return b.String()
}

// TestRequirementsGoIntoTheArchive: they are what its installation will fetch.
func TestRequirementsGoIntoTheArchive(t *testing.T) {
	script := "# /// script\n# requires-python = \">=3.8\"\n# dependencies = [\n#   \"six>=1\",\n#   'tqdm ; python_version > \"3\"',\n# ]\n# ///\nimport six\n"
	for path, dir := range map[string]string{
		"train.py": tree(t, "train.py", script, "requirements.txt", "not-this-one\n"),
		"trainer":  tree(t, "trainer/__init__.py", "", "requirements.txt", "six>=1\ntqdm ; python_version > \"3\"\n"),
	} {
		a := mustBuild(t, pack.Options{Path: filepath.Join(dir, path)}).Archives[0]
		out, err := exec.Command("tar", "-xzOf", a.Path, a.Files[0].Path, a.Files[1].Path).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nRequires-Dist: six>=1\nRequires-Dist: tqdm ; python_version > \"3\"\n", "    install_requires=[\n        'six>=1',\n        'tqdm ; python_version > \"3\"',\n    ],\n"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: no %q in\n%s", path, want, out)
			}
		}
	}
}

// FuzzRequirements: a requirements.txt may hold anything, and what is taken of
// it is a line of metadata each.
func FuzzRequirements(f *testing.F) {
	f.Add("six==1.0 \\\n --hash=sha256:00 # x\n-r other\n--index-url x\n[bad]\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "-r") {
			return
		}
		dir := tree(t, "trainer/__init__.py", "", "requirements.txt", text)
		r, err := build(t, pack.Options{Path: filepath.Join(dir, "trainer")})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("tar", "-xzOf", r.Archives[0].Path, "trainer-0.0.0/PKG-INFO").Output()
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
			if i >= 4 && !strings.HasPrefix(line, "Requires-Dist: ") {
				t.Errorf("line %q from %q", line, text)
			}
		}
	})
}
