package pyenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/runtimes"
)

// runtimeBuilder installs a runtime version's packages: exactly the locked ones
// where the lock holds; elsewhere what it asks for, near the lock.
func (c *Cache) runtimeBuilder(t *tools, r *runtimes.Runtime, log func(string)) builder {
	return func(ctx context.Context, dir string, l *lock) (any, error) {
		if err := t.venv(ctx, c, l, dir, log); err != nil {
			return nil, err
		}
		size := ""
		if r.Download > 0 {
			size = fmt.Sprintf(", about %d MB to download where they are not in the cache", (r.Download+999_999)/1_000_000)
		}
		log(fmt.Sprintf("Installing the packages of runtime version %s (%d%s)", r.Version, max(len(r.Packages), len(r.Requires)), size))
		err := t.installRuntime(ctx, c, l, dir, r, log)
		if err != nil {
			if e, ok := err.(*InstallError); ok && e.Package == "" {
				e.Package = "runtime version " + r.Version
			}
			return nil, err
		}
		own, err := installed(sitePackages(dir, t.python.Version))
		if err != nil {
			return nil, diskError("read what was installed", err)
		}
		m := t.marker()
		m.Runtime, m.Digest, m.Lock = r.Version, r.Digest(), lockOf(own)
		return m, nil
	}
}

func (t *tools) installRuntime(ctx context.Context, c *Cache, l *lock, dir string, r *runtimes.Runtime, log func(string)) error {
	if !t.lockHolds(r) {
		var pins []string
		for _, p := range r.Packages {
			pins = append(pins, p.String())
		}
		return t.install(ctx, c, l, dir, plan{requires: r.Requires}, pins, log)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return diskError("make a temporary folder", err)
	}
	list := filepath.Join(tmp, "lock.txt")
	var text strings.Builder
	hashed := true
	for _, p := range r.Packages {
		text.WriteString(p.String())
		for _, h := range p.Hashes {
			text.WriteString(" --hash=" + h)
		}
		text.WriteString("\n")
		hashed = hashed && len(p.Hashes) > 0
	}
	if err := os.WriteFile(list, []byte(text.String()), 0o600); err != nil {
		return diskError("write the lock", err)
	}
	python := filepath.Join(binDir(dir), "python")
	args := []string{python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps", "-r", list}
	if t.kind == "uv" {
		args = append([]string{t.uv, "pip", "install", "--python", python, "--no-deps", "-r", list}, c.uvFlags()...)
	}
	if hashed {
		args = append(args, "--require-hashes")
	}
	return c.again(ctx, log, func() error { return c.command(ctx, l, "environment", log, args...) })
}

// lockHolds reports whether a runtime's packages can be installed as they are
// locked. A site's own lock is for the site's machines.
func (t *tools) lockHolds(r *runtimes.Runtime) bool {
	if len(r.Packages) == 0 {
		return false
	}
	here := runtime.GOOS + "/" + runtime.GOARCH
	return minor(t.python.Version) == r.Python[0] && (r.Source != "" || here == runtimes.LockedPlatform && platform() == here+"/gnu")
}

// add resolves requirements so that what is kept stays where it meets them, and
// installs the rest.
func (t *tools) add(ctx context.Context, c *Cache, l *lock, dir, list, given string, kept []string, log func(string)) error {
	// uv prefers the versions that it finds in the file that it is to write.
	resolved := filepath.Join(filepath.Dir(list), "resolved.txt")
	if err := os.WriteFile(resolved, []byte(strings.Join(kept, "\n")+"\n"), 0o600); err != nil {
		return diskError("write the runtime's versions", err)
	}
	python := filepath.Join(binDir(dir), "python")
	args := append([]string{t.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python, list, "--excludes", given, "-o", resolved}, c.uvFlags()...)
	if err := c.command(ctx, l, "environment", log, args...); err != nil {
		return err
	}
	b, err := os.ReadFile(resolved)
	if err != nil {
		return diskError("read what was resolved", err)
	}
	var missing []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !slices.Contains(kept, normalPin(line)) {
			missing = append(missing, line)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rest := filepath.Join(filepath.Dir(list), "missing.txt")
	if err := os.WriteFile(rest, []byte(strings.Join(missing, "\n")+"\n"), 0o600); err != nil {
		return diskError("write what is missing", err)
	}
	args = append([]string{t.uv, "pip", "install", "--python", python, "--no-deps", "-r", rest}, c.uvFlags()...)
	return c.command(ctx, l, "environment", log, args...)
}
