package pack

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// maxMembers bounds what is read of an archive that somebody hands us.
const maxMembers = 1_000_000

// List names the files in a distribution archive.
func List(path string) (files []File, err error) {
	err = Each(path, func(f File, _ io.Reader) error {
		files = append(files, f)
		return nil
	})
	return files, err
}

// Each hands the files in a distribution archive (.tar.gz, .tgz, .tar, .zip and
// .whl) to fn, one after the other. Other files have nothing in them.
func Each(path string, fn func(File, io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", path, err)
	}
	defer f.Close()
	switch name := strings.ToLower(path); {
	case strings.HasSuffix(name, ".whl"), strings.HasSuffix(name, ".zip"):
		err = eachInZip(f, fn)
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		var z *gzip.Reader
		if z, err = gzip.NewReader(bufio.NewReaderSize(f, 1<<16)); err == nil {
			err = eachInTar(z, fn)
		}
	case strings.HasSuffix(name, ".tar"):
		err = eachInTar(f, fn)
	}
	if err != nil {
		return fault.Errorf(fault.Invalid, "%s is not a readable archive: %w", path, err).WithHint("build it again: python setup.py sdist")
	}
	return nil
}

func eachInTar(r io.Reader, fn func(File, io.Reader) error) error {
	t := tar.NewReader(r)
	for range maxMembers {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && h.Typeflag == tar.TypeReg {
			err = fn(File{h.Name, h.Size}, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func eachInZip(f *os.File, fn func(File, io.Reader) error) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil {
		return err
	}
	for _, m := range z.File {
		if strings.HasSuffix(m.Name, "/") {
			continue
		}
		r := &opened{member: m}
		err := fn(File{m.Name, int64(m.UncompressedSize64)}, r)
		r.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// opened is a member of a zip that is opened when it is first read: a list of
// names reads none.
type opened struct {
	member *zip.File
	r      io.ReadCloser
}

func (o *opened) Read(p []byte) (int, error) {
	if o.r == nil {
		r, err := o.member.Open()
		if err != nil {
			return 0, err
		}
		o.r = r
	}
	return o.r.Read(p)
}

func (o *opened) close() {
	if o.r != nil {
		_ = o.r.Close()
	}
}
