package pyenv

import (
	"os"
	"path/filepath"
	"testing"
)

func TestShimsAreNotInterpreters(t *testing.T) {
	home := t.TempDir()
	shims, bin := filepath.Join(home, "shims"), filepath.Join(home, ".pyenv", "versions", "3.11.7", "bin")
	for _, d := range []string{shims, bin} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{filepath.Join(shims, "python3"): "#!/bin/sh\nexit 1\n", filepath.Join(bin, "python3.11"): "\x7fELF"} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("python3.11", filepath.Join(bin, "python")); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, i := range Find(t.Context(), Search{Environ: []string{"PATH=" + shims + string(os.PathListSeparator) + bin, "HOME=" + home}}) {
		switch i.Path {
		case filepath.Join(bin, "python3.11"):
			n++
			if i.Version != "3.11.7" || i.Source != "path" {
				t.Errorf("found %+v", i)
			}
		case filepath.Join(shims, "python3"):
			t.Errorf("found the shim %+v", i)
		}
	}
	if n != 1 {
		t.Errorf("found it %d times, want once", n)
	}
}

func TestAnInterpreterOfUnknownVersionIsAskedOnce(t *testing.T) {
	real := pythonOf(t, "3.11")
	memory := filepath.Join(t.TempDir(), "pythons.json")
	m := openMemory(memory)
	if v, ok := askVersion(t.Context(), real); !ok || minor(v) != "3.11" {
		t.Fatalf("asked, %s says %q", real, v)
	}
	odd := filepath.Join(t.TempDir(), "python3")
	if err := os.WriteFile(odd, []byte("\x7fELF broken"), 0o755); err != nil {
		t.Fatal(err)
	}
	if v := m.version(t.Context(), odd); v != "" {
		t.Errorf("a broken binary has version %q", v)
	}
	m.save()
	if _, ok := openMemory(memory).Pythons[odd]; !ok {
		t.Error("it is not remembered")
	}
}
