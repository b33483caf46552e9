package pack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// NoTemporary is the error of whoever needs a place for a while.
func NoTemporary(err error) error {
	why := err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		why = p.Err
	}
	return &fault.Error{
		Kind: fault.Invalid, Msg: fmt.Sprintf("cannot write temporary files in %s: %v", os.TempDir(), why),
		Hint: "set TMPDIR to a folder that can be written and has room", Err: err,
	}
}

// build runs the project's own build in a copy of its tree: the user's stays as
// it is, may be read-only, and two builds do not meet.
func (r *Result) build(ctx context.Context, o Options, root string) error {
	work, err := os.MkdirTemp("", "trainyard-build-")
	if err != nil {
		return NoTemporary(err)
	}
	defer func() { _ = makeWritable(work); _ = os.RemoveAll(work) }()
	tree := filepath.Join(work, "tree", filepath.Base(root))
	if filepath.Base(root) == string(filepath.Separator) || filepath.Base(root) == "." {
		tree = filepath.Join(work, "tree", "project")
	}
	if err := os.Mkdir(filepath.Dir(tree), 0o700); err != nil {
		return NoTemporary(err)
	}
	b := &building{Options: o, root: root, tree: tree, aside: filepath.Join(work, "aside")}
	if b.huge, err = copyTree(root, tree, o.OutDir, work); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
	defer cancel()
	if r.Kind == Pyproject {
		err = b.project(ctx, r)
	} else {
		err = b.setup(ctx)
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
		case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tar"):
			if err := normalise(filepath.Join(o.OutDir, name)); err != nil {
				return err
			}
		case strings.HasSuffix(name, ".whl"):
			if err := normaliseWheel(filepath.Join(o.OutDir, name)); err != nil {
				return err
			}
		}
	}
	if err := r.describe(o, filepath.Join(root, string(r.Kind))); err != nil {
		return err
	}
	if err := b.refuseHuge(r); err != nil {
		return err
	}
	return r.compare(b)
}

// building is a build of a project in a copy of its tree.
type building struct {
	Options
	root, tree string
	aside      string   // for what builds leave beside their archives
	huge       []string // files that are too large for an archive: their copies are empty
}

// refuseHuge refuses an archive that has one of them.
func (b *building) refuseHuge(r *Result) error {
	for _, h := range b.huge {
		if r.has(h, true) {
			return tooLarge(filepath.Join(b.root, filepath.FromSlash(h)))
		}
	}
	return nil
}

var errTimeout = errors.New("time-out")

// setup runs setup.py as the original did: first with all its leavings
// elsewhere, then plainly, for scripts that do not take that. The archive is
// compressed here, which takes a fraction of Python's time.
func (b *building) setup(ctx context.Context) error {
	python, err := findPython(b.Options)
	if err != nil {
		return err
	}
	var out []byte
	for i, args := range [][]string{
		{"egg_info", "--egg-base", b.aside, "build", "--build-base", b.aside, "--build-temp", b.aside, "sdist", "--formats=tar", "--dist-dir", b.OutDir},
		{"sdist", "--formats=tar", "--dist-dir", b.OutDir},
	} {
		if err := os.MkdirAll(b.aside, 0o700); err != nil {
			return NoTemporary(err)
		}
		out, err = b.output(ctx, python, append([]string{"setup.py", "-q"}, args...)...)
		if err == nil {
			return nil
		}
		if stopped := b.stoppedBy(ctx); stopped != nil {
			return stopped
		}
		if i > 0 {
			break
		}
		if _, err := b.output(ctx, python, "-c", "import setuptools"); err != nil {
			return b.isolated(ctx, python)
		}
	}
	return b.failed(ctx, out, err)
}

// isolated builds with a setuptools that is fetched for it.
func (b *building) isolated(ctx context.Context, python string) error {
	if b.UV != nil {
		if uv, err := b.UV(ctx); err == nil {
			out, err := b.output(ctx, uv, "build", "--sdist", "--python", python, "--out-dir", b.OutDir, b.tree)
			return b.failed(ctx, out, err)
		}
	}
	return fault.Errorf(fault.Invalid, "%s has no setuptools, which %s needs", python, filepath.Join(b.root, "setup.py")).
		WithHint("%s -m pip install setuptools; or build the archive elsewhere and name it with --packages", python)
}

// stoppedBy is the error for a build that was stopped, or nil.
func (b *building) stoppedBy(ctx context.Context) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		return fault.Errorf(fault.Invalid, "building %s took longer than %s and was stopped", b.root, b.Timeout).
			WithHint("does its setup.py wait for input or for the network? try: python setup.py sdist")
	default:
		return cause
	}
}

func (b *building) failed(ctx context.Context, out []byte, err error) error {
	if err == nil {
		return nil
	}
	if stopped := b.stoppedBy(ctx); stopped != nil {
		return stopped
	}
	again := "python setup.py sdist"
	if !exists(filepath.Join(b.root, "setup.py")) {
		again = "python -m build"
	}
	text := strings.TrimSpace(strings.ReplaceAll(string(out), b.tree, b.root))
	if text == "" {
		text = err.Error()
	}
	return fault.Errorf(fault.Invalid, "Packaging of user Python code failed with message:\n\n%s\n", text).
		WithHint("try it yourself: cd %s && %s; an archive that you built can be named with --packages", b.root, again)
}
