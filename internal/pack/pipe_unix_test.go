//go:build unix

package pack_test

import (
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trainyard/trainyard/internal/pack"
)

// TestANamedPipeInTheTreeHoldsNothingUp: nobody writes into it. Whether there is
// an archive without it depends on what it stands for.
func TestANamedPipeInTheTreeHoldsNothingUp(t *testing.T) {
	python := setuptools(t)
	setup := "from setuptools import setup\nsetup(name='trainer', packages=['trainer'])\n"
	for _, tt := range []struct{ pipe, setup string }{
		{"setup.py", ""}, {"setup.cfg", setup}, {"MANIFEST.in", setup}, {"pyproject.toml", ""}, {"requirements.txt", ""}, {"pylock.toml", ""}, {"uv.lock", ""},
		{".gitignore", ""}, {".gcloudignore", ""}, {".trainyardignore", ""}, {"trainer/.gitignore", ""}, {"trainer/data", ""},
	} {
		t.Run(tt.pipe, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, "trainer/__init__.py", "", "trainer/task.py", "")
			if tt.setup != "" {
				dir = tree(t, "trainer/__init__.py", "", "setup.py", tt.setup)
			}
			if err := unix.Mkfifo(filepath.Join(dir, tt.pipe), 0o600); err != nil {
				t.Fatal(err)
			}
			out, done := t.TempDir(), make(chan error, 1)
			go func() {
				_, err := pack.Build(t.Context(), pack.Options{Path: dir + "/trainer", Python: python, OutDir: out})
				done <- err
			}()
			select {
			case err := <-done:
				t.Log(err)
			case <-time.After(20 * time.Second):
				t.Error("it waits for the pipe")
			}
		})
	}
}
