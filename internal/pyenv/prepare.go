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
	python, notes, err := c.choose(ctx, r)
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
	baseKey := t.baseKey(r.Runtime, p, c.o.Index)
	base, hit, err := c.layer(ctx, "base", baseKey, &layerMarker{}, c.baseBuilder(t, p, log))
	if err != nil {
		return Env{}, err
	}
	held = append(held, base)
	env = Env{Cached: hit, Notes: append(notes, p.notes...)}
	last := base
	if len(p.top) > 0 {
		last, hit, err = c.layer(ctx, "top", topKey(baseKey, p.top), &layerMarker{}, c.topBuilder(t, base.dir, p.top, log))
		if err != nil {
			return Env{}, err
		}
		held = append(held, last)
		env.Cached = env.Cached && hit
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
	Requires  []string `json:",omitempty"`
	Packages  []string `json:",omitempty"`
	Base      string   `json:",omitempty"`
}

// choose picks the interpreter.
func (c *Cache) choose(ctx context.Context, r Request) (Interpreter, []string, error) {
	found := c.Interpreters(ctx)
	var have []string
	for _, i := range found {
		have = append(have, i.Version)
	}
	choice, err := runtimes.Check(r.Runtime, r.Python, have)
	if err != nil {
		return Interpreter{}, nil, err
	}
	at := slices.IndexFunc(found, func(i Interpreter) bool { return i.Version == choice.Python })
	return found[at], choice.Warnings, nil
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
