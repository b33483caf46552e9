package pyenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/runtimes"
)

// Prepare returns an environment for the request, from the cache where it is
// there. Lines for the job's log go to log as they come, without secrets. What
// could not be installed is an *InstallError.
func (c *Cache) Prepare(ctx context.Context, r Request, log func(string)) (env Env, err error) {
	if log == nil {
		log = func(string) {}
	}
	python, rt, notes, err := c.chooseFor(ctx, r, log)
	if err != nil {
		return Env{}, err
	}
	t, err := c.tools(ctx, python, log)
	if err != nil {
		return Env{}, err
	}
	var held []*layer
	release := sync.OnceFunc(func() {
		for _, l := range held {
			l.release()
		}
	})
	defer func() {
		if err != nil {
			release()
		}
	}()
	var dists []dist
	for _, f := range r.Packages {
		if f.SHA256 == "" {
			if f.SHA256, err = digest(f.Path); err != nil {
				return Env{}, err
			}
		}
		d, l, err := c.distribution(ctx, t, f, log)
		if err != nil {
			return Env{}, named(err, f.Name)
		}
		defer l.release() // used until the top layer is there, which has its own copy
		dists = append(dists, d)
	}
	p := makePlan(dists, python.Version)
	env = Env{Cached: true}
	var last *layer
	var below layerMarker // of the runtime; empty without one
	step := func(kind, key string, m *layerMarker, build builder) error {
		l, hit, err := c.layer(ctx, kind, key, m, build)
		if err != nil {
			return err
		}
		held, last = append(held, l), l
		env.Cached = env.Cached && hit
		return nil
	}
	key := ""
	if rt != nil {
		key = t.runtimeKey(rt, c.o.Index)
		if err := step("runtime", key, &below, c.runtimeBuilder(t, rt, log)); err != nil {
			return Env{}, err
		}
		p.useRuntime(rt.Version, below.Lock)
	}
	if r.Lock != nil {
		l, same := c.reproduced(t, p, key, below.Lock, r.Lock)
		if l != nil {
			held = append(held, l)
		}
		if !same {
			if !covers(r.Lock, below.Lock) {
				rt, key, last, below = nil, "", nil, layerMarker{}
			}
			p = p.locked(r.Lock, below.Lock)
		}
	}
	var base layerMarker // of its own: reading it into the other's memory would change that
	if rt == nil || !p.met(below.Lock) {
		rtDir := ""
		if last != nil {
			rtDir = last.dir
		}
		key = t.baseKey(key, p, c.o.Index)
		if err := step("base", key, &base, c.baseBuilder(t, p, rtDir, below.Lock, log)); err != nil {
			return Env{}, err
		}
	}
	if len(p.top) > 0 {
		if err := step("top", topKey(key, p.top), &layerMarker{}, c.topBuilder(t, last.dir, p.top, log)); err != nil {
			return Env{}, err
		}
	}
	if r.Runtime == "" && r.Python == "" && rt == nil {
		notes = append(notes, "The job names no runtime version: it gets Python "+python.Version+" and what its packages require.")
	}
	env.Notes = append(append(notes, p.notes...), base.Notes...)
	env.Made = Made{Python: python.Version, Runtime: p.runtime, Packages: wholeLock(below.Lock, base.Lock, p.top)}
	if r.Lock != nil {
		env.Made.Runtime = r.Lock.Runtime
	}
	env.BinDir = binDir(last.dir)
	env.Python = filepath.Join(env.BinDir, "python")
	env.Vars = map[string]string{"VIRTUAL_ENV": last.dir}
	env.Release = release
	return env, nil
}

// layerMarker says what a finished environment holds, for a person who looks.
type layerMarker struct {
	Python    string
	Version   string
	Installer string
	Runtime   string   `json:",omitempty"`
	Digest    string   `json:",omitempty"` // of the runtime version
	Requires  []string `json:",omitempty"`
	Lock      []string `json:",omitempty"` // what was installed, "name==version"
	Notes     []string `json:",omitempty"` // for the log of each job that uses it
	Packages  []string `json:",omitempty"`
	Base      string   `json:",omitempty"` // the layer below, "kind/key"
}

// choose picks the interpreter and the runtime version, nil where there is none
// or it brings no packages.
func (c *Cache) choose(ctx context.Context, r Request, log func(string)) (Interpreter, *runtimes.Runtime, []string, error) {
	choice, found, err := c.chooseFrom(ctx, r.Runtime, r.Python)
	if err == nil && choice.Fetch != "" {
		if err = c.fetchPython(ctx, choice.Fetch, log); err == nil {
			choice, found, err = c.chooseFrom(ctx, r.Runtime, r.Python)
		}
		if err == nil && choice.Fetch != "" {
			err = fault.Errorf(fault.Precondition, "Python %s was fetched and is not found", choice.Fetch)
		}
	}
	if err != nil {
		return Interpreter{}, nil, nil, err
	}
	at := slices.IndexFunc(found, func(i Interpreter) bool { return i.Version == choice.Python })
	rt := choice.Runtime
	if rt != nil && rt.Bare() {
		rt = nil
	}
	return found[at], rt, choice.Warnings, nil
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fault.Errorf(fault.NotFound, "package: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", diskError("read "+path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// named fills in whose fault it was.
func named(err error, name string) error {
	if e, ok := errors.AsType[*InstallError](err); ok && e.Package == "" {
		e.Package = name
	}
	return err
}
