// Package pyenv makes Python environments: a program's packages, and all that
// they need, for one interpreter.
//
// An environment has up to three layers, each a virtual environment of its own.
// The runtime holds the packages of a runtime version; the base holds the
// dependencies that the given packages declare, as far as the runtime does not
// meet them; the top holds the given packages themselves. Each sees the one
// below through a .pth file, and its own packages come first. So a changed
// package on unchanged dependencies installs one small wheel.
//
//	packages/KEY  a wheel: given, or built once from a source archive
//	build/KEY     the tools that packages with nothing but a setup.py are built with
//	runtime/KEY   a runtime version's packages: interpreter, lock, index, installer
//	base/KEY      dependencies: interpreter, runtime, requirements, index, installer
//	top/KEY       the base below and the packages' digests, in order
//
// Virtual environments do not survive a rename, so each is built where it
// stays and is absent until its file "complete" is there, which is written
// last. One lock per key has one builder at a time, among all processes, and
// many users; the builder's children hold it too, so that what a killed
// builder left running is never written over.
//
// The package knows nothing of jobs, and reads no environment variable: it is
// handed them.
package pyenv

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/runtimes"
)

// kinds are the folders of layers.
var kinds = []string{"packages", "build", "runtime", "base", "top"}

// Options say how a cache finds and installs things. The zero value works.
type Options struct {
	Installer string   // "auto" (also ""), "uv" or "pip"
	UV        string   // a uv executable; empty: found on PATH, else fetched from the index
	Index     Index    // where packages come from; from IndexFrom
	Pythons   []string // interpreters, or folders of them, that come before all found
	Environ   []string // of the installers, and for finding interpreters: PATH, HOME and so on
	Runtimes  runtimes.Catalogue
	Folders   Folders // gives packages in buckets; may be nil
	Fetch     bool    // a Python that is asked for and not there is fetched
	Log       *slog.Logger
}

// Cache is a folder of environments. Any number of processes may share it.
type Cache struct {
	dir string
	o   Options
	log *slog.Logger

	houses wheelhouses
	sweep  sync.Once
	mu     sync.Mutex // held while a uv is looked for
}

// Open opens the cache in dir, which is made when it is missing.
func Open(dir string, o Options) (*Cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "environments folder: %w", err)
	}
	if strings.Contains(dir, "#") {
		// uv takes what follows for a fragment, also of a file URL that says %23.
		return nil, fault.Errorf(fault.Invalid, "the folder %s has a # in its path, and uv cannot install from it", dir).WithHint("choose a data directory without one")
	}
	switch o.Installer {
	case "", "auto", "uv", "pip":
	default:
		return nil, fault.Errorf(fault.Invalid, "unknown installer %q", o.Installer).WithHint("it is auto, uv or pip")
	}
	for _, d := range append([]string{"locks"}, kinds...) {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, diskError("make the environments folder", err)
		}
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Cache{dir: dir, o: o, log: log}, nil
}

// Interpreters are the Pythons that jobs can have.
func (c *Cache) Interpreters(ctx context.Context) []Interpreter {
	return Find(ctx, Search{Pythons: c.o.Pythons, Fetched: c.fetchedPythons(), Environ: c.o.Environ, Memory: filepath.Join(c.dir, "pythons.json")})
}

// Runtimes are the versions that jobs may ask for.
func (c *Cache) Runtimes() runtimes.Catalogue { return c.o.Runtimes }

// Fetches reports whether a Python that is not there is fetched.
func (c *Cache) Fetches() bool { return c.o.Fetch }

// Choose says what a job gets, or why it cannot have what it asks for.
func (c *Cache) Choose(ctx context.Context, runtime, python string) (runtimes.Choice, error) {
	choice, _, err := c.chooseFrom(ctx, runtime, python)
	return choice, err
}

func (c *Cache) chooseFrom(ctx context.Context, runtime, python string) (runtimes.Choice, []Interpreter, error) {
	found := c.Interpreters(ctx)
	var have []string
	for _, i := range found {
		have = append(have, i.Version)
	}
	choice, err := c.o.Runtimes.Choose(runtimes.Ask{Runtime: runtime, Python: python, Now: time.Now(), Fetch: c.o.Fetch}, have)
	return choice, found, err
}

// Request is what a program needs.
type Request struct {
	Runtime  string // runtime version as asked; may be empty
	Python   string // Python version as asked; may be empty
	Packages []File // in the order they are installed
	// Lock is what the environment is to be made of, exactly: of packages the
	// versions, of Pythons the one. Nil to choose what fits.
	Lock *Made
}

// File is a package archive.
type File struct {
	Name   string // its base name as it was given: wheels carry their meaning in it
	Path   string
	SHA256 string // hexadecimal
}

// Made is what an environment is made of.
type Made struct {
	Python   string   // "3.11.7"
	Runtime  string   // runtime version; empty without one
	Packages []string // all: "name==version", the given ones with their digests
}

// Env is an environment, ready to run in.
type Env struct {
	Python  string            // the interpreter
	BinDir  string            // of the programs that packages bring, those of the base too
	Vars    map[string]string // for the program
	Cached  bool              // nothing had to be built
	Made    Made              // what it is made of
	Notes   []string          // for the job's log
	Release func()            // to be called when the program has ended; never nil
}
