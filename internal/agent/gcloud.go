package agent

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// generatedSetup is the setup.py that gcloud writes for a package that has
// none, in its words of today and of earlier years: it takes the Python files
// of the top folder, and neither sub-packages nor data files.
var generatedSetup = pattern.New(`^from setuptools import setup(, find_packages)? if __name__ == '__main__': setup\( ?name='[^']*', packages=(find_packages\(include=\['[^']*'\]\)|\['[^']*'\]) ?,? ?\)$`)

// packedByGcloud says so of the packages that have it, for a program that
// failed; empty where none has. It is looked for then and not before.
func packedByGcloud(files []File) string {
	var names []string
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".tar.gz") && generatedSetup.MatchString(setupOf(f.Path)) {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return strings.Join(names, ", ") + " was made by gcloud's generated setup.py, which takes the Python files of the package's top folder and nothing below it."
}

// setupOf is the text of an archive's setup.py in one line. What cannot be read
// has none: the program's own end is what is told.
func setupOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return ""
	}
	t := tar.NewReader(io.LimitReader(z, 1<<30))
	for range 100_000 {
		h, err := t.Next()
		if err != nil {
			return ""
		}
		if h.Typeflag == tar.TypeReg && strings.HasSuffix(h.Name, "/setup.py") && strings.Count(strings.TrimPrefix(h.Name, "./"), "/") == 1 {
			b, err := io.ReadAll(io.LimitReader(t, 4096))
			if err != nil {
				return ""
			}
			return strings.Join(strings.Fields(string(b)), " ")
		}
	}
	return ""
}
