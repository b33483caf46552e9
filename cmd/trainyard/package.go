package main

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/trainyard/trainyard/internal/cli"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/pack"
	"github.com/trainyard/trainyard/internal/pyenv"
)

// packageFolder packages the folder that --package-path names, with a uv from
// the user's cache where a build needs isolation.
func packageFolder(ctx context.Context, o cli.PackageOptions) (cli.Packaged, error) {
	r, err := pack.Build(ctx, pack.Options{
		Path: o.Path, Module: o.Module, OutDir: o.Into, Environ: o.Env, Cache: o.Cache,
		UV: func(ctx context.Context) (string, error) {
			s, err := config.Load(config.Input{Environ: o.Env})
			if err != nil {
				return "", err
			}
			cache, err := pyenv.Open(filepath.Join(s.DataDir, "environments"), environments(s, o.Env, slog.New(slog.DiscardHandler)))
			if err != nil {
				return "", err
			}
			return cache.UV(ctx)
		},
	})
	if err != nil {
		return cli.Packaged{}, err
	}
	p := cli.Packaged{Module: o.Module, Sums: map[string]string{}, Skipped: r.Skipped}
	for _, a := range r.Archives {
		p.Archives = append(p.Archives, a.Path)
		p.Sums[a.Path] = a.SHA256
	}
	if o.Say != nil {
		for _, w := range r.Warnings {
			o.Say("warning: %s", w)
		}
		if r.Lock != nil {
			o.Say("Versions as in %s: %d packages.", r.Lock.File, r.Lock.Packages)
		}
		for i, a := range r.Archives {
			if i == 0 && r.Lock != nil { // holds nothing of the user's
				continue
			}
			o.Say("Packaged %s: %s (%s), %d files.", o.Path, a.Name, r.Kind, len(a.Files))
		}
	}
	switch {
	case o.NoRun:
	case o.Module == "":
		if p.Module, err = r.Entry(o.Path); err == nil && o.Say != nil {
			o.Say("Running %s; --module-name names another.", p.Module)
		}
	case !o.Elsewhere:
		err = r.CheckModule(o.Module)
	}
	return p, err
}
