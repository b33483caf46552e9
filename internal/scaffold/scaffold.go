// Package scaffold writes the recommended structure of a training application,
// with a program in it that works: what it trains on, some library ships.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

//go:embed all:files
var files embed.FS

// framework is what differs from one to another.
type framework struct {
	requires []string
	rate     string
}

var frameworks = map[string]framework{
	"sklearn":    {[]string{"scikit-learn>=1.0", "joblib", "google-cloud-storage>=2.10"}, "0.01"},
	"xgboost":    {[]string{"xgboost>=1.6", "scikit-learn>=1.0", "google-cloud-storage>=2.10"}, "0.1"},
	"tensorflow": {[]string{"tensorflow>=2.11", "scikit-learn>=1.0", "google-cloud-storage>=2.10"}, "0.001"},
	"torch":      {[]string{"torch>=1.13", "numpy", "scikit-learn>=1.0", "google-cloud-storage>=2.10"}, "0.001"},
}

// Frameworks are the names that Write takes.
func Frameworks() []string { return []string{"sklearn", "xgboost", "tensorflow", "torch"} }

var nonword = regexp.MustCompile(`[^A-Za-z0-9]+`)

// Name is what an application in a folder is called, good for a job too.
func Name(dir string) string {
	name := strings.Trim(nonword.ReplaceAllString(filepath.Base(dir), "_"), "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "app_" + name
	}
	return strings.TrimRight(strings.ToLower(name), "_")
}

// Write makes an application in a folder and names the files that it wrote. It
// writes nothing where one of them is there already. With container there is
// what an image is built from, too.
func Write(dir, kind string, container bool) (written []string, err error) {
	f, ok := frameworks[kind]
	if !ok {
		return nil, fault.Errorf(fault.Invalid, "there is no framework %q", kind).WithHint("one of %s", strings.Join(Frameworks(), ", "))
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s: %w", dir, err)
	}
	var requires strings.Builder
	for _, r := range f.requires {
		fmt.Fprintf(&requires, "    '%s',\n", r)
	}
	// An application that is called like what it requires would be taken for it.
	name := Name(abs)
	if slices.ContainsFunc(f.requires, func(r string) bool {
		required, _, _ := strings.Cut(r, ">")
		return strings.ReplaceAll(required, "-", "_") == name
	}) {
		name += "_app"
	}
	fill := strings.NewReplacer("@NAME@", name, "@REQUIRES@\n", requires.String(), "@RATE@", f.rate)
	from := map[string][]string{
		"setup.py": {"common/setup.py"}, "README.md": {"common/README.md"}, ".trainyardignore": {"common/trainyardignore"}, "trainer/__init__.py": nil,
		"trainer/task.py": {"common/task.py"}, "trainer/util.py": {"common/util.py"}, "trainer/model.py": {kind + "/model.py"},
	}
	if container {
		from["Dockerfile"], from[".dockerignore"] = []string{"container/Dockerfile"}, []string{"container/dockerignore"}
		from["README.md"] = append(from["README.md"], "container/README.md")
	}
	content := map[string]string{}
	for to, parts := range from {
		content[to] = ""
		for _, part := range parts {
			b, err := files.ReadFile("files/" + part)
			if err != nil {
				return nil, fault.Errorf(fault.Internal, "%w", err)
			}
			content[to] += fill.Replace(string(b))
		}
	}
	for name := range content {
		written = append(written, name)
	}
	slices.Sort(written)
	for _, name := range written {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return nil, fault.Errorf(fault.Conflict, "%s is there already; nothing was written", filepath.Join(dir, name)).WithHint("name another folder")
		}
	}
	for _, name := range written {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return nil, fault.Errorf(fault.Invalid, "cannot make the folder %s: %w", filepath.Dir(path), err)
		}
		if err := os.WriteFile(path, []byte(content[name]), 0o666); err != nil {
			return nil, fault.Errorf(fault.Invalid, "cannot write %s: %w", path, err)
		}
	}
	return written, nil
}
