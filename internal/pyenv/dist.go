package pyenv

import (
	"archive/zip"
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net/textproto"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// dist is a package as a wheel, with what its metadata says. It is the marker
// of a layer in packages.
type dist struct {
	Name     string
	Version  string
	Requires []string
	Wheel    string // base name, in the layer's folder
	File     string // base name as given

	path   string // of the wheel
	digest string
}

func (d dist) name() string { return normalName(d.Name) }

// Title names the package to a person.
func (d dist) Title() string { return d.Name + " " + d.Version }

// distribution returns a package as a wheel: the given one, or the one built
// from it now or earlier.
func (c *Cache) distribution(ctx context.Context, t *tools, f File, log func(string)) (dist, *layer, error) {
	f.Name = filepath.Base(f.Name)
	key := f.SHA256 + "-any"
	build := c.keepWheel(f)
	switch {
	case strings.HasSuffix(f.Name, ".whl"):
	case ours(f.Path):
		build = convertOurs(f)
	case isSource(f.Name):
		key = f.SHA256 + "-" + short(t.python.Path, t.python.Version)
		build = c.buildWheel(t, f, log)
	default:
		return dist{}, nil, notAPackage(f.Name, "is neither a wheel (.whl) nor a source archive (.tar.gz, .zip)")
	}
	var d dist
	l, _, err := c.layer(ctx, "packages", key, &d, build)
	if err != nil {
		return dist{}, nil, err
	}
	d.path, d.digest, d.File = filepath.Join(l.dir, d.Wheel), f.SHA256, f.Name
	return d, l, nil
}

func isSource(name string) bool {
	for _, ext := range []string{".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz", ".tar"} {
		if strings.HasSuffix(strings.ToLower(name), ext) {
			return true
		}
	}
	return false
}

// keepWheel copies a given wheel into the cache.
func (c *Cache) keepWheel(f File) builder {
	return func(ctx context.Context, dir string, l *lock) (any, error) {
		to := filepath.Join(dir, f.Name)
		if err := copyFile(f.Path, to); err != nil {
			return nil, diskError("copy "+f.Name, err)
		}
		return readWheel(to)
	}
}

func notAPackage(name, why string) error {
	e := &fault.Error{Kind: fault.Invalid, Msg: "package " + name + " " + why, Hint: "give a wheel, or a source archive made by 'python setup.py sdist'"}
	return &InstallError{Package: name, Step: "install", Err: e}
}

func misnamed(name, holds string) error {
	e := fault.Errorf(fault.Invalid, "package %s holds %s, which is not what its name says", name, holds).WithHint("give the file the name that it was built with")
	return &InstallError{Package: name, Step: "install", Err: e}
}

// readWheel reads a wheel's metadata without any Python.
func readWheel(file string) (dist, error) {
	base := filepath.Base(file)
	parts := strings.Split(strings.TrimSuffix(base, ".whl"), "-")
	if len(parts) != 5 && len(parts) != 6 {
		return dist{}, notAPackage(base, "is not named as a wheel is (name-version-python-abi-platform.whl)")
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return dist{}, notAPackage(base, "is damaged: "+err.Error())
	}
	defer func() { _ = z.Close() }()
	other := "" // package that it has the metadata of
	for _, f := range z.File {
		dir, name := path.Split(f.Name)
		dir = strings.TrimSuffix(dir, "/")
		info, ok := strings.CutSuffix(dir, ".dist-info")
		if !ok || name != "METADATA" || strings.Contains(dir, "/") {
			continue
		}
		if owner, _, _ := strings.Cut(info, "-"); normalName(owner) != normalName(parts[0]) {
			other = info
			continue
		}
		r, err := f.Open()
		if err != nil {
			return dist{}, notAPackage(base, "is damaged: "+err.Error())
		}
		d, err := readMetadata(io.LimitReader(r, 16<<20))
		_ = r.Close()
		if err != nil {
			return dist{}, notAPackage(base, "has unreadable metadata: "+err.Error())
		}
		d.Name, d.Version, d.Wheel = cmp.Or(d.Name, parts[0]), cmp.Or(d.Version, parts[1]), base
		named, ok := parseVersion(strings.ReplaceAll(parts[1], "_", "-"))
		if held, well := parseVersion(d.Version); normalName(d.Name) != normalName(parts[0]) || ok && well && named.compare(held) != 0 {
			return dist{}, misnamed(base, d.Title())
		}
		return d, nil
	}
	if other != "" {
		return dist{}, misnamed(base, strings.Replace(other, "-", " ", 1))
	}
	return dist{}, notAPackage(base, "has no metadata of its own")
}

// readMetadata reads the head of a METADATA or PKG-INFO file.
func readMetadata(r io.Reader) (dist, error) {
	h, err := textproto.NewReader(bufio.NewReader(r)).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return dist{}, err
	}
	d := dist{Name: strings.TrimSpace(h.Get("Name")), Version: strings.TrimSpace(h.Get("Version"))}
	for _, text := range h["Requires-Dist"] {
		d.Requires = append(d.Requires, strings.Join(strings.Fields(text), " "))
	}
	return d, nil
}

// buildWheel builds a source archive in isolation: with build tools from the
// index, in a temporary environment.
func (c *Cache) buildWheel(t *tools, f File, log func(string)) builder {
	return func(ctx context.Context, dir string, l *lock) (any, error) {
		src, out := filepath.Join(dir, "tmp", "src"), filepath.Join(dir, "tmp", "out")
		for _, d := range []string{src, out} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return nil, diskError("make a folder to build in", err)
			}
		}
		archive := filepath.Join(src, f.Name)
		if err := copyFile(f.Path, archive); err != nil {
			return nil, diskError("copy "+f.Name, err)
		}
		log("Building the package: " + f.Name)
		quick := t.kind == "uv" && legacy(archive) && c.legacyWheel(ctx, t, l, archive, out) == nil
		if !quick {
			if err := t.wheel(ctx, c, l, archive, out, log); err != nil {
				return nil, err
			}
		}
		wheels, _ := filepath.Glob(filepath.Join(out, "*.whl"))
		if len(wheels) != 1 {
			return nil, notAPackage(f.Name, "did not build into a wheel")
		}
		to := filepath.Join(dir, filepath.Base(wheels[0]))
		if err := os.Rename(wheels[0], to); err != nil {
			return nil, diskError("keep the built wheel", err)
		}
		return readWheel(to)
	}
}
