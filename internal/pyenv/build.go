package pyenv

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// baseBuilder installs what the packages require.
func (c *Cache) baseBuilder(t *tools, p plan, log func(string)) builder {
	return func(ctx context.Context, dir string, l *lock) (any, error) {
		if err := t.venv(ctx, c, l, dir, log); err != nil {
			return nil, err
		}
		if len(p.requires) > 0 {
			log("Installing the dependencies: " + c.redact(strings.Join(p.requires, ", ")))
			if err := t.install(ctx, c, l, dir, p, log); err != nil {
				return nil, err
			}
		}
		m := t.marker()
		for _, r := range p.requires {
			m.Requires = append(m.Requires, redactURLs(r))
		}
		return m, nil
	}
}

// topBuilder installs the packages themselves, one after the other, over what
// is there, and lets the base be seen below them.
func (c *Cache) topBuilder(t *tools, base string, dists []dist, log func(string)) builder {
	return func(ctx context.Context, dir string, l *lock) (any, error) {
		if err := t.venv(ctx, c, l, dir, log); err != nil {
			return nil, err
		}
		m := t.marker()
		m.Base = filepath.Base(base)
		for _, d := range dists {
			if err := t.put(ctx, c, l, dir, d, log); err != nil {
				return nil, err
			}
			m.Packages = append(m.Packages, d.Title()+" "+d.digest)
		}
		if err := seeBase(dir, base, t.python.Version); err != nil {
			return nil, diskError("join the environment's layers", err)
		}
		return m, nil
	}
}

func (t *tools) marker() layerMarker {
	return layerMarker{Python: t.python.Path, Version: t.python.Version, Installer: t.kind + " " + t.version}
}

// seeBase makes the base's packages importable from the top, behind the top's
// own, and its programs run with the top's interpreter.
func seeBase(top, base, version string) error {
	line := "import site; site.addsitedir(" + strconv.Quote(sitePackages(base, version)) + ")\n"
	// The name sorts after any that a package brings: those come first.
	if err := os.WriteFile(filepath.Join(sitePackages(top, version), "zz_trainyard_base.pth"), []byte(line), 0o644); err != nil {
		return err
	}
	from, to := binDir(base), binDir(top)
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ofVenv(e.Name()) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(to, e.Name())); err == nil {
			continue
		}
		if err := adopt(filepath.Join(from, e.Name()), filepath.Join(to, e.Name()), from, to); err != nil {
			return err
		}
	}
	return nil
}

func ofVenv(name string) bool {
	return strings.HasPrefix(name, "python") || strings.HasPrefix(strings.ToLower(name), "activate") ||
		slices.Contains([]string{"deactivate.bat", "pydoc.bat", "𝜋thon"}, name)
}

// adopt copies a script so that it names the other interpreter; anything else
// is linked.
func adopt(from, to, fromBin, toBin string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	lines := bytes.SplitAfterN(b, []byte("\n"), 3) // a long path stands in the second line
	if !bytes.HasPrefix(b, []byte("#!")) || len(lines) < 2 {
		return os.Symlink(from, to)
	}
	for i := range 2 {
		lines[i] = bytes.ReplaceAll(lines[i], []byte(fromBin+"/python"), []byte(toBin+"/python"))
	}
	return os.WriteFile(to, bytes.Join(lines, nil), 0o755)
}

func sitePackages(env, version string) string {
	return filepath.Join(env, "lib", "python"+minor(version), "site-packages")
}

func binDir(env string) string { return filepath.Join(env, "bin") }
