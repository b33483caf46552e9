package pyenv

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// baseBuilder installs what the packages require, beyond a runtime whose
// layer and lock are given.
func (c *Cache) baseBuilder(t *tools, p plan, runtime string, kept []string, log func(string)) builder {
	return func(ctx context.Context, dir string, l *lock) (any, error) {
		if err := t.venv(ctx, c, l, dir, log); err != nil {
			return nil, err
		}
		if runtime != "" {
			if err := seePackages(dir, runtime, t.python.Version); err != nil {
				return nil, diskError("join the environment's layers", err)
			}
		}
		if len(p.requires) > 0 {
			log("Installing the dependencies: " + c.redact(strings.Join(p.requires, ", ")))
			if err := t.install(ctx, c, l, dir, p, kept, log); err != nil {
				return nil, err
			}
		}
		m := t.marker()
		own, err := installed(sitePackages(dir, t.python.Version))
		if err != nil {
			return nil, diskError("read what was installed", err)
		}
		m.Lock = lockOf(own)
		if runtime != "" {
			m.Base, m.Notes = layerName(runtime), p.replacements(own, kept)
			if err := adoptPrograms(dir, runtime); err != nil {
				return nil, diskError("join the environment's layers", err)
			}
		}
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
		m.Base = layerName(base)
		for _, d := range dists {
			if err := t.put(ctx, c, l, dir, d, log); err != nil {
				return nil, err
			}
			m.Packages = append(m.Packages, d.Title()+" "+d.digest)
		}
		if err := errors.Join(seePackages(dir, base, t.python.Version), adoptPrograms(dir, base)); err != nil {
			return nil, diskError("join the environment's layers", err)
		}
		return m, nil
	}
}

func (t *tools) marker() layerMarker {
	return layerMarker{Python: t.python.Path, Version: t.python.Version, Installer: t.kind + " " + t.version}
}

// layerName is how one layer's marker names another.
func layerName(dir string) string { return filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir) }

// seePackages makes a layer's packages importable from the one above it, behind
// that one's own.
func seePackages(top, base, version string) error {
	line := "import site; site.addsitedir(" + strconv.Quote(sitePackages(base, version)) + ")\n"
	// The name sorts after any that a package brings: those come first.
	return os.WriteFile(filepath.Join(sitePackages(top, version), "zz_trainyard_base.pth"), []byte(line), 0o644)
}

// adoptPrograms makes a layer's programs run with the interpreter of the one
// above it, which has its own ones already.
func adoptPrograms(top, base string) error {
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
