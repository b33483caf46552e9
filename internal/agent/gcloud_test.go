package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPackagesThatGcloudMadeAreRecognised(t *testing.T) {
	for name, tt := range map[string]struct {
		setup string
		want  bool
	}{
		"today's":        {"from setuptools import setup, find_packages\n\nif __name__ == '__main__':\n    setup(\n        name='trainer',\n        packages=find_packages(include=['trainer'])\n    )\n", true},
		"earlier":        {"from setuptools import setup\n\nif __name__ == '__main__':\n    setup(name='trainer', packages=['trainer'])\n", true},
		"somebody's own": {"from setuptools import setup, find_packages\n\nif __name__ == '__main__':\n    setup(name='trainer', packages=find_packages(), install_requires=['six'])\n", false},
		"none":           {"", false},
	} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		for _, m := range []string{"trainer-0.0.0/trainer/setup.py", "trainer-0.0.0/setup.py"} {
			text := tt.setup
			if strings.Contains(m, "/trainer/") {
				text = "# not this one"
			}
			if err := w.WriteHeader(&tar.Header{Name: m, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), z.Close()); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		got := packedByGcloud([]File{{Name: "other.whl", Path: path}, {Name: "trainer-0.0.0.tar.gz", Path: path}})
		if (got != "") != tt.want || tt.want && !strings.HasPrefix(got, "trainer-0.0.0.tar.gz was made by gcloud") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := packedByGcloud([]File{{Name: "gone.tar.gz", Path: "/nowhere"}}); got != "" {
		t.Errorf("gone: %q", got)
	}
}
