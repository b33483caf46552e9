package pyenv

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestALockedEnvironmentIsMadeAgainExactly(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	pkg := wheel(t, "trainer", "0.1", []string{"python-dateutil>=2.8", "six"}, map[string]string{"trainer.py": ""})
	first, _ := prepare(t, c, Request{Packages: []File{pkg}})
	lock := first.Made
	lock.Packages = slices.Clone(lock.Packages)

	same, lines := prepare(t, c, Request{Packages: []File{pkg}, Lock: &lock})
	if !same.Cached || same.Python != first.Python || len(lines) > 0 {
		t.Errorf("the lock of an environment that is there: cached %t, %s for %s, log %q", same.Cached, same.Python, first.Python, lines)
	}

	// As of a time when the index had no newer ones.
	for i, line := range lock.Packages {
		switch name, _, _ := strings.Cut(line, "=="); name {
		case "python-dateutil":
			lock.Packages[i] = "python-dateutil==2.8.2"
		case "six":
			lock.Packages[i] = "six==1.15.0"
		}
	}
	old, _ := prepare(t, c, Request{Packages: []File{pkg}, Lock: &lock})
	if old.Cached || !slices.Equal(old.Made.Packages, lock.Packages) || old.Made.Python != lock.Python {
		t.Errorf("made of %+v (cached %t), want %+v", old.Made, old.Cached, lock)
	}
	if got := python(t, old, "import six, dateutil, trainer; print(six.__version__, dateutil.__version__)"); got != "1.15.0 2.8.2" {
		t.Errorf("six and dateutil are %s", got)
	}
	if again, _ := prepare(t, c, Request{Packages: []File{pkg}, Lock: &lock}); !again.Cached || again.Python != old.Python {
		t.Error("the same lock is built twice")
	}
	if free, _ := prepare(t, c, Request{Packages: []File{pkg}}); free.Python != first.Python {
		t.Error("without the lock the environment is another one than before")
	}

	// A layer that has something else now than when the lock was made.
	base := filepath.Dir(filepath.Dir(first.Python))
	if err := errors.Join(c.removeAllBut(base), os.RemoveAll(base)); err != nil {
		t.Fatal(err)
	}
	want := first.Made
	remade, _ := prepare(t, c, Request{Packages: []File{pkg}, Lock: &want})
	if !slices.Equal(remade.Made.Packages, want.Packages) {
		t.Errorf("made of %v, want %v", remade.Made.Packages, want.Packages)
	}
}

// removeAllBut removes all layers but one, as making room does.
func (c *Cache) removeAllBut(dir string) error {
	var errs []error
	for _, kind := range []string{"base", "top"} {
		entries, err := os.ReadDir(filepath.Join(c.dir, kind))
		errs = append(errs, err)
		for _, e := range entries {
			if path := filepath.Join(c.dir, kind, e.Name()); path != dir {
				errs = append(errs, os.RemoveAll(path))
			}
		}
	}
	return errors.Join(errs...)
}

func TestALockOverARuntimeVersion(t *testing.T) {
	dir := t.TempDir()
	o := withUV(t, Options{})
	o.Runtimes.Dir = filepath.Join(dir, "runtimes.d")
	if err := os.MkdirAll(o.Runtimes.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := testCache(t, filepath.Join(dir, "cache"), o)
	line := pythons(t, c)[0]
	site := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(o.Runtimes.Dir, "site-1.yaml"), []byte("version: site-1\ntitle: Site\npython: [\""+line+"\"]\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	site("requires: [six==1.15.0]\n")
	pkg := wheel(t, "trainer", "0.1", []string{"toolz==0.12.1"}, map[string]string{"trainer.py": ""})
	first, _ := prepare(t, c, Request{Runtime: "site-1", Packages: []File{pkg}})
	lock := first.Made
	site("requires: [six==1.16.0, idna==3.7]\n")
	env, _ := prepare(t, c, Request{Packages: []File{pkg}, Lock: &lock})
	if !slices.Equal(env.Made.Packages, lock.Packages) || env.Made.Runtime != "site-1" {
		t.Errorf("made of %+v, want %+v", env.Made, lock)
	}
	if got := python(t, env, "import six, importlib.util as u; print(six.__version__, u.find_spec('idna'))"); got != "1.15.0 None" {
		t.Errorf("six and idna: %s", got)
	}
	if err := os.Remove(filepath.Join(o.Runtimes.Dir, "site-1.yaml")); err != nil {
		t.Fatal(err)
	}
	if gone, _ := prepare(t, c, Request{Packages: []File{pkg}, Lock: &lock}); !slices.Equal(gone.Made.Packages, lock.Packages) {
		t.Errorf("without its runtime version made of %v, want %v", gone.Made.Packages, lock.Packages)
	}
}

func TestPipMakesALockedEnvironment(t *testing.T) {
	c := testCache(t, t.TempDir(), Options{Installer: "pip"})
	pkg := wheel(t, "trainer", "0.1", []string{"six"}, map[string]string{"trainer.py": ""})
	first, _ := prepare(t, c, Request{Packages: []File{pkg}})
	lock := first.Made
	lock.Packages = slices.Clone(lock.Packages)
	at := slices.IndexFunc(lock.Packages, func(line string) bool { return strings.HasPrefix(line, "six==") })
	lock.Packages[at] = "six==1.15.0"
	env, _ := prepare(t, c, Request{Packages: []File{pkg}, Lock: &lock})
	if got := python(t, env, "import six, trainer; print(six.__version__)"); got != "1.15.0" || !slices.Equal(env.Made.Packages, lock.Packages) {
		t.Errorf("six is %s; made of %v, want %v", got, env.Made.Packages, lock.Packages)
	}
}

func TestALockForAPythonThatIsGoneIsRefused(t *testing.T) {
	c := testCache(t, t.TempDir(), Options{})
	_, err := c.Prepare(t.Context(), Request{Lock: &Made{Python: "3.1.99"}}, nil)
	if !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "3.1.99") {
		t.Errorf("the error is %v", err)
	}
}
