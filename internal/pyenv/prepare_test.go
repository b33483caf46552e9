package pyenv

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// testCache opens a cache in dir that installs from the index that the machine
// is set up for.
func testCache(t testing.TB, dir string, o Options) *Cache {
	t.Helper()
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	home, _ := os.UserHomeDir()
	if o.Index.Netrc == "" {
		o.Index = IndexFrom(o.Environ, home)
	}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	c, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sharedUV keeps one uv for the whole test run.
var sharedUV string

func withUV(t testing.TB, o Options) Options {
	t.Helper()
	if sharedUV == "" {
		dir, err := os.MkdirTemp("", "trainyard-uv")
		if err != nil {
			t.Fatal(err)
		}
		cleanup = append(cleanup, dir)
		path, err := testCache(t, dir, Options{}).UV(t.Context())
		if err != nil {
			t.Fatalf("uv: %v", err)
		}
		sharedUV = path
	}
	o.UV = sharedUV
	return o
}

// sdist writes a source archive of files, as gcloud makes them.
func sdist(t testing.TB, name, version, setup string, files map[string]string) File {
	t.Helper()
	root := name + "-" + version
	all := map[string]string{
		"PKG-INFO": fmt.Sprintf("Metadata-Version: 1.0\nName: %s\nVersion: %s\n", name, version),
		"setup.py": fmt.Sprintf("from setuptools import setup, find_packages\nsetup(name=%q, version=%q, packages=find_packages(), %s)\n", name, version, setup),
	}
	maps.Copy(all, files)
	return archive(t, root, all, slices.Sorted(maps.Keys(all)))
}

func archive(t testing.TB, root string, files map[string]string, order []string) File {
	t.Helper()
	path := filepath.Join(t.TempDir(), root+".tar.gz")
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	for _, n := range order {
		if err := w.WriteHeader(&tar.Header{Name: root + "/" + n, Mode: 0o644, Size: int64(len(files[n])), ModTime: time.Unix(1e9, 0)}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(files[n]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return fileOf(t, path, b.Bytes())
}

// wheel writes a pure wheel of files.
func wheel(t testing.TB, name, version string, requires []string, files map[string]string) File {
	t.Helper()
	base := fmt.Sprintf("%s-%s-py3-none-any.whl", name, version)
	info := fmt.Sprintf("%s-%s.dist-info", name, version)
	all := map[string]string{}
	maps.Copy(all, files)
	meta := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	for _, r := range requires {
		meta += "Requires-Dist: " + r + "\n"
	}
	all[info+"/METADATA"] = meta
	all[info+"/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	var record string
	for _, n := range slices.Sorted(maps.Keys(all)) {
		record += n + ",,\n"
	}
	all[info+"/RECORD"] = record + info + "/RECORD,,\n"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, n := range slices.Sorted(maps.Keys(all)) {
		f, err := z.Create(n)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write([]byte(all[n]))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return fileOf(t, filepath.Join(t.TempDir(), base), b.Bytes())
}

func fileOf(t testing.TB, path string, b []byte) File {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	sum, err := digest(path)
	if err != nil {
		t.Fatal(err)
	}
	return File{Name: filepath.Base(path), Path: path, SHA256: sum}
}

// prepare prepares, logs what was logged, and releases at the end of the test.
func prepare(t testing.TB, c *Cache, r Request) (Env, []string) {
	t.Helper()
	var lines []string
	env, err := c.Prepare(t.Context(), r, func(s string) { lines = append(lines, s) })
	if err != nil {
		t.Fatalf("Prepare: %v\n%s", err, strings.Join(lines, "\n"))
	}
	t.Cleanup(env.Release)
	return env, lines
}

// python runs a line of Python in an environment and returns what it prints.
func python(t testing.TB, env Env, code string) string {
	t.Helper()
	out, err := exec.Command(env.Python, "-c", code).CombinedOutput()
	if err != nil {
		t.Fatalf("python -c %q: %v\n%s", code, err, out)
	}
	return strings.TrimSpace(string(out))
}

func run(t testing.TB, env Env, args ...string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(env.BinDir, args[0]), args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// pythons are the lines of Python here that packages are installed for.
func pythons(t testing.TB, c *Cache) []string {
	t.Helper()
	var lines []string
	for _, i := range c.Interpreters(t.Context()) {
		lines = append(lines, minor(i.Version))
	}
	return unique(lines)
}

func TestPackagesAndTheirDependenciesAreThereOnEveryPython(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	pkg := sdist(t, "trainer", "0.1", `install_requires=["six>=1.10", "toolz; python_version<'3'"], entry_points={"console_scripts": ["hello=trainer.task:main"]}`,
		map[string]string{"trainer/__init__.py": "", "trainer/task.py": "import six, sys\ndef main():\n    print('hello from', '%d.%d' % sys.version_info[:2], six.__name__)\n"})
	lines := pythons(t, c)
	if testing.Short() {
		lines = lines[:1]
	}
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			env, _ := prepare(t, c, Request{Python: line, Packages: []File{pkg}})
			if want, got := "hello from "+line+" six", run(t, env, "hello"); got != want {
				t.Errorf("hello = %q, want %q", got, want)
			}
			if env.Cached {
				t.Error("a first environment is said to be cached")
			}
			if again, _ := prepare(t, c, Request{Python: line, Packages: []File{pkg}}); !again.Cached || again.Python != env.Python {
				t.Errorf("a second request got %+v, want the cached %s", again, env.Python)
			}
		})
	}
}

func TestChangedPackageKeepsTheBase(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	for i, text := range []string{"one", "two"} {
		pkg := wheel(t, "trainer", "0.1", []string{"six"}, map[string]string{"trainer.py": "import six\nprint('" + text + "')\n"})
		env, lines := prepare(t, c, Request{Packages: []File{pkg}})
		if got := python(t, env, "import trainer"); got != text {
			t.Errorf("trainer prints %q, want %q", got, text)
		}
		if deps := strings.Contains(strings.Join(lines, "\n"), "Installing the dependencies"); deps != (i == 0) {
			t.Errorf("package %d: dependencies installed: %t", i, deps)
		}
	}
	bases, err := os.ReadDir(filepath.Join(c.dir, "base"))
	if err != nil || len(bases) != 1 {
		t.Errorf("%d bases, %v; want 1", len(bases), err)
	}
}

func TestUsersPackageWinsOverTheDependency(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	own := wheel(t, "six", "99.0", nil, map[string]string{"six.py": "__version__ = 'mine'\n"})
	app := wheel(t, "app", "1.0", []string{"python-dateutil==2.9.0.post0"}, map[string]string{"app.py": ""})
	env, _ := prepare(t, c, Request{Packages: []File{own, app}})
	if got := python(t, env, "import dateutil, six; print(six.__version__)"); got != "mine" {
		t.Errorf("six is %q, want the user's", got)
	}
}

func TestGivenPackageMeetsAnothersRequirement(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	lib := wheel(t, "tyard_lib_not_on_any_index", "1.2", []string{"six; extra == 'more'"}, map[string]string{"tylib.py": "x = 7\n"})
	app := sdist(t, "app", "1.0", `install_requires=["tyard-lib.not-on-any-index[more]>=1"]`, map[string]string{"app/__init__.py": "import tylib, six; print(tylib.x)"})
	env, _ := prepare(t, c, Request{Packages: []File{lib, app}})
	if got := python(t, env, "import app"); got != "7" {
		t.Errorf("app prints %q", got)
	}
}

func TestProgramsOfDependenciesSeeTheUsersPackages(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	app := wheel(t, "app", "1.0", []string{"nose2==0.15.1"}, map[string]string{"test_app.py": "import unittest\nclass T(unittest.TestCase):\n    def test(self): print('seen')\n"})
	env, _ := prepare(t, c, Request{Packages: []File{app}})
	if got := run(t, env, "nose2", "test_app"); !strings.Contains(got, "seen") {
		t.Errorf("nose2 says %q", got)
	}
}

func TestHitNeedsNoNetworkAndNoProcess(t *testing.T) {
	dir := t.TempDir()
	pkg := wheel(t, "trainer", "0.1", []string{"six"}, map[string]string{"trainer.py": ""})
	o := withUV(t, Options{})
	prepare(t, testCache(t, dir, o), Request{Packages: []File{pkg}})
	c := testCache(t, dir, o)
	c.o.Environ = append(slices.Clone(os.Environ()), "https_proxy=http://127.0.0.1:9", "http_proxy=http://127.0.0.1:9")
	env, lines := prepare(t, c, Request{Packages: []File{pkg}})
	if !env.Cached || len(lines) > 0 {
		t.Errorf("a hit: cached %t, log %q", env.Cached, lines)
	}
}

func TestPipInstallsWhereItIsChosen(t *testing.T) {
	c := testCache(t, t.TempDir(), Options{Installer: "pip", Pythons: []string{pythonOf(t, "3.11")}})
	own := wheel(t, "six", "99.0", nil, map[string]string{"six.py": "__version__ = 'mine'\n"})
	app := sdist(t, "app", "1.0", `install_requires=["python-dateutil"]`, map[string]string{"app/__init__.py": "import dateutil, six\nprint(six.__version__)\n"})
	env, _ := prepare(t, c, Request{Python: "3.11", Packages: []File{own, app}})
	if got := python(t, env, "import app"); got != "mine" {
		t.Errorf("app prints %q", got)
	}
}

func TestOwnArchivesBecomeWheelsWithoutPython(t *testing.T) {
	files := map[string]string{
		"PKG-INFO": "Metadata-Version: 1.0\nName: trainer\nVersion: 0.0.0\nGenerator: trainyard 0.1\n\n", "setup.py": "raise SystemExit('not to be run')\n",
		"trainer/__init__.py": "", "trainer/data.txt": "data", "trainer.egg-info/SOURCES.txt": "",
	}
	pkg := archive(t, "trainer-0.0.0", files, []string{"PKG-INFO", "setup.py", "trainer.egg-info/SOURCES.txt", "trainer/__init__.py", "trainer/data.txt"})
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	env, _ := prepare(t, c, Request{Packages: []File{pkg}})
	if got := python(t, env, "import trainer, os; print(open(os.path.join(os.path.dirname(trainer.__file__), 'data.txt')).read())"); got != "data" {
		t.Errorf("data = %q", got)
	}
}

func BenchmarkHit(b *testing.B) {
	c := testCache(b, b.TempDir(), withUV(b, Options{}))
	pkg := wheel(b, "trainer", "0.1", []string{"six"}, map[string]string{"trainer.py": ""})
	r := Request{Packages: []File{pkg}}
	prepare(b, c, r)
	for b.Loop() {
		env, err := c.Prepare(b.Context(), r, nil)
		if err != nil || !env.Cached {
			b.Fatal(env, err)
		}
		env.Release()
	}
}

func BenchmarkChangedPackage(b *testing.B) {
	c := testCache(b, b.TempDir(), withUV(b, Options{}))
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		pkg := wheel(b, "trainer", "0.1", []string{"six"}, map[string]string{"trainer.py": fmt.Sprint("x = ", i)})
		b.StartTimer()
		env, err := c.Prepare(b.Context(), Request{Packages: []File{pkg}}, nil)
		if err != nil {
			b.Fatal(err)
		}
		env.Release()
	}
}

func TestLegacyPackagesAreBuiltWithToolsThatAreKept(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	text := func(x string) map[string]string {
		return map[string]string{"app/__init__.py": "x = '" + x + "'\n", "app/fast.c": "", "app/data.txt": x}
	}
	for _, tt := range []struct {
		name string
		pkg  File
	}{
		{"setup.py alone", sdist(t, "app", "1.0", `package_data={"app": ["*.txt"]}`, text("one"))},
		{"its code changed", sdist(t, "app", "1.0", `package_data={"app": ["*.txt"]}`, text("two"))},
		{"needs more to be built", sdist(t, "app", "1.0", `setup_requires=["toolz"], package_data={"app": ["*.txt"]}`, text("three"))},
		{"says how", archive(t, "app-1.0", map[string]string{"pyproject.toml": "[build-system]\nrequires = [\"flit_core\"]\nbuild-backend = \"flit_core.buildapi\"\n[project]\nname = \"app\"\nversion = \"1.0\"\ndescription = \"x\"\n",
			"setup.py": "raise SystemExit('not to be run')", "app.py": "x = 'four'\n"}, []string{"setup.py", "app.py", "pyproject.toml"})},
	} {
		env, _ := prepare(t, c, Request{Packages: []File{tt.pkg}})
		if got := python(t, env, "import app; print(app.x)"); !strings.Contains("one two three four", got) || got == "" {
			t.Errorf("%s: app.x = %q", tt.name, got)
		}
	}
	tools, err := os.ReadDir(filepath.Join(c.dir, "build"))
	if err != nil || len(tools) != 1 {
		t.Errorf("%d sets of tools, %v; want one", len(tools), err)
	}
}

// TestACExtensionIsBuiltFromSource compiles one, where there is a compiler.
func TestACExtensionIsBuiltFromSource(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("SKIPPED: no C compiler")
	}
	const source = `#include <Python.h>
static PyObject *seven(PyObject *s, PyObject *a) { return PyLong_FromLong(7); }
static PyMethodDef methods[] = {{"seven", seven, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", NULL, -1, methods};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
`
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	pkg := sdist(t, "app", "1.0", "", map[string]string{
		"setup.py": "from setuptools import setup, Extension\nsetup(name='app', version='1.0', packages=['app'], ext_modules=[Extension('app._fast', ['fast.c'])])\n",
		"fast.c":   source, "app/__init__.py": "from app._fast import seven\n"})
	for _, line := range pythons(t, c)[:1] {
		env, _ := prepare(t, c, Request{Python: line, Packages: []File{pkg}})
		if got := python(t, env, "import app; print(app.seven())"); got != "7" {
			t.Errorf("Python %s: %q", line, got)
		}
	}
}
