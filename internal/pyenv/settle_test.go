package pyenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatWasNotDurableIsBuiltAnewAfterAPowerCut(t *testing.T) {
	if bootID() == "" {
		t.Skip("SKIPPED: boots have no names here")
	}
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	r := Request{Packages: []File{wheel(t, "app", "1.0", []string{"six"}, map[string]string{"app.py": "print('ran')"})}}
	env, _ := prepare(t, c, r)
	env.Release()
	marker := filepath.Join(filepath.Dir(env.BinDir), complete)
	otherBoot := func() {
		t.Helper()
		b, err := os.ReadFile(marker)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(marker, []byte(strings.Replace(string(b), bootID(), "11111111-2222", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	otherBoot()
	again, _ := prepare(t, c, r)
	if got := python(t, again, "import app, six"); again.Cached || got != "ran" {
		t.Errorf("after a power cut: cached %t, prints %q; want it built anew", again.Cached, got)
	}
	if n, err := c.Settle(t.Context()); err != nil || n != 3 { // package, base, top
		t.Errorf("Settle = %d, %v", n, err)
	}
	otherBoot() // finds nothing to replace
	if env, _ := prepare(t, c, r); !env.Cached {
		t.Error("what was made durable is built anew")
	}
	if n, err := c.Settle(t.Context()); err != nil || n != 0 {
		t.Errorf("a second Settle = %d, %v", n, err)
	}
}
