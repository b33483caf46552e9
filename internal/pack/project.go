package pack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/ignore"
	"github.com/trainyard/trainyard/internal/pattern"
)

// project is a pyproject.toml as far as it decides how a package is made.
type project struct {
	Build *struct {
		Requires []string `toml:"requires"`
		Backend  string   `toml:"build-backend"`
	} `toml:"build-system"`
	Project *struct {
		Name         string   `toml:"name"`
		Dependencies []string `toml:"dependencies"`
		Dynamic      []string `toml:"dynamic"`
	} `toml:"project"`
	Tool struct {
		Setuptools any `toml:"setuptools"`
		Poetry     any `toml:"poetry"`
	} `toml:"tool"`
}

// readProject reads the pyproject.toml of a folder; nil where there is none.
func readProject(dir string) (*project, error) {
	path := filepath.Join(dir, "pyproject.toml")
	b, err := ignore.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "cannot read %s: %w", path, err)
	}
	p := &project{}
	if err := toml.Unmarshal(b, p); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, _ := at.Position()
			return nil, fault.Errorf(fault.Invalid, "%s:%d: %s", path, row, strings.TrimPrefix(at.Error(), "toml: "))
		}
		return nil, fault.Errorf(fault.Invalid, "%s: %w", path, err)
	}
	return p, nil
}

// backed reports whether the project names what builds it. A [project] alone
// is built by setuptools only where it asks for that: else it says nothing but
// requirements, as in an application of uv.
func (p *project) backed() bool {
	return p != nil && (p.Build != nil || p.Project != nil && (p.Tool.Setuptools != nil || len(p.Project.Dynamic) > 0))
}

// beyondSetup reports whether a setup.py beside it is not all that builds it.
func (p *project) beyondSetup() bool {
	if p == nil || p.Build == nil {
		return false
	}
	for _, r := range p.Build.Requires {
		switch name := strings.ToLower(requirementName.FindString(r)); name {
		case "setuptools", "wheel", "":
		default:
			return true
		}
	}
	return p.Build.Backend != "" && !strings.HasPrefix(p.Build.Backend, "setuptools.")
}

// kindOf says what builds the project in a folder; empty where nothing does.
func kindOf(dir string) (Kind, error) {
	p, err := readProject(dir)
	switch {
	case err != nil:
		return "", err
	case exists(filepath.Join(dir, "setup.py")) && !p.beyondSetup():
		return SetupPy, nil
	case p.backed():
		return Pyproject, nil
	}
	return "", nil
}

// buildProject builds by PEP 517, in isolation: with uv, or with the build
// package where the user's Python has it. A wheel that serves every machine is
// what is shipped, since nothing is left to build in the job; else an sdist.
func (b *building) project(ctx context.Context, r *Result) error {
	tool, err := b.tool(ctx)
	if err != nil {
		return err
	}
	said, wheelErr := b.output(ctx, tool[0], append(tool[1:], "--wheel")...)
	if stopped := b.stoppedBy(ctx); wheelErr != nil && stopped != nil {
		return stopped
	}
	wheels, err := filepath.Glob(filepath.Join(b.OutDir, "*.whl"))
	if err != nil {
		return fault.Errorf(fault.Internal, "look for what was built: %w", err)
	}
	if wheelErr == nil && len(wheels) == 1 && strings.HasSuffix(wheels[0], "-none-any.whl") {
		return nil
	}
	for _, w := range wheels {
		if err := os.Remove(w); err != nil {
			return fault.Errorf(fault.Internal, "remove %s: %w", w, err)
		}
	}
	out, err := b.output(ctx, tool[0], append(tool[1:], "--sdist")...)
	if err == nil && wheelErr != nil {
		if !compiles(b.tree) { // it would not build in a job either
			return b.failed(ctx, said, wheelErr)
		}
		r.warn("%s does not build here, so its job will have to: %s", b.root, gist(said))
	}
	return b.failed(ctx, out, err)
}

// compiled are sources that take a compiler, which a job may have.
var compiled = pattern.New(`(?i)\.(c|cc|cpp|cxx|cu|pyx|rs|f|f90|go)$`)

func compiles(tree string) (found bool) {
	_ = filepath.WalkDir(tree, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && compiled.MatchString(p) {
			found = true
			return filepath.SkipAll
		}
		return nil
	})
	return found
}

// tool is the command that builds the tree, but for what.
func (b *building) tool(ctx context.Context) ([]string, error) {
	python, err := findPython(b.Options)
	if b.UV != nil {
		if uv, uvErr := b.UV(ctx); uvErr == nil {
			tool := []string{uv, "build", b.tree, "--out-dir", b.OutDir}
			if err == nil {
				tool = append(tool, "--python", python)
			}
			return tool, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err := b.output(ctx, python, "-c", "import build"); err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s needs a build tool: neither uv nor the build package of %s is there", filepath.Join(b.root, "pyproject.toml"), python).
			WithHint("%s -m pip install build; or build the archive elsewhere and name it with --packages", python)
	}
	return []string{python, "-m", "build", b.tree, "--outdir", b.OutDir}, nil
}

// gist is the line of a build's output that says what was wrong: the last
// error but for the builder's own, else the last line.
func gist(out []byte) (line string) {
	said := false
	for l := range strings.Lines(string(out)) {
		l = strings.TrimSpace(l)
		isError := strings.Contains(l, "rror:") && !strings.Contains(l, "Failed to build")
		if l != "" && (isError || !said && !strings.HasPrefix(l, "hint:")) {
			line, said = l, isError
		}
	}
	return line
}
