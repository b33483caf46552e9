package check

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestFindings reads one small project per case: its files are what an sdist
// holds, tree/ is what else lies in the user's folder, and findings is what is
// to be said, a line each, "!" before the certain ones.
func TestFindings(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3")
	}
	own, err := scan(t.Context(), Options{Python: python}, code{}, false)
	if err != nil {
		t.Fatal(err)
	}
	reader := own.Reader
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) < 20 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Module: "trainer.task", Python: python, JobDir: true, Folders: []string{t.TempDir()}}
			var want []string
			var members []txtar.File
			for _, f := range a.Files {
				switch rest, tree := strings.CutPrefix(f.Name, "tree/"); {
				case f.Name == "findings":
					want = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
					if len(want) == 1 && want[0] == "" {
						want = nil
					}
				case tree:
					to := filepath.Join(o.Folders[0], rest)
					if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(to, f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				default:
					members = append(members, f)
				}
			}
			for line := range strings.Lines(string(a.Comment)) {
				switch key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key {
				case "module":
					o.Module = value
				case "runtime":
					o.Runtime = strings.Fields(value)
				case "python":
					if value == "own" {
						o.Version = reader
						break
					}
					o.Version = []int{int(value[0] - '0'), int(value[2] - '0')}
				case "left out":
					path, why, _ := strings.Cut(value, " ")
					if o.LeftOut == nil {
						o.LeftOut = map[string]string{}
					}
					o.LeftOut[path] = why
				case "more":
					o.More = true
				}
			}
			o.Archives = []string{sdist(t, members)}
			found, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], "Python PY ", "Python "+version(reader)+" ")
			}
			var got []string
			for _, f := range found {
				line := f.String()
				if f.Certain {
					line = "! " + line
				}
				if f.Hint != "" {
					line += " => " + strings.ReplaceAll(f.Hint, o.Folders[0], "TREE")
				}
				got = append(got, line)
			}
			if !slices.Equal(got, want) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func sdist(t testing.TB, members []txtar.File) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range members {
		if err := w.WriteHeader(&tar.Header{Name: "app-1.0/" + f.Name, Mode: 0o644, Size: int64(len(f.Data)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "app-1.0.tar.gz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNothingIsRun: the code is read, not imported, and modules beside us are
// not taken for the standard library's.
func TestNothingIsRun(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	mark := filepath.Join(dir, "ran")
	evil := []byte("open(" + `"` + mark + `"` + ", 'w')\n")
	if err := os.WriteFile("ast.py", evil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONPATH", dir)
	a := sdist(t, []txtar.File{{Name: "trainer/__init__.py", Data: evil}, {Name: "trainer/task.py", Data: evil}})
	if _, err := Run(t.Context(), Options{Archives: []string{a}, Module: "trainer.task", Python: python}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the user's code was run")
	}
}
