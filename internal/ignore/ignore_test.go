package ignore

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// verdicts walks a tree as packing does: what lies in a folder that is left out
// is not looked at.
func verdicts(t testing.TB, r *Rules, dir, rel string) map[string]Verdict {
	t.Helper()
	all := map[string]Verdict{}
	entries, err := os.ReadDir(filepath.Join(dir, rel))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(rel, e.Name())
		v := r.Match(e.Name(), e.IsDir())
		all[path] = v
		if e.IsDir() && !v.Out {
			below, err := r.In(filepath.Join(dir, path))
			if err != nil {
				t.Fatal(err)
			}
			for p, v := range verdicts(t, below, dir, path) {
				all[p] = v
			}
		}
	}
	return all
}

func TestWhoDecides(t *testing.T) {
	top := t.TempDir()
	write(t, top, map[string]string{
		".git/info/exclude":              "excluded.txt\n",
		".gitignore":                     "*.csv\n/pkg/secret.py\nmodels/\n",
		"pkg/.gitignore":                 "!keep.csv\n*.log\n",
		"pkg/data/.trainyardignore":      "!*.csv\nscratch.csv\n",
		"pkg/.trainyardignore":           "!models/\n!__pycache__/\nbig/\n",
		"pkg/keep.csv":                   "",
		"pkg/a.csv":                      "",
		"pkg/secret.py":                  "",
		"pkg/excluded.txt":               "",
		"pkg/run.log":                    "",
		"pkg/task.py":                    "",
		"pkg/task.pyc":                   "",
		"pkg/data/b.csv":                 "",
		"pkg/data/scratch.csv":           "",
		"pkg/models/m.bin":               "",
		"pkg/__pycache__/task.pyc":       "",
		"pkg/big/x":                      "",
		"pkg/env/pyvenv.cfg":             "",
		"pkg/.ipynb_checkpoints/a.ipynb": "",
	})
	r, err := Open(filepath.Join(top, "pkg"))
	if err != nil {
		t.Fatal(err)
	}
	got := verdicts(t, r, filepath.Join(top, "pkg"), "")
	for path, by := range map[string]string{
		"a.csv":                "out ../.gitignore:1: *.csv",
		"keep.csv":             "in pkg/.gitignore:1: !keep.csv",
		"secret.py":            "out .gitignore:2: /pkg/secret.py",
		"excluded.txt":         "out .git/info/exclude:1: excluded.txt",
		"run.log":              "out pkg/.gitignore:2: *.log",
		"task.py":              "in ",
		"task.pyc":             "out never code: *.py[co]",
		"data/b.csv":           "in pkg/data/.trainyardignore:1: !*.csv",
		"data/scratch.csv":     "out pkg/data/.trainyardignore:2: scratch.csv",
		"models":               "in pkg/.trainyardignore:1: !models/",
		"models/m.bin":         "in ",
		"__pycache__":          "in pkg/.trainyardignore:2: !__pycache__/",
		"__pycache__/task.pyc": "out never code: *.py[co]",
		"big":                  "out pkg/.trainyardignore:3: big/",
		"env":                  "out a virtual environment",
		".ipynb_checkpoints":   "out never code: .ipynb_checkpoints/",
	} {
		v, ok := got[path]
		is := "in " + v.By
		if v.Out {
			is = "out " + v.By
		}
		if want := strings.ReplaceAll(by, "../", ""); !ok || is != want {
			t.Errorf("%s is %q, want %q", path, is, want)
		}
	}
	if _, ok := got["big/x"]; ok {
		t.Error("a folder that is left out was looked into")
	}
}

// TestWorkTreesOfGit have a file where others have a folder.
func TestWorkTreesOfGit(t *testing.T) {
	top := t.TempDir()
	write(t, top, map[string]string{".git": "gitdir: /elsewhere\n", ".gitignore": "*.csv\n", "pkg/a.csv": ""})
	r, err := Open(filepath.Join(top, "pkg"))
	if err != nil || !r.Match("a.csv", false).Out {
		t.Errorf("%v", err)
	}
}

func TestGcloudignoreTakesTheirPlace(t *testing.T) {
	for include, out := range map[string]bool{"": false, "#!include:.gitignore\n": true} {
		top := t.TempDir()
		write(t, top, map[string]string{".gitignore": "*.csv\n", ".gcloudignore": include + "*.log\n", "pkg/.gitignore": "*.txt", "pkg/a.csv": "", "pkg/a.log": "", "pkg/a.txt": ""})
		r, err := Open(filepath.Join(top, "pkg"))
		if err != nil {
			t.Fatal(err)
		}
		if !r.Match("a.log", false).Out || r.Match("a.csv", false).Out != out || r.Match("a.txt", false).Out {
			t.Errorf("with %q: log %v, csv %v, txt %v", include, r.Match("a.log", false), r.Match("a.csv", false), r.Match("a.txt", false))
		}
	}
}

// against compares every path of a repository with what git says of it.
func against(t *testing.T, git, dir string) {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	mine := verdicts(t, r, dir, "")
	var ask bytes.Buffer
	for path := range mine {
		if !strings.HasPrefix(path, ".git") {
			ask.WriteString(path + "\x00")
		}
	}
	cmd := exec.Command(git, "check-ignore", "--no-index", "-v", "-n", "-z", "--stdin")
	cmd.Dir, cmd.Stdin = dir, &ask
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, _ := cmd.Output() // 1 where nothing is left out
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(fields)%4 != 0 {
		t.Fatalf("git check-ignore says %q", out)
	}
	for i := 0; i < len(fields); i += 4 {
		pattern, path := fields[i+2], fields[i+3]
		want := pattern != "" && !strings.HasPrefix(pattern, "!")
		if v := mine[path]; v.Out != want && !v.Default {
			rules, _ := os.ReadFile(filepath.Join(dir, ".gitignore"))
			t.Errorf("%q: out %t by %q; git: %t by %q\n%q", path, v.Out, v.By, want, pattern, rules)
		}
	}
}

var pieces = []string{"a", "b", "ab", "x.py", "*", "**", "***", "?", "/", "/", "[ab]", "[!a]", "[^b]", "[a-c]", "[[:alpha:]]", "[]a]", "[", "\\a", "\\*", " ", "\\ ", "!", "#", ".", "é", "[a-", "\\", "[[:x:]]", "[a\\]]", "[[:alpha]"}

// randomTree makes a repository of a few names with patterns made of pieces.
func randomTree(t *testing.T, dir string, rnd *rand.Rand) {
	folders := []string{"a", "b", "ab", "c"}
	names := []string{"y", "ba", "x.py", "a b", "#", "!a", "é", "[a", "a*", "aab"}
	var rules strings.Builder
	for range 1 + rnd.IntN(5) {
		if rnd.IntN(4) == 0 {
			rules.WriteString("!")
		}
		for range 1 + rnd.IntN(5) {
			rules.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		rules.WriteString([]string{"\n", "\n", "\r\n", " \n", "/\n"}[rnd.IntN(5)])
	}
	files := map[string]string{".gitignore": rules.String()}
	for range 12 {
		p := names[rnd.IntN(len(names))]
		for range rnd.IntN(4) {
			p = filepath.Join(folders[rnd.IntN(len(folders))], p)
		}
		files[p] = ""
	}
	if rnd.IntN(3) == 0 {
		files["a/.gitignore"] = pieces[rnd.IntN(len(pieces))] + pieces[rnd.IntN(len(pieces))] + "\n!" + pieces[rnd.IntN(len(pieces))] + "\n"
	}
	write(t, dir, files)
}

// TestAgainstGit holds what is decided against git's own word, on random trees.
func TestAgainstGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("SKIPPED: no git")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 150 {
		dir := t.TempDir()
		// The least that git takes for a repository: git init takes longer.
		write(t, dir, map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/config": "[core]\n\tbare = false\n", ".git/objects/x": "", ".git/refs/x": ""})
		randomTree(t, dir, rnd)
		against(t, git, dir)
		if t.Failed() {
			t.Fatalf("tree %d", i)
		}
	}
}

func FuzzPatterns(f *testing.F) {
	f.Add("*.csv\n!a.csv\n/x/**/y[a-z]\\ \n", "x/b/yq")
	f.Add("[[:alpha:]", "a")
	f.Add(strings.Repeat("*a", 12), strings.Repeat("a", 30))
	f.Fuzz(func(t *testing.T, rules, path string) {
		for _, p := range parseFile([]byte(rules)) { // it ends, and breaks nothing
			p.matches(path, true)
		}
	})
}

// TestManyStarsEnd: a pattern cannot keep us busy.
func TestManyStarsEnd(t *testing.T) {
	p, _ := parse(strings.Repeat("*a", 40)+"b", 1)
	if p.matches(strings.Repeat("a", 250), false) {
		t.Error("it does not end in b")
	}
}
