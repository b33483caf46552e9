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
	"regexp"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// Options say what to package and with what.
type Options struct {
	Path    string   // the folder with __init__.py, a script, or a notebook
	OutDir  string   // exists; gets the archives
	Python  string   // for setup.py; empty for python3, else python, on PATH
	Environ []string // of the user: PATH is looked up in it, and setup.py runs with it
	// UV gives a uv executable, for builds in isolation; nil where there is none.
	UV      func(ctx context.Context) (string, error)
	Timeout time.Duration // of setup.py; 0 for ten minutes
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
	if _, err := os.Stat(filepath.Join(path, "__init__.py")); err != nil {
		e := fault.Errorf(fault.Invalid, "[%s] is not a valid Python package because it does not contain an `__init__.py` file. Please create one and try again. Also, please ensure that --package-path refers to a local directory.", path)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return Result{}, e.WithHint("touch %s", filepath.Join(o.Path, "__init__.py"))
		}
		return Result{}, e.WithHint("there is no folder %s", path)
	}
	var r Result
	switch {
	case exists(filepath.Join(root, "setup.py")):
		r.Kind = SetupPy
		err = sdist(ctx, o, root, r.Kind)
	case isProject(filepath.Join(root, "pyproject.toml")):
		r.Kind = Pyproject
		err = sdist(ctx, o, root, r.Kind)
	default:
		r.Kind = Generated
		err = generate(&r, path, o.OutDir)
	}
	if err != nil {
		return Result{}, err
	}
	return r.describe(o, filepath.Join(root, string(r.Kind)))
}

// describe tells what lies in the folder that the archives were made in.
func (r Result) describe(o Options, maker string) (Result, error) {
	entries, err := os.ReadDir(o.OutDir)
	if err != nil {
		return Result{}, fault.Errorf(fault.Internal, "read %s: %w", o.OutDir, err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		a, err := describe(filepath.Join(o.OutDir, e.Name()))
		if err != nil {
			return Result{}, err
		}
		r.Archives = append(r.Archives, a)
	}
	if len(r.Archives) == 0 {
		return Result{}, fault.Errorf(fault.Invalid, "%s ran without an error but made no archive", maker).
			WithHint("does it call setup()? try: python setup.py sdist; then name the archive in dist/ with --packages")
	}
	r.look()
	return r, nil
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

var projectTable = regexp.MustCompile(`(?m)^\s*\[\s*(build-system|project)\s*\]`)

// isProject tells a pyproject.toml that describes a package from one that only
// configures tools.
func isProject(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && projectTable.Match(b)
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
