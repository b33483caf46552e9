package pyenv

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// generator is the line in PKG-INFO by which an archive says that it was made
// by us from a plain package: its files are the installation, and its setup.py
// has nothing to say beyond them.
const generator = "Generator: trainyard"

// ours reports whether an archive is one of those. Only a claim in the first
// entry counts, so that a large archive is not read for it.
func ours(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return false
	}
	t := tar.NewReader(io.LimitReader(gz, 1<<20))
	for range 2 { // the first may be the folder
		h, err := t.Next()
		if err != nil {
			return false
		}
		if path.Base(h.Name) == "PKG-INFO" && strings.Count(h.Name, "/") == 1 {
			b, err := io.ReadAll(io.LimitReader(t, 1<<20))
			head, _, _ := strings.Cut(string(b), "\n\n")
			return err == nil && generatorLine.MatchString(head)
		}
	}
	return false
}

var generatorLine = pattern.New(`(?m)^` + generator + `\b`)

// aside are the files beside the packages that a wheel does not hold.
var aside = map[string]bool{"PKG-INFO": true, "setup.py": true, "setup.cfg": true, "pyproject.toml": true, "MANIFEST.in": true}

// convertOurs turns such an archive into a wheel without starting Python.
func convertOurs(f File) builder {
	return func(ctx context.Context, dir string, l *lock) (any, error) {
		d, err := convert(f.Path, dir)
		if err != nil {
			var pathErr *os.PathError
			if errors.As(err, &pathErr) {
				return nil, diskError("convert "+f.Name, err)
			}
			return nil, notAPackage(f.Name, "is damaged: "+err.Error())
		}
		return d, nil
	}
}

func convert(archive, dir string) (d dist, err error) {
	f, err := os.Open(archive)
	if err != nil {
		return dist{}, err
	}
	defer func() { _ = f.Close() }()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return dist{}, err
	}
	temp, err := os.CreateTemp(dir, "wheel")
	if err != nil {
		return dist{}, err
	}
	defer func() { err = errors.Join(err, temp.Close()) }()
	w := &wheelWriter{zip: zip.NewWriter(temp)}
	t := tar.NewReader(gz)
	var info []byte
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return dist{}, err
		}
		_, name, inside := strings.Cut(h.Name, "/")
		if h.Typeflag != tar.TypeReg || !inside {
			continue
		}
		if name != path.Clean(name) || !filepath.IsLocal(name) {
			return dist{}, fmt.Errorf("unsafe name %q", h.Name)
		}
		first, _, nested := strings.Cut(name, "/")
		switch {
		case name == "PKG-INFO":
			if info, err = io.ReadAll(io.LimitReader(t, 1<<20)); err != nil {
				return dist{}, err
			}
		case !nested && aside[name], nested && strings.HasSuffix(first, ".egg-info"):
		default:
			if err := w.add(name, t); err != nil {
				return dist{}, err
			}
		}
	}
	d, err = readMetadata(strings.NewReader(string(info)))
	if err != nil {
		return dist{}, err
	}
	form := strings.ReplaceAll(normalName(d.Name), "-", "_")
	if _, ok := parseVersion(d.Version); !ok || form == "" || !filepath.IsLocal(form) {
		return dist{}, fmt.Errorf("no name and version in PKG-INFO")
	}
	d.Wheel = form + "-" + strings.ReplaceAll(d.Version, "-", "_") + "-py3-none-any.whl"
	if err := w.finish(form+"-"+d.Version+".dist-info", info); err != nil {
		return dist{}, err
	}
	return d, os.Rename(temp.Name(), filepath.Join(dir, d.Wheel))
}

// wheelWriter writes a wheel and keeps its record.
type wheelWriter struct {
	zip    *zip.Writer
	record [][]string
}

func (w *wheelWriter) add(name string, r io.Reader) error {
	to, err := w.zip.Create(name)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), r)
	w.record = append(w.record, []string{name, "sha256=" + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)), fmt.Sprint(n)})
	return err
}

func (w *wheelWriter) finish(info string, metadata []byte) error {
	const wheel = "Wheel-Version: 1.0\nGenerator: trainyard\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	if err := w.add(info+"/METADATA", strings.NewReader(string(metadata))); err != nil {
		return err
	}
	if err := w.add(info+"/WHEEL", strings.NewReader(wheel)); err != nil {
		return err
	}
	to, err := w.zip.Create(info + "/RECORD")
	if err != nil {
		return err
	}
	c := csv.NewWriter(to)
	if err := c.WriteAll(append(w.record, []string{info + "/RECORD", "", ""})); err != nil {
		return err
	}
	return w.zip.Close()
}
