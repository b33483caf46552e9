package pyenv

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// legacyTools are what builds a package that says nothing of its build, as the
// setup.py files of the original's time do: the same for each of them.
var legacyTools = []string{strings.TrimSpace(buildLimits), "wheel"}

// legacyWheel builds such a package with tools that are kept, which takes a
// fraction of making an environment for each build. Whatever goes wrong says
// only that it has to be built the usual way.
func (c *Cache) legacyWheel(ctx context.Context, t *tools, l *lock, archive, out string) error {
	env, _, err := c.layer(ctx, "build", t.buildKey(c.o.Index), &layerMarker{}, func(ctx context.Context, dir string, l *lock) (any, error) {
		if err := t.venv(ctx, c, l, dir, nil); err != nil {
			return nil, err
		}
		args := append([]string{t.uv, "pip", "install", "--python", filepath.Join(binDir(dir), "python")}, legacyTools...)
		if err := c.command(ctx, l, "build", nil, append(args, c.uvFlags()...)...); err != nil {
			return nil, err
		}
		own, err := installed(sitePackages(dir, t.python.Version))
		m := t.marker()
		m.Requires, m.Lock = legacyTools, lockOf(own)
		return m, err
	})
	if err != nil {
		return err
	}
	defer env.release()
	return c.command(ctx, l, "build", nil, t.uv, "build", "--wheel", "--offline", "--no-build-isolation", "--python", filepath.Join(binDir(env.dir), "python"), "--out-dir", out, archive)
}

// buildKey names the tools that are kept.
func (t *tools) buildKey(x Index) string {
	return keyOf([]any{"1", t.python.Path, t.python.Version, legacyTools, x.material(), t.kind + " " + t.version})
}

// legacy reports whether a source archive has a setup.py and nothing that says
// how it is built.
func legacy(file string) bool {
	setup := false
	err := eachName(file, func(name string) error {
		_, inside, _ := strings.Cut(strings.TrimPrefix(name, "./"), "/")
		switch inside {
		case "setup.py":
			setup = true
		case "pyproject.toml":
			return errors.New("it says how it is built")
		}
		return nil
	})
	return err == nil && setup
}

// eachName gives fn the names in an archive, of the two forms that sdists have.
func eachName(file string, fn func(string) error) error {
	if strings.HasSuffix(strings.ToLower(file), ".zip") {
		z, err := zip.OpenReader(file)
		if err != nil {
			return err
		}
		defer func() { _ = z.Close() }()
		for _, f := range z.File {
			if err := fn(f.Name); err != nil {
				return err
			}
		}
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(gz); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(h.Name); err != nil {
			return err
		}
	}
}
