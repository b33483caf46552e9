package main

import (
	"archive/zip"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/trainyard/trainyard/internal/pyenv"
)

// TestIndexPasswordsAreNowhere runs a job whose packages come from an index
// with a password, and one whose index refuses it, and looks for the password
// in what users see, in all that is on the disk, the database too, and in the
// arguments of every process of the yard.
func TestIndexPasswordsAreNowhere(t *testing.T) {
	const password = "open/sesame-4711"
	var mu sync.Mutex
	var argv strings.Builder
	var y *yard
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock() // the installer waits for us: now is the time to look at it
		for _, pid := range processesOf(y.dir) {
			b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
			argv.Write(b)
		}
		mu.Unlock()
		if _, got, _ := r.BasicAuth(); got != password || strings.Contains(r.URL.Path, "forbidden") {
			http.Error(w, "not with "+got, http.StatusUnauthorized)
			return
		}
		http.NotFound(w, r)
	}))
	defer index.Close()
	t.Setenv("TRAINYARD_UV", uvPath(t))
	t.Setenv("PIP_INDEX_URL", strings.Replace(index.URL, "http://", "http://somebody:open%2Fsesame-4711@", 1)+"/simple")
	t.Setenv("PIP_EXTRA_INDEX_URL", "")
	t.Setenv("PIP_FIND_LINKS", "")
	y = newYard(t)
	told := map[string]string{}
	for id, requires := range map[string]string{"missing": "no-such-thing", "refused": "forbidden-thing"} {
		stdout, stderr, err := y.run("jobs", "submit", "training", id, "--packages", trainerWheel(t, requires), "--module-name", "trainer.task", "--stream-logs")
		if err == nil || !strings.Contains(stderr, requires) {
			t.Fatalf("%s: %v\n%s", id, err, stderr)
		}
		told[id] = stdout + stderr + y.mustRun("jobs", "describe", id) + y.mustRun("jobs", "describe", id, "--timeline")
	}
	_, stderr, err := y.run("jobs", "submit", "training", "plain", "--packages", trainerWheel(t, ""), "--module-name", "trainer.task", "--stream-logs")
	if err != nil {
		t.Fatalf("plain: %v\n%s", err, stderr)
	}
	told["the program's environment"] = stderr
	told["arguments"], told["the server's output"] = argv.String(), y.out.String()
	if !strings.Contains(told["arguments"], "install") {
		t.Error("no installer was seen at work")
	}
	files := 0
	if err := filepath.WalkDir(y.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		told[path] = string(b)
		return err
	}); err != nil || files < 20 {
		t.Fatalf("%d files read, %v", files, err)
	}
	for where, text := range told {
		if strings.Contains(text, "sesame-4711") {
			t.Errorf("%s holds the password", where)
		}
	}
}

// uvPath is a uv from the index that the machine is set up for.
func uvPath(t *testing.T) string {
	t.Helper()
	home, _ := os.UserHomeDir()
	c, err := pyenv.Open(t.TempDir(), pyenv.Options{Environ: os.Environ(), Index: pyenv.IndexFrom(os.Environ(), home)})
	if err != nil {
		t.Fatal(err)
	}
	path, err := c.UV(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// trainerWheel is a package that prints its environment and may require
// another.
func trainerWheel(t *testing.T, requires string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trainer-1-py3-none-any.whl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	metadata := "Metadata-Version: 2.1\nName: trainer\nVersion: 1\n"
	if requires != "" {
		metadata += "Requires-Dist: " + requires + "\n"
	}
	for name, text := range map[string]string{
		"trainer/__init__.py": "", "trainer/task.py": "import os; print(sorted(os.environ.items()))\n",
		"trainer-1.dist-info/METADATA": metadata, "trainer-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"trainer-1.dist-info/RECORD": "",
	} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
