//go:build unix

package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/pyenv"
	"github.com/trainyard/trainyard/internal/runtimes"
	"github.com/trainyard/trainyard/internal/server/yardapi"
)

// keeper is the cache of environments as the API asks for it.
type keeper struct{ *pyenv.Cache }

var _ yardapi.Environments = (*keeper)(nil)

func (k *keeper) Runtimes(ctx context.Context) ([]yardapi.Runtime, error) {
	built, err := k.built()
	if err != nil {
		return nil, err
	}
	have := k.have(ctx)
	names := k.Cache.Runtimes().Versions()
	seen := map[string]bool{}
	for _, v := range have {
		parts := strings.SplitN(v, ".", 3)
		if line := "python" + parts[0] + "." + parts[1]; !seen[line] {
			seen[line] = true
			names = append(names, line)
		}
	}
	list := []yardapi.Runtime{}
	for _, name := range names {
		r, err := k.Cache.Runtimes().Get(name)
		if err != nil {
			return nil, err
		}
		w := k.wire(r, have, built)
		w.Requires = nil
		list = append(list, w)
	}
	return list, nil
}

func (k *keeper) Runtime(ctx context.Context, version string) (yardapi.Runtime, error) {
	r, err := k.Cache.Runtimes().Find(version)
	if err != nil {
		return yardapi.Runtime{}, err
	}
	built, err := k.built()
	if err != nil {
		return yardapi.Runtime{}, err
	}
	w := k.wire(r, k.have(ctx), built)
	for _, p := range r.Packages {
		w.Packages = append(w.Packages, p.String())
	}
	return w, nil
}

func (k *keeper) have(ctx context.Context) []string {
	var have []string
	for _, i := range k.Interpreters(ctx) {
		have = append(have, i.Version)
	}
	return have
}

// built are the digests of the runtime versions whose packages are installed.
func (k *keeper) built() (map[string]bool, error) {
	list, err := k.List()
	if err != nil {
		return nil, err
	}
	built := map[string]bool{}
	for _, l := range list {
		if l.Digest != "" {
			built[l.Digest] = true
		}
	}
	return built, nil
}

// frameworks are the packages that a version is chosen for.
var frameworks = []string{"tensorflow", "torch", "scikit-learn", "xgboost", "xgboost-cpu"}

func (k *keeper) wire(r *runtimes.Runtime, have []string, built map[string]bool) yardapi.Runtime {
	now := time.Now()
	w := yardapi.Runtime{Version: r.Version, Title: r.Title, Python: r.Python, Status: r.Status(now), State: "to build", Download: r.Download,
		Default: r.Version == k.Cache.Runtimes().Default, Released: r.Released, Deprecated: string(r.Deprecated), Ends: string(r.Ends), Requires: r.Requires, Source: r.Source}
	for _, name := range frameworks {
		if p, ok := r.Pin(name); ok {
			w.Main = append(w.Main, name+" "+p.Version)
		}
	}
	if _, err := (runtimes.Catalogue{Dir: k.Cache.Runtimes().Dir}).Choose(runtimes.Ask{Runtime: r.Version, Now: now, Fetch: k.Fetches()}, have); err != nil && !r.Ends.Passed(now) {
		w.State = "no Python"
	} else if r.Bare() || built[r.Digest()] {
		w.State = "ready"
	}
	return w
}

func (k *keeper) PrepareRuntime(ctx context.Context, version, python string, log func(string)) (bool, error) {
	if _, err := k.Cache.Runtimes().Find(version); err != nil {
		return false, err
	}
	env, err := k.Prepare(ctx, pyenv.Request{Runtime: version, Python: python}, log)
	if err != nil {
		return false, err
	}
	defer env.Release()
	if !env.Cached {
		log("Compiling the packages")
		err = k.Compile(ctx, env)
	}
	return env.Cached, err
}

func (k *keeper) AddRuntime(ctx context.Context, file []byte, replace bool) (yardapi.Runtime, error) {
	r, err := k.Cache.Runtimes().Add(file, replace)
	if err != nil {
		return yardapi.Runtime{}, err
	}
	return k.Runtime(ctx, r.Version)
}

func (k *keeper) Environments(context.Context) ([]yardapi.Environment, error) {
	list, err := k.List()
	return wires(list), err
}

func (k *keeper) Environment(_ context.Context, key string) (yardapi.Environment, error) {
	l, err := k.Inspect(key)
	return wire(l), err
}

func (k *keeper) Prune(ctx context.Context, l yardapi.Limits) (yardapi.Pruned, error) {
	p, err := k.Cache.Prune(ctx, pyenv.Limits{Size: l.Size, Unused: time.Duration(l.Unused * float64(time.Second)), All: l.All})
	return yardapi.Pruned{Removed: wires(p.Removed), Freed: p.Freed, Left: p.Left}, err
}

func wires(list []pyenv.Cached) []yardapi.Environment {
	out := []yardapi.Environment{}
	for _, l := range list {
		out = append(out, wire(l))
	}
	return out
}

var kindNames = map[string]string{"packages": "package", "build": "build tools", "runtime": "runtime", "base": "dependencies", "top": "program"}

func wire(l pyenv.Cached) yardapi.Environment {
	return yardapi.Environment{Key: l.Key, Kind: kindNames[l.Kind], Python: l.Python, Runtime: l.Runtime, Size: l.Bytes, Built: l.Built.UTC(), Used: l.Used.UTC(), InUse: l.InUse,
		Installer: l.Installer, Requires: l.Requires, Lock: l.Lock, Packages: l.Packages, Below: l.Below, Path: l.Path}
}

// tend makes environments durable and keeps them within a size, a while after
// one was built.
func (k *keeper) tend(ctx context.Context, size int64, log *slog.Logger) error {
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	for first := true; ; first = false {
		n, err := k.Settle(ctx)
		if err != nil {
			log.Warn("making environments durable failed", "err", err)
		}
		if size > 0 && (first || n > 0) {
			p, err := k.Cache.Prune(ctx, pyenv.Limits{Size: size})
			if err != nil && ctx.Err() == nil {
				log.Warn("removing unused environments failed", "err", err)
			}
			if len(p.Removed) > 0 {
				log.Info("removed environments that were used longest ago", "count", len(p.Removed), "freed", config.FormatSize(p.Freed), "left", config.FormatSize(p.Left))
			}
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// made reads what the agent wrote beside the job's logs.
func made(dataDir string, j job.Job) ([]byte, error) {
	b, err := os.ReadFile(agent.MadeFile(filepath.Join(dataDir, "jobs", strconv.FormatInt(j.Seq, 10))))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Errorf(fault.NotFound, "job %s has had no environment yet", j.Key.ID)
	}
	return b, err
}
