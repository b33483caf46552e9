package pyenv

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/runtimes"
)

// house is a small runtime version of a site's own.
func house(t testing.TB, dir, lock string) runtimes.Catalogue {
	t.Helper()
	line := pythons(t, testCache(t, t.TempDir(), Options{}))[0]
	text := "version: house\npython: [\"" + line + "\"]\nrequires: [six, python-dateutil, toolz]\n" + lock
	if err := os.WriteFile(filepath.Join(dir, "house.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return runtimes.Catalogue{Dir: dir}
}

const houseLock = "packages:\n  - six==1.16.0\n  - python-dateutil==2.8.2\n  - toolz==0.11.2\n"

func TestARuntimesPackagesStayUnlessARequirementExcludesThem(t *testing.T) {
	for _, installer := range []string{"uv", "pip"} {
		t.Run(installer, func(t *testing.T) {
			o := Options{Installer: installer, Runtimes: house(t, t.TempDir(), houseLock)}
			if installer == "uv" {
				o = withUV(t, o)
			}
			c := testCache(t, t.TempDir(), o)

			env, lines := prepare(t, c, Request{Runtime: "house"})
			if got := python(t, env, "import six, dateutil, toolz; print(six.__version__, dateutil.__version__, toolz.__version__)"); got != "1.16.0 2.8.2 0.11.2" {
				t.Errorf("the runtime has %s\n%s", got, strings.Join(lines, "\n"))
			}

			kept := wheel(t, "kept", "1.0", []string{"six>=1.10", "toolz"}, map[string]string{"kept.py": ""})
			env, lines = prepare(t, c, Request{Runtime: "house", Packages: []File{kept}})
			if got := python(t, env, "import kept, six, toolz; print(six.__version__, toolz.__version__)"); got != "1.16.0 0.11.2" || strings.Contains(strings.Join(lines, "\n"), "Installing the dependencies") {
				t.Errorf("met by the runtime: %s\n%s", got, strings.Join(lines, "\n"))
			}

			// Something new, which needs a newer one of something that is there.
			newer := wheel(t, "newer", "1.0", []string{"toolz>=0.12", "nose2==0.15.1", "python-dateutil>=2"}, map[string]string{"newer.py": ""})
			env, _ = prepare(t, c, Request{Runtime: "house", Packages: []File{newer}})
			got := python(t, env, "import newer, six, toolz, nose2, dateutil; print(six.__version__, dateutil.__version__, toolz.__version__ >= '0.12')")
			if got != "1.16.0 2.8.2 True" {
				t.Errorf("replaced: %s", got)
			}
			note := strings.Join(env.Notes, "\n")
			if !strings.Contains(note, "toolz 0.11.2 of runtime version house is replaced by ") || !strings.Contains(note, ": newer 1.0 requires toolz>=0.12.") || len(env.Notes) != 1 {
				t.Errorf("notes: %q", env.Notes)
			}
			if lock := env.Made.Packages; !slices.Contains(lock, "six==1.16.0") || !slices.Contains(lock, "nose2==0.15.1") || slices.Contains(lock, "toolz==0.11.2") || !slices.Contains(lock, "newer==1.0 sha256:"+newer.SHA256) {
				t.Errorf("lock: %q", lock)
			}
			again, _ := prepare(t, c, Request{Runtime: "house", Packages: []File{newer}})
			if !again.Cached || !slices.Equal(again.Notes, env.Notes) || !slices.Equal(again.Made.Packages, env.Made.Packages) {
				t.Errorf("the second time: %+v, want the notes and the lock of the first", again)
			}

			// The user's own package, forced over the runtime's.
			own := wheel(t, "six", "99.0", nil, map[string]string{"six.py": "__version__ = 'mine'\n"})
			env, _ = prepare(t, c, Request{Runtime: "house", Packages: []File{own, kept}})
			if got := python(t, env, "import kept, six; print(six.__version__)"); got != "mine" {
				t.Errorf("six is %q, want the given one", got)
			}
			if !strings.Contains(strings.Join(env.Notes, "\n"), "six 1.16.0 of runtime version house is replaced by the given six 99.0.") {
				t.Errorf("notes: %q", env.Notes)
			}
		})
	}
}

func TestARuntimeWithoutALockIsResolvedOnce(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{Runtimes: house(t, t.TempDir(), "")}))
	env, _ := prepare(t, c, Request{Runtime: "house"})
	if got := python(t, env, "import six, dateutil, toolz; print('there')"); got != "there" || !slices.ContainsFunc(env.Made.Packages, func(l string) bool { return strings.HasPrefix(l, "python-dateutil==") }) {
		t.Errorf("%s, lock %q", got, env.Made.Packages)
	}
	if again, _ := prepare(t, c, Request{Runtime: "house"}); !again.Cached {
		t.Error("it was built twice")
	}
}

func TestALockedHashIsChecked(t *testing.T) {
	lock := "packages:\n  - six==1.16.0 sha256:" + strings.Repeat("0", 64) + "\n"
	c := testCache(t, t.TempDir(), withUV(t, Options{Runtimes: house(t, t.TempDir(), lock)}))
	_, err := c.Prepare(t.Context(), Request{Runtime: "house"}, nil)
	if err == nil || !strings.Contains(err.Error(), "runtime version house: ") || !strings.Contains(err.Error(), "digest") {
		t.Errorf("a file with another digest: %v", err)
	}
}

func TestCompilingMakesTheBytecodeOfAllThatIsThere(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{Runtimes: house(t, t.TempDir(), houseLock)}))
	env, _ := prepare(t, c, Request{Runtime: "house"})
	compiled := func() int {
		found, err := filepath.Glob(filepath.Join(env.Vars["VIRTUAL_ENV"], "lib", "python*", "site-packages", "toolz", "__pycache__", "*.pyc"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if n := compiled(); n != 0 {
		t.Fatalf("%d modules are compiled before", n)
	}
	if err := c.Compile(t.Context(), env); err != nil || compiled() < 5 {
		t.Errorf("Compile = %v, %d modules of toolz are compiled", err, compiled())
	}
}
