package pack

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/ignore"
)

// copyTree copies a project. Version control is linked, for builds that ask it
// for the version; what is nobody's code is left out. Of files that are too
// large for an archive there is an empty one.
func copyTree(from, to string, skip ...string) (huge []string, err error) {
	real, err := filepath.EvalSymlinks(from)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "Source directory [%s] is not a valid directory.", from)
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
		if info, err := d.Info(); err != nil {
			return err
		} else if info.Size() >= tooMuch {
			huge = append(huge, filepath.ToSlash(rel))
			return os.WriteFile(dest, nil, 0o600)
		}
		return copyFile(p, dest)
	})
	if _, ok := errors.AsType[*fault.Error](err); err != nil && !ok {
		err = fault.Errorf(fault.Invalid, "cannot copy %s to build it: %w", from, err)
	}
	return huge, err
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
