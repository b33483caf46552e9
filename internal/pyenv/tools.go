package pyenv

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// tools install packages for one interpreter.
type tools struct {
	kind    string // "uv" or "pip"
	uv      string // executable
	version string
	python  Interpreter
}

// tools chooses the installer: uv where it can be had, pip where not.
func (c *Cache) tools(ctx context.Context, python Interpreter, log func(string)) (*tools, error) {
	pip := &tools{kind: "pip", version: "of " + python.Version, python: python}
	if c.o.Installer == "pip" || compareVersions(python.Version, "3.6") < 0 {
		return pip, nil
	}
	uv, version, err := c.findUV(ctx, log)
	if err != nil {
		if c.o.Installer == "uv" || ctx.Err() != nil || !hasPip(python) {
			return nil, err
		}
		log("Installing with pip, since uv is not to be had: " + c.redact(err.Error()))
		return pip, nil
	}
	return &tools{kind: "uv", uv: uv, version: version, python: python}, nil
}

// hasPip reports whether the interpreter can make environments with pip:
// Debian's cannot unless a package of its own is installed.
func hasPip(p Interpreter) bool {
	lib := filepath.Join(filepath.Dir(filepath.Dir(p.Path)), "lib", "python"+minor(p.Version))
	bundled, _ := filepath.Glob(filepath.Join(lib, "ensurepip", "_bundled", "pip-*.whl"))
	return len(bundled) > 0
}

// venv makes an empty environment in dir, where its lock's holder stays.
func (t *tools) venv(ctx context.Context, c *Cache, l *lock, dir string, log func(string)) error {
	if t.kind == "uv" {
		return c.command(ctx, l, "environment", nil, t.uv, "venv", "--quiet", "--no-project", "--allow-existing", "--python", t.python.Path, dir)
	}
	if !hasPip(t.python) {
		return &InstallError{Step: "environment", Err: fault.Errorf(fault.Precondition, "Python %s has no pip to install packages with", t.python.Version).
			WithHint("let uv install them (installer: auto), or install the system's venv package")}
	}
	return c.command(ctx, l, "environment", nil, t.python.Path, "-m", "venv", dir)
}

// install resolves and installs the requirements of a base. Of a runtime below
// it, what meets them stays: kept is its lock.
func (t *tools) install(ctx context.Context, c *Cache, l *lock, dir string, p plan, kept []string, log func(string)) error {
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return diskError("make a temporary folder", err)
	}
	list, given := filepath.Join(tmp, "requirements.txt"), filepath.Join(tmp, "given.txt")
	for file, lines := range map[string][]string{list: p.requires, given: p.names} {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return diskError("write the requirements", err)
		}
	}
	if p.exact {
		return t.installExactly(ctx, c, l, dir, list, log)
	}
	args := []string{filepath.Join(binDir(dir), "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-r", list}
	if t.kind == "uv" && len(kept) > 0 {
		return asked(c.again(ctx, log, func() error { return t.add(ctx, c, l, dir, list, given, kept, log) }), p)
	}
	if t.kind == "uv" {
		args = append([]string{t.uv, "pip", "install", "--python", filepath.Join(binDir(dir), "python"), "-r", list}, c.uvFlags()...)
		if len(p.names) > 0 { // uv warns of an empty file
			args = append(args, "--excludes", given)
		}
	}
	err := c.again(ctx, log, func() error { return c.command(ctx, l, "environment", log, args...) })
	return asked(err, p)
}

// put installs one wheel over what is there, and nothing else.
func (t *tools) put(ctx context.Context, c *Cache, l *lock, dir string, d dist, log func(string)) error {
	python := filepath.Join(binDir(dir), "python")
	args := []string{python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-index", "--force-reinstall", "--no-deps", d.path}
	if t.kind == "uv" {
		args = []string{t.uv, "pip", "install", "--python", python, "--offline", "--no-index", "--reinstall", "--no-deps", d.path}
	}
	return named(c.command(ctx, l, "install", log, args...), d.File)
}

// wheel builds a source archive into a wheel in out.
func (t *tools) wheel(ctx context.Context, c *Cache, l *lock, archive, out string, log func(string)) error {
	args := []string{t.python.Path, "-m", "pip", "wheel", "--no-input", "--disable-pip-version-check", "--no-deps", "--wheel-dir", out, archive}
	if t.kind == "uv" {
		limits := filepath.Join(filepath.Dir(out), "build-limits.txt")
		if err := os.WriteFile(limits, []byte(buildLimits), 0o600); err != nil {
			return diskError("write the build's limits", err)
		}
		args = append([]string{t.uv, "build", "--wheel", "--python", t.python.Path, "--out-dir", out, "--build-constraints", limits, archive}, c.uvFlags()...)
	}
	return named(c.again(ctx, log, func() error { return c.command(ctx, l, "build", log, args...) }), filepath.Base(archive))
}

// buildLimits hold back what breaks the setup.py files of the original's time:
// setuptools 82 is without pkg_resources, which many import. Older Pythons get
// older ones by themselves.
const buildLimits = "setuptools<82\n"

// uvFlags are the settings that uv takes only as flags.
func (c *Cache) uvFlags() []string {
	var flags []string
	x := c.o.Index
	if x.uvOwn {
		return nil
	}
	if x.NoIndex {
		flags = append(flags, "--no-index")
	}
	if len(x.Extra) > 0 { // as pip does: the best of all indexes
		flags = append(flags, "--index-strategy", "unsafe-best-match")
	}
	return flags
}

// again tries a second time what may go away by itself.
func (c *Cache) again(ctx context.Context, log func(string), try func() error) error {
	err := try()
	if e, ok := err.(*InstallError); ok && e.again && ctx.Err() == nil {
		log("Installation failed on try 1/2: " + err.Error())
		log("Retrying ...")
		err = try()
	}
	return err
}
