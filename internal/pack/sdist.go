package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/ignore"
)

// sdist runs the project's own build in a copy of its tree: the user's stays as
// it is, may be read-only, and two builds do not meet.
func sdist(ctx context.Context, o Options, root string, kind Kind) error {
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
	if kind == Pyproject {
		err = buildProject(ctx, o, root, tree)
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
				return failed(ctx, o, root, out, err)
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
	return failed(ctx, o, root, out, err)
}

// buildProject builds by PEP 517: in isolation with uv, or with the build
// package where the user's Python has it.
func buildProject(ctx context.Context, o Options, root, tree string) error {
	python, pyErr := findPython(o)
	if o.UV != nil {
		if uv, err := o.UV(ctx); err == nil {
			args := []string{"build", "--sdist", "--out-dir", o.OutDir}
			if pyErr == nil {
				args = append(args, "--python", python)
			}
			out, err := output(ctx, o, tree, uv, append(args, tree)...)
			return failed(ctx, o, root, out, err)
		}
	}
	if pyErr != nil {
		return pyErr
	}
	if _, err := output(ctx, o, tree, python, "-c", "import build"); err != nil {
		return fault.Errorf(fault.Invalid, "%s needs a build tool: neither uv nor the build package of %s is there", filepath.Join(root, "pyproject.toml"), python).
			WithHint("%s -m pip install build; or build the archive elsewhere and name it with --packages", python)
	}
	out, err := output(ctx, o, tree, python, "-m", "build", "--sdist", "--outdir", o.OutDir, tree)
	return failed(ctx, o, root, out, err)
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

func failed(ctx context.Context, o Options, root string, out []byte, err error) error {
	if err == nil {
		return nil
	}
	if stopped := stoppedBy(ctx, o, root); stopped != nil {
		return stopped
	}
	again := "python setup.py sdist"
	if !exists(filepath.Join(root, "setup.py")) {
		again = "python -m build --sdist"
	}
	return fault.Errorf(fault.Invalid, "Packaging of user Python code failed with message:\n\n%s\n", strings.TrimSpace(string(out))).
		WithHint("try it yourself: cd %s && %s; an archive that you built can be named with --packages", root, again)
}

// findPython is the interpreter that runs setup.py.
func findPython(o Options) (string, error) {
	if o.Python != "" {
		return o.Python, nil
	}
	for _, name := range []string{"python3", "python"} {
		for _, dir := range filepath.SplitList(variable(o.Environ, "PATH")) {
			p := filepath.Join(dir, name)
			if found, err := exec.LookPath(p); err == nil {
				return found, nil
			}
		}
	}
	return "", fault.Errorf(fault.Invalid, "No Python executable found on path. A Python executable with setuptools installed on the PYTHONPATH is required for building AI Platform training jobs.").
		WithHint("install Python, or build the archive elsewhere and name it with --packages")
}

// maxOutput is how much of a build's output is kept: its beginning and its end.
const maxOutput = 16 << 10

// output runs a command with everything it starts in a group of its own, which
// ends with it.
func output(ctx context.Context, o Options, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(append([]string{}, o.Environ...), "PYTHONDONTWRITEBYTECODE=1", "SOURCE_DATE_EPOCH=315532800", "PYTHONHASHSEED=0")
	var out headTail
	cmd.Stdout, cmd.Stderr = &out, &out
	group(cmd)
	cmd.WaitDelay = 2 * time.Second // a child that holds the pipe does not hold us
	err := cmd.Run()
	return out.bytes(), err
}

// headTail keeps the beginning and the end of what is written.
type headTail struct {
	head, tail bytes.Buffer
	dropped    int
}

func (h *headTail) Write(p []byte) (int, error) {
	n := len(p)
	if room := maxOutput/2 - h.head.Len(); room > 0 {
		k := min(room, len(p))
		h.head.Write(p[:k])
		p = p[k:]
	}
	h.tail.Write(p)
	if over := h.tail.Len() - maxOutput/2; over > 0 {
		h.tail.Next(over)
		h.dropped += over
	}
	return n, nil
}

func (h *headTail) bytes() []byte {
	if h.dropped == 0 {
		return append(h.head.Bytes(), h.tail.Bytes()...)
	}
	return []byte(fmt.Sprintf("%s\n[… %d bytes left out …]\n%s", h.head.Bytes(), h.dropped, h.tail.Bytes()))
}

// copyTree copies a project. Version control is linked, for builds that ask it
// for the version; what is nobody's code is left out.
func copyTree(from, to string, skip ...string) error {
	real, err := filepath.EvalSymlinks(from)
	if err != nil {
		return fault.Errorf(fault.Invalid, "Source directory [%s] is not a valid directory.", from)
	}
	for i := range skip {
		if s, err := filepath.EvalSymlinks(skip[i]); err == nil {
			skip[i] = s
		}
	}
	err = filepath.WalkDir(real, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(real, p)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		for _, s := range skip {
			if p == s {
				return filepath.SkipDir
			}
		}
		never := false
		if d.IsDir() {
			_, never = ignore.Never(filepath.Dir(p), d.Name(), true)
		}
		switch {
		case rel == ".":
			return os.MkdirAll(dest, 0o700)
		case d.Name() == ".git" && filepath.Dir(rel) == ".":
			if err := os.Symlink(p, dest); err != nil {
				return err
			}
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case never || d.IsDir() && leftover(p, rel):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(dest, 0o700)
		case d.Type()&fs.ModeSymlink != 0:
			return copyLink(real, p, rel, dest)
		case !d.Type().IsRegular():
			return nil // sockets, pipes and devices are nobody's code
		}
		return copyFile(p, dest)
	})
	if _, ok := errors.AsType[*fault.Error](err); err != nil && !ok {
		err = fault.Errorf(fault.Invalid, "cannot copy %s to build it: %w", from, err)
	}
	return err
}

// leftover tells the folders of earlier builds at the top of a project.
func leftover(path, rel string) bool {
	return (rel == "build" || rel == "dist") && !exists(filepath.Join(path, "__init__.py"))
}

// copyLink keeps a link that stays in the tree; one that leads out of it is
// refused when it is to be code, and left out when it is broken.
func copyLink(root, p, rel, dest string) error {
	to, err := filepath.EvalSymlinks(p)
	if err != nil {
		return nil
	}
	in, err := filepath.Rel(root, to)
	if err != nil || !filepath.IsLocal(in) {
		return fault.Errorf(fault.Invalid, "link %s leads out of the source directory, to %s", p, to).WithHint("copy what it names into the source directory, or remove the link")
	}
	target, err := filepath.Rel(filepath.Dir(rel), in)
	if err != nil {
		return err
	}
	return os.Symlink(target, dest)
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600|info.Mode().Perm()&0o111)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chtimes(to, epoch, epoch)
}

// makeWritable lets RemoveAll do its work on what a build made read-only.
func makeWritable(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return nil
	})
}
