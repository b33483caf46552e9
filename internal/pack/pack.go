// Package pack turns the folder of a Python package into a distribution
// archive: by its own setup.py or pyproject.toml, or, where there is neither,
// by itself and without Python. The same tree gives the same bytes, on any
// machine and at any time. Nothing is left in the user's tree. It knows neither
// jobs nor storage.
package pack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// Options say what to package and with what.
type Options struct {
	Path    string   // the folder of a package or a project, a script, or a notebook
	Module  string   // that will be run, where it is known: its name says where imports begin
	OutDir  string   // exists; gets the archives
	Python  string   // for setup.py; empty for python3, else python, on PATH
	Environ []string // of the user: PATH is looked up in it, and setup.py runs with it
	// UV gives a uv executable, for builds in isolation; nil where there is none.
	UV      func(ctx context.Context) (string, error)
	Timeout time.Duration // of setup.py; 0 for ten minutes
	Cache   string        // folder for archives of trees that may come again unchanged; empty for none
}

// Kind says what made the archive.
type Kind string

// The ways to make an archive.
const (
	SetupPy   Kind = "setup.py"
	Pyproject Kind = "pyproject.toml"
	Generated Kind = "generated"
	Script    Kind = "script"
	Notebook  Kind = "notebook"
)

// Result is what was made.
type Result struct {
	Kind     Kind
	Archives []Archive
	Skipped  []Skipped // of the package's folder, where the archive is made here
	Lock     *Locked   // a lock file that was honoured; nil for none
	Warnings []string
}

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// Skipped is a file, or with a slash at its end a folder, that is not packed.
type Skipped struct {
	Path  string `json:"name"`
	Why   string `json:"why"`
	Asked bool   `json:"asked"` // the user's own files say so
}

// Archive is a distribution archive on this machine.
type Archive struct {
	Path   string
	Name   string
	Size   int64
	SHA256 string
	Files  []File
}

// inside is a member's name without the top folder of an sdist.
func (a Archive) inside(member string) string {
	if strings.HasSuffix(a.Name, ".whl") {
		return member
	}
	_, rest, ok := strings.Cut(member, "/")
	if !ok {
		return member
	}
	return rest
}

// File is a file in an archive.
type File struct {
	Path string `json:"name"`
	Size int64  `json:"size"`
}

// Build packages a folder.
func Build(ctx context.Context, o Options) (Result, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return Result{}, fault.Errorf(fault.Invalid, "package path %s: %w", o.Path, err)
	}
	if top, _ := packageOf(path); top != "" {
		path = top
	}
	root := filepath.Dir(path)
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return Result{}, fault.Errorf(fault.Invalid, "Source directory [%s] is not a valid directory.", root)
	}
	if exists(path) {
		return single(path, o)
	}
	p, err := locate(o, path)
	if err != nil {
		return Result{}, err
	}
	r := Result{Kind: p.kind}
	if p.kind == Generated {
		err = r.generate(o, p)
	} else {
		err = r.build(ctx, o, p.root)
	}
	if err != nil {
		return Result{}, err
	}
	if !exists(filepath.Join(p.dir, "__init__.py")) && p.name != "" && !r.has(p.name+"/", false) {
		return Result{}, notAPackage(o, p.dir)
	}
	if err := r.lock(ctx, o, p.root); err != nil {
		return Result{}, err
	}
	r.look()
	return r, nil
}

// has reports whether the archives have a file, or something below a folder.
func (r *Result) has(name string, file bool) bool {
	for _, a := range r.Archives {
		for _, f := range a.Files {
			member := a.inside(f.Path)
			if src := strings.TrimPrefix(member, "src/"); file && (member == name || src == name) || !file && (strings.HasPrefix(member, name) || strings.HasPrefix(src, name)) {
				return true
			}
		}
	}
	return false
}

// describe tells what lies in the folder that the archives were made in.
func (r *Result) describe(o Options, maker string) error {
	entries, err := os.ReadDir(o.OutDir)
	if err != nil {
		return fault.Errorf(fault.Internal, "read %s: %w", o.OutDir, err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		a, err := describe(filepath.Join(o.OutDir, e.Name()))
		if err != nil {
			return err
		}
		r.Archives = append(r.Archives, a)
	}
	if len(r.Archives) == 0 {
		return fault.Errorf(fault.Invalid, "%s ran without an error but made no archive", maker).
			WithHint("does it call setup()? try: python setup.py sdist; then name the archive in dist/ with --packages")
	}
	return nil
}

// exists tells files: what else may be there, a named pipe say, is nobody's code.
func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func describe(path string) (Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return Archive{}, fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", path, err)
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return Archive{}, fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", path, err)
	}
	a := Archive{Path: path, Name: filepath.Base(path), Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}
	a.Files, err = List(path)
	return a, err
}

// variable finds a variable in an environment.
func variable(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return v
		}
	}
	return ""
}
