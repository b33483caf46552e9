package pyenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestWhatIsInUseStays(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	app := func(text string) File {
		return wheel(t, "app", "1.0", []string{"six"}, map[string]string{"app.py": "print('" + text + "')"})
	}
	idle := app("idle")
	env, err := c.Prepare(t.Context(), Request{Packages: []File{idle}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	env.Release()
	used, _ := prepare(t, c, Request{Packages: []File{app("used")}})
	p, err := c.Prune(t.Context(), Limits{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := python(t, used, "import app, six"); got != "used" {
		t.Errorf("the environment in use prints %q", got)
	}
	var kinds []string
	for _, l := range p.Removed {
		kinds = append(kinds, l.Kind)
	}
	if got := strings.Join(kinds, " "); strings.Count(got, "top") != 1 || strings.Contains(got, "base") || p.Freed <= 0 || p.Left <= 0 {
		t.Errorf("removed %q, freed %d, left %d; want the idle top, the packages, and not the shared base", got, p.Freed, p.Left)
	}
	again, _ := prepare(t, c, Request{Packages: []File{idle}})
	if got := python(t, again, "import app, six"); again.Cached || got != "idle" {
		t.Errorf("made again: cached %t, prints %q", again.Cached, got)
	}
}

// TestTheLongestUnusedGoFirst has five layers of 1 MiB, used at different
// times, and room for three.
func TestTheLongestUnusedGoFirst(t *testing.T) {
	c := testCache(t, t.TempDir(), Options{})
	now := time.Now()
	for i, key := range []string{"b", "d", "a", "c", "e"} { // "b" was used last
		dir := filepath.Join(c.dir, "top", key)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, size := range map[string]int{"data": 1 << 20, complete: 0} {
			b := make([]byte, size)
			if name == complete {
				b = []byte("{}")
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l, err := tryLock(c.lockPath("top", key), true)
		if err != nil {
			t.Fatal(err)
		}
		l.release()
		used := now.Add(-time.Duration(i) * time.Hour)
		if err := os.Chtimes(c.lockPath("top", key), used, used); err != nil {
			t.Fatal(err)
		}
	}
	left := func() string {
		all, err := c.List()
		if err != nil {
			t.Fatal(err)
		}
		var keys string
		for _, l := range all {
			keys += l.Key
		}
		return keys
	}
	if got := left(); got != "bdace" {
		t.Fatalf("listed as %q, want the latest used first", got)
	}
	if p, err := c.Prune(t.Context(), Limits{Size: 100 << 20}); err != nil || len(p.Removed) != 0 {
		t.Errorf("within the limit: removed %v, %v", p.Removed, err)
	}
	if _, err := c.Prune(t.Context(), Limits{Size: 7 << 19}); err != nil { // 3.5 MiB, so 3.15 when something has to go
		t.Fatal(err)
	}
	if got := left(); got != "bda" {
		t.Errorf("over the limit: %q are left, want the three latest used", got)
	}
	if _, err := c.Prune(t.Context(), Limits{Unused: 90 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	if got := left(); got != "bd" {
		t.Errorf("unused for 90 minutes: %q are left", got)
	}
	if l, err := c.Inspect("top/d"); err != nil || l.Key != "d" {
		t.Errorf("Inspect = %+v, %v", l, err)
	}
	if _, err := c.Inspect("zz"); !fault.Is(err, fault.NotFound) {
		t.Errorf("Inspect of a key that is not there: %v", err)
	}
	if _, err := c.Inspect("top/"); !fault.Is(err, fault.Invalid) {
		t.Errorf("Inspect of several: %v", err)
	}
}

func TestSharedFilesCountOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	one := diskUse(dir)
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Skipf("SKIPPED: no hard links here: %v", err)
	}
	if two := diskUse(dir); two != one || one < 1<<20 {
		t.Errorf("a file takes %d, with a second name %d", one, two)
	}
}
