// Package ignore says which paths of a tree are left out of a package, and why:
// what is nobody's code, what .gitignore files say (or a .gcloudignore in their
// stead), and above them .trainyardignore, which may take any of it back.
package ignore

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/trainyard/trainyard/internal/fault"
)

// The files that are read.
const (
	gitFile    = ".gitignore"
	gcloudFile = ".gcloudignore"
	ownFile    = ".trainyardignore"
)

//go:embed defaults.gitignore
var defaults []byte

// set is the patterns of one file.
type set struct {
	base     string // the folder that they are relative to
	name     string // of the file, for people
	patterns []pattern
}

// Rules are what holds in a folder. They do not change: In gives those of a
// folder below.
type Rules struct {
	dir    string
	shown  string // what paths are shown relative to
	gcloud bool   // a .gcloudignore takes the place of all .gitignore files
	git    []set  // later ones win
	own    []set
}

// Verdict is what is decided about a path, and by what.
type Verdict struct {
	Out bool
	By  string // .gitignore:3: *.csv; empty where nothing is about it
	// Default is set where our own list of what is nobody's code would do, whatever
	// else names it: most .gitignore files list caches, and nobody misses them.
	Default bool
}

// Open reads the rules that hold in a folder: its own, and those of the folders
// above it up to the top of its git repository, or else the one above it.
func Open(dir string) (*Rules, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s: %w", dir, err)
	}
	top := filepath.Dir(dir)
	repository := ""
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Lstat(filepath.Join(d, ".git")); err == nil {
			top, repository = d, d
			break
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	r := &Rules{shown: filepath.Dir(dir)}
	for _, d := range []string{filepath.Dir(dir), dir} {
		if _, err := os.Stat(filepath.Join(d, gcloudFile)); err == nil {
			r.gcloud = true
		}
	}
	if repository != "" && !r.gcloud {
		if err := r.read(&r.git, repository, filepath.Join(repository, ".git", "info", "exclude")); err != nil {
			return nil, err
		}
	}
	var above []string
	for d := dir; ; d = filepath.Dir(d) {
		above = append(above, d)
		if d == top || d == filepath.Dir(d) {
			break
		}
	}
	for i := len(above) - 1; i >= 0; i-- {
		if r, err = r.In(above[i]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// In is the rules of a folder below: those that hold, and what its own files say.
func (r *Rules) In(dir string) (*Rules, error) {
	below := *r
	below.dir = dir
	below.git, below.own = r.git[:len(r.git):len(r.git)], r.own[:len(r.own):len(r.own)]
	if r.gcloud {
		if err := below.readGcloud(dir); err != nil {
			return nil, err
		}
	} else if err := below.read(&below.git, dir, filepath.Join(dir, gitFile)); err != nil {
		return nil, err
	}
	return &below, below.read(&below.own, dir, filepath.Join(dir, ownFile))
}

// readGcloud reads a .gcloudignore, which may include other files.
func (r *Rules) readGcloud(dir string) error {
	path := filepath.Join(dir, gcloudFile)
	b, err := ReadFile(path)
	if err != nil {
		return absent(path, err)
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "#!include:"); ok {
			if err := r.read(&r.git, dir, filepath.Join(dir, filepath.FromSlash(strings.TrimSpace(name)))); err != nil {
				return err
			}
		}
	}
	return r.read(&r.git, dir, path)
}

func (r *Rules) read(to *[]set, base, path string) error {
	b, err := ReadFile(path)
	if err != nil {
		return absent(path, err)
	}
	name := path
	if rel, err := filepath.Rel(r.shown, path); err == nil {
		name = filepath.ToSlash(rel)
	}
	*to = append(*to, set{base, name, parseFile(b)})
	return nil
}

// ReadFile is os.ReadFile for a file that was found in a user's folder: who opens
// a named pipe there may wait for ever for somebody to write into it.
func ReadFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a named pipe")}
	}
	return os.ReadFile(path)
}

// absent takes it that there is no such file, and nothing else.
func absent(path string, err error) error {
	// In a work tree that git added, .git is a file.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || isDir(path) {
		return nil
	}
	return fault.Errorf(fault.Invalid, "cannot read %s, which says what is left out of the package: %w", path, err)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

var own = parseFile(defaults)

// Match decides about a file or folder in the folder of the rules.
func (r *Rules) Match(name string, folder bool) Verdict {
	path := filepath.Join(r.dir, name)
	for _, sets := range [][]set{r.own, r.git} {
		for i := len(sets) - 1; i >= 0; i-- {
			rel, err := filepath.Rel(sets[i].base, path)
			if err != nil {
				continue
			}
			if p, ok := last(sets[i].patterns, filepath.ToSlash(rel), folder); ok {
				v := Verdict{Out: !p.negated, By: fmt.Sprintf("%s:%d: %s", sets[i].name, p.line, p.text)}
				if v.Out {
					_, v.Default = Never(r.dir, name, folder)
				}
				return v
			}
		}
	}
	if why, ok := Never(r.dir, name, folder); ok {
		return Verdict{Out: true, By: why, Default: true}
	}
	return Verdict{}
}

// Never tells what is nobody's code, whatever a project says of it.
func Never(dir, name string, folder bool) (why string, ok bool) {
	has := func(file string) bool {
		_, err := os.Stat(filepath.Join(dir, name, file))
		return err == nil
	}
	if folder && has("pyvenv.cfg") {
		return "a virtual environment", true
	}
	p, ok := last(own, name, folder)
	// A folder of somebody's may be called as a tool's is.
	if !ok || p.negated || folder && !strings.HasPrefix(name, ".") && has("__init__.py") {
		return "", false
	}
	return "never code: " + p.text, true
}

// last is the last pattern about a path: it decides.
func last(patterns []pattern, path string, folder bool) (pattern, bool) {
	for i := len(patterns) - 1; i >= 0; i-- {
		if patterns[i].matches(path, folder) {
			return patterns[i], true
		}
	}
	return pattern{}, false
}
