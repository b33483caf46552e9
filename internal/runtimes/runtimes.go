// Package runtimes says what a runtime version is and which Python a job gets.
//
// A runtime version is data: a file of YAML, named after it, that says its
// Pythons, what it asks for and the lock that this resolved to. Ours are in
// data/, a site's own in a folder of its own. The package knows neither how an
// interpreter is found nor how packages are installed: it is told what Pythons
// there are, by their versions.
package runtimes

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

const (
	// NewestPython caps the Python of jobs that name none: the newest that the
	// wheels of current TensorFlow and scikit-learn serve.
	NewestPython = "3.13"
	// OldestPython is the oldest that packages are installed for.
	OldestPython = "3.6"
)

// LockedPlatform is where the locks of our own files hold. Elsewhere their
// versions are preferred, and the rest is resolved.
const LockedPlatform = "linux/amd64"

// Runtime is one runtime version.
type Runtime struct {
	Version    string
	Title      string
	Python     []string // lines, "3.7", the best first; the lock is for the first
	Released   string   // as far as it is known: 2020, 2020-03 or 2020-03-09
	Deprecated Date     // from then on jobs are warned
	Ends       Date     // from then on jobs are refused
	Requires   []string // what it asks for
	Download   int64    // bytes of its packages
	Packages   []Pin    // what that resolved to; none: resolved when it is first needed
	Source     string   // file of a site's own; empty for ours
}

// Pin is a package at a version. Without hashes any file of it will do.
type Pin struct {
	Name, Version string
	Hashes        []string // "sha256:…"
}

func (p Pin) String() string { return p.Name + "==" + p.Version }

// Digest changes with everything that decides what is installed.
func (r *Runtime) Digest() string {
	sum := sha256.New()
	for _, line := range r.Requires {
		sum.Write([]byte(line + "\n"))
	}
	for _, p := range r.Packages {
		sum.Write([]byte(p.String() + " " + strings.Join(p.Hashes, " ") + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Bare reports that the version is a Python and nothing else.
func (r *Runtime) Bare() bool { return len(r.Requires) == 0 && len(r.Packages) == 0 }

// Pin finds a package by its normal name.
func (r *Runtime) Pin(name string) (Pin, bool) {
	at := slices.IndexFunc(r.Packages, func(p Pin) bool { return p.Name == name })
	if at < 0 {
		return Pin{}, false
	}
	return r.Packages[at], true
}

// Catalogue is the versions that there are. The zero value has ours alone.
type Catalogue struct {
	// Dir holds a site's own files, VERSION.yaml; it need not exist. One of them
	// wins over ours of the same name.
	Dir string
	// Default is the version of jobs that name none; empty for the newest Python
	// without packages.
	Default string
}

//go:embed data/*.yaml
var ours embed.FS

var barePython = pattern.New(`^python(3\.\d{1,2})$`)

// Get reads one version. An unknown one is fault.NotFound.
func (c Catalogue) Get(version string) (*Runtime, error) {
	if !validName(version) {
		return nil, fault.Errorf(fault.NotFound, "there is no runtime version %q", version)
	}
	if m := barePython.FindStringSubmatch(version); m != nil {
		return &Runtime{Version: version, Title: "Python " + m[1] + " without packages", Python: []string{m[1]}}, nil
	}
	if c.Dir != "" {
		path := filepath.Join(c.Dir, version+".yaml")
		b, err := os.ReadFile(path)
		if err == nil {
			return decode(b, version, path)
		}
		if !os.IsNotExist(err) {
			return nil, fault.Errorf(fault.Invalid, "runtime version %s: %w", version, err)
		}
	}
	b, err := ours.ReadFile("data/" + version + ".yaml")
	if err != nil {
		return nil, fault.Errorf(fault.NotFound, "there is no runtime version %q", version)
	}
	return decode(b, version, "")
}

// Versions are the names of all that have a file, a site's own first, then the
// newest first.
func (c Catalogue) Versions() []string {
	var own []string
	if c.Dir != "" {
		own = names(os.DirFS(c.Dir), ".")
	}
	for _, v := range names(ours, "data") {
		if !slices.Contains(own, v) {
			own = append(own, v)
		}
	}
	return own
}

func names(from fs.FS, dir string) []string {
	entries, err := fs.ReadDir(from, dir)
	if err != nil {
		return nil // a folder that is not there has none
	}
	var list []string
	for _, e := range entries {
		if v, ok := strings.CutSuffix(e.Name(), ".yaml"); ok && validName(v) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(compareNames(b, a), strings.Compare(a, b)) })
	return list
}

var nameForm = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func validName(s string) bool { return nameForm.MatchString(s) && !strings.Contains(s, "..") }
