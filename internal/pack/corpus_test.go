package pack_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pack"
	"github.com/trainyard/trainyard/internal/pyenv"
)

var update = flag.Bool("update", false, "write what comes of the corpus into it")

// uvDir is where uv was fetched to; TestMain removes it.
var uvDir string

// uvVariable tells programs that a test starts where uv is.
const uvVariable = "PACK_TEST_UV"

var uvOnce = sync.OnceValues(func() (_ string, err error) {
	if path := os.Getenv(uvVariable); path != "" {
		return path, nil
	}
	if uvDir, err = os.MkdirTemp("", "trainyard-uv-"); err != nil {
		return "", err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	c, err := pyenv.Open(uvDir, pyenv.Options{Environ: os.Environ(), Index: pyenv.IndexFrom(os.Environ(), home), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	path, err := c.UV(context.Background())
	if err != nil {
		return "", err
	}
	return path, os.Setenv(uvVariable, path)
})

func uv(context.Context) (string, error) { return uvOnce() }

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCorpus packs small projects as people have them: their files, and in
// "want" what comes of it: the files of the archive, what is left out and why,
// the entry module, warnings, or the error and its hint. TOP stands for the
// project's folder. The lines above the files say what is packed (path,
// module), what a file cannot say (link, size, mode, raw), and what it needs.
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
			o, want := pack.Options{Path: "trainer"}, ""
			var after []func()
			for line := range strings.Lines(string(a.Comment)) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				name, value2, _ := strings.Cut(value, " ")
				file := filepath.Join(top, name)
				switch key {
				case "path":
					o.Path = value
				case "module":
					o.Module = value
				case "link":
					to, _ := strings.CutPrefix(value2, "-> ")
					after = append(after, func() { try(t, os.Symlink(to, file)) })
				case "size": // of a sparse file
					n, err := strconv.ParseInt(value2, 0, 64)
					try(t, err)
					after = append(after, func() { try(t, os.WriteFile(file, nil, 0o644)); try(t, os.Truncate(file, n)) })
				case "raw": // a name that is not text
					raw, err := strconv.Unquote(`"` + name + `"`)
					try(t, err)
					after = append(after, func() { try(t, os.WriteFile(filepath.Join(top, raw), nil, 0o644)) })
				case "needs":
					switch {
					case value == "uv":
						o.UV = uv
					case value == "git":
						if _, err := exec.LookPath("git"); err != nil {
							t.Skip("SKIPPED: no git on PATH")
						}
					case exec.Command("python3", "-c", "import "+value).Run() != nil:
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
				try(t, os.MkdirAll(filepath.Dir(p), 0o755))
				try(t, os.WriteFile(p, f.Data, 0o644))
			}
			for _, fn := range after {
				fn()
			}
			o.Path = strings.ReplaceAll(o.Path, "TOP", top)
			if !strings.Contains(o.Path, ":") && !filepath.IsAbs(o.Path) {
				o.Path = filepath.Join(top, o.Path)
			}
			got := strings.ReplaceAll(outcome(t, o), top, "TOP")
			if *update && !matches(got, want) {
				for i := range a.Files {
					if a.Files[i].Name == "want" {
						a.Files[i].Data = []byte(got)
					}
				}
				try(t, os.WriteFile(path, txtar.Format(a), 0o644))
				return
			}
			if !matches(got, want) {
				t.Errorf("came out as\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// matches compares texts; [...] stands for what a tool says there.
func matches(got, want string) bool {
	return regexp.MustCompile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(want), `\[\.\.\.\]`, `.*`) + `\z`).MatchString(got)
}

func outcome(t *testing.T, o pack.Options) string {
	t.Helper()
	var b strings.Builder
	failed := func(err error) string {
		fmt.Fprintf(&b, "error: %s\n", err)
		if hint := fault.HintOf(err); hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", hint)
		}
		return b.String()
	}
	r, err := build(t, o)
	if err != nil {
		return failed(err)
	}
	for _, a := range r.Archives {
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
	if o.Module != "" {
		if err := r.CheckModule(o.Module); err != nil {
			return failed(err)
		}
		fmt.Fprintf(&b, "runs %s\n", o.Module)
		return b.String()
	}
	m, err := r.Entry(o.Path)
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
