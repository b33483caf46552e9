package pyenv

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/runtimes"
)

// chooseFor is choose, or what a lock says. A lock's runtime version may be
// gone since: its packages are in the lock.
func (c *Cache) chooseFor(ctx context.Context, r Request, log func(string)) (Interpreter, *runtimes.Runtime, []string, error) {
	if r.Lock == nil {
		return c.choose(ctx, r, log)
	}
	python, err := c.LockedPython(ctx, *r.Lock)
	if err != nil {
		return Interpreter{}, nil, nil, &InstallError{Step: "environment", Err: err}
	}
	if r.Lock.Runtime == "" {
		return python, nil, nil, nil
	}
	rt, err := c.o.Runtimes.Get(r.Lock.Runtime)
	if err != nil || rt.Bare() {
		return python, nil, nil, nil
	}
	return python, rt, nil, nil
}

// LockedPython is the interpreter that a lock was made for. Where it is gone the
// error is a fault.Precondition: a wheel for one Python is none for another.
func (c *Cache) LockedPython(ctx context.Context, lock Made) (Interpreter, error) {
	found := c.Interpreters(ctx)
	if at := slices.IndexFunc(found, func(i Interpreter) bool { return i.Version == lock.Python }); at >= 0 {
		return found[at], nil
	}
	return Interpreter{}, fault.Errorf(fault.Precondition, "the environment was made with Python %s, which this machine does not have any more", lock.Python).
		WithHint("install Python %s again, or have the packages chosen anew", lock.Python)
}

// reproduced reports whether the environment that the plan gives by itself is in
// the cache and is the locked one, which it mostly is: then nothing is
// installed. The layer that it found is in use until released.
func (c *Cache) reproduced(t *tools, p plan, runtimeKey string, below []string, lock *Made) (*layer, bool) {
	if runtimeKey != "" && p.met(below) {
		return nil, slices.Equal(wholeLock(below, nil, p.top), lock.Packages)
	}
	key := t.baseKey(runtimeKey, p, c.o.Index)
	held, err := tryLock(c.lockPath("base", key), false)
	if err != nil || held == nil {
		return nil, false
	}
	dir := filepath.Join(c.dir, "base", key)
	var m layerMarker
	b, _, err := readMarker(dir)
	if err == nil && json.Unmarshal(b, &m) == nil && slices.Equal(wholeLock(below, m.Lock, p.top), lock.Packages) {
		return &layer{dir, held}, true
	}
	held.release()
	return nil, false
}

// covers reports whether a lock has all packages of the layer below: one that it
// has not would be seen through it.
func covers(lock *Made, below []string) bool {
	for _, line := range below {
		name, _, _ := strings.Cut(line, "==")
		if _, there := versionIn(lock.Packages, name); !there {
			return false
		}
	}
	return true
}

// locked is the plan with a lock's versions in place of what is required, but
// for the given packages and what the layer below has just so.
func (p plan) locked(lock *Made, below []string) plan {
	urls := map[string]string{}
	for _, text := range p.requires {
		if r, ok := parseRequirement(text); ok && r.url {
			urls[r.name] = text // its version is not in an index
		}
	}
	var given []string
	for _, d := range p.top {
		given = append(given, d.name())
	}
	p.requires, p.exact = nil, true
	for _, line := range lock.Packages {
		pin, _, ours := strings.Cut(line, " ")
		name, version, _ := strings.Cut(pin, "==")
		if have, there := versionIn(below, name); ours || slices.Contains(given, name) || there && have == version {
			continue
		}
		if text, ok := urls[name]; ok {
			pin = text
		}
		p.requires = append(p.requires, pin)
	}
	slices.Sort(p.requires)
	return p
}

// installExactly installs a list of pins and nothing that they ask for.
func (t *tools) installExactly(ctx context.Context, c *Cache, l *lock, dir, list string, log func(string)) error {
	python := filepath.Join(binDir(dir), "python")
	args := []string{python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps", "-r", list}
	if t.kind == "uv" {
		args = append([]string{t.uv, "pip", "install", "--python", python, "--no-deps", "-r", list}, c.uvFlags()...)
	}
	return c.again(ctx, log, func() error { return c.command(ctx, l, "environment", log, args...) })
}
