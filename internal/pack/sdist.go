package pack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// build runs the project's own build in a copy of its tree: the user's stays as
// it is, may be read-only, and two builds do not meet.
func (r *Result) build(ctx context.Context, o Options, root string) error {
	work, err := os.MkdirTemp("", "trainyard-build-")
	if err != nil {
		return fault.Errorf(fault.Invalid, "cannot make a temporary folder: %w", err)
	}
	defer func() { _ = makeWritable(work); _ = os.RemoveAll(work) }()
	tree := filepath.Join(work, filepath.Base(root))
	if filepath.Base(root) == string(filepath.Separator) || filepath.Base(root) == "." {
		tree = filepath.Join(work, "project")
	}
	if err := copyTree(root, tree, o.OutDir, work); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
	defer cancel()
	if r.Kind == Pyproject {
		err = r.buildProject(ctx, o, root, tree)
	} else {
		err = runSetup(ctx, o, root, tree, work)
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(o.OutDir)
	if err != nil {
		return fault.Errorf(fault.Internal, "read %s: %w", o.OutDir, err)
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == ".gitignore": // uv leaves one
			os.Remove(filepath.Join(o.OutDir, name))
		case strings.HasSuffix(name, ".tar.gz"):
			if err := normalise(filepath.Join(o.OutDir, name)); err != nil {
				return err
			}
		case strings.HasSuffix(name, ".whl"):
			if err := normaliseWheel(filepath.Join(o.OutDir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

var errTimeout = errors.New("time-out")

// runSetup runs setup.py as the original did: first with all its leavings
// elsewhere, then plainly, for scripts that do not take that.
func runSetup(ctx context.Context, o Options, root, tree, work string) error {
	python, err := findPython(o)
	if err != nil {
		return err
	}
	if out, err := output(ctx, o, tree, python, "-c", "import setuptools"); err != nil {
		if stopped := stoppedBy(ctx, o, root); stopped != nil {
			return stopped
		}
		if o.UV != nil {
			if uv, err := o.UV(ctx); err == nil {
				// Built in isolation, with a setuptools that is fetched for it.
				out, err := output(ctx, o, tree, uv, "build", "--sdist", "--python", python, "--out-dir", o.OutDir, tree)
				return failed(ctx, o, root, tree, out, err)
			}
		}
		_ = out
		return fault.Errorf(fault.Invalid, "%s has no setuptools, which %s needs", python, filepath.Join(root, "setup.py")).
			WithHint("%s -m pip install setuptools; or build the archive elsewhere and name it with --packages", python)
	}
	var out []byte
	for _, args := range [][]string{
		{"egg_info", "--egg-base", work, "build", "--build-base", work, "--build-temp", work, "sdist", "--formats=gztar", "--dist-dir", o.OutDir},
		{"sdist", "--formats=gztar", "--dist-dir", o.OutDir},
	} {
		out, err = output(ctx, o, tree, python, append([]string{"setup.py", "-q"}, args...)...)
		if err == nil {
			return nil
		}
		if stopped := stoppedBy(ctx, o, root); stopped != nil {
			return stopped
		}
	}
	return failed(ctx, o, root, tree, out, err)
}

// stoppedBy is the error for a build that was stopped, or nil.
func stoppedBy(ctx context.Context, o Options, root string) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		return fault.Errorf(fault.Invalid, "building %s took longer than %s and was stopped", root, o.Timeout).
			WithHint("does its setup.py wait for input or for the network? try: python setup.py sdist")
	default:
		return cause
	}
}

func failed(ctx context.Context, o Options, root, tree string, out []byte, err error) error {
	if err == nil {
		return nil
	}
	if stopped := stoppedBy(ctx, o, root); stopped != nil {
		return stopped
	}
	again := "python setup.py sdist"
	if !exists(filepath.Join(root, "setup.py")) {
		again = "python -m build"
	}
	return fault.Errorf(fault.Invalid, "Packaging of user Python code failed with message:\n\n%s\n", strings.TrimSpace(strings.ReplaceAll(string(out), tree, root))).
		WithHint("try it yourself: cd %s && %s; an archive that you built can be named with --packages", root, again)
}
