package pyenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestAFullDiskIsToldAndLeavesNothingHalfDone(t *testing.T) {
	o := withUV(t, Options{})
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("SKIPPED: a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	c := testCache(t, dir, o)
	pkg := wheel(t, "app", "1.0", []string{"numpy"}, map[string]string{"app.py": ""}) // some 60 MB
	_, err := c.Prepare(t.Context(), Request{Packages: []File{pkg}}, nil)
	if !fault.Is(err, fault.Full) && fault.KindOf(err) != fault.Full || !strings.Contains(err.Error(), "disk is full") {
		t.Fatalf("Prepare = %v (%v), want full", err, fault.KindOf(err))
	}
	for _, kind := range []string{"base", "top"} {
		entries, err := os.ReadDir(filepath.Join(dir, kind))
		if err != nil || len(entries) != 0 {
			t.Errorf("%s holds %v, %v; want nothing", kind, entries, err)
		}
	}
	// There is room for this one.
	small, _ := prepare(t, c, Request{Packages: []File{wheel(t, "app", "1.0", []string{"six"}, map[string]string{"app.py": "print('ran')"})}})
	if got := python(t, small, "import app, six"); got != "ran" {
		t.Errorf("afterwards: %q", got)
	}
}
