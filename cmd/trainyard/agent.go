//go:build unix

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pyenv"
)

// runAgent is `trainyard agent --dir DIR --data-dir D`.
func runAgent(ctx context.Context, args []string) error {
	var dir, data string
	for i := 0; i+1 < len(args); i += 2 {
		switch args[i] {
		case "--dir":
			dir = args[i+1]
		case "--data-dir":
			data = args[i+1]
		}
	}
	if dir == "" || data == "" {
		return fault.Errorf(fault.Invalid, "agent --dir DIR --data-dir DIR")
	}
	// An agent's start makes more garbage than the rest of its life: a few
	// megabytes are cheaper than to collect it while the program waits.
	debug.SetGCPercent(400)
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return agent.Run(ctx, dir, agent.Options{
		DataDir: data, Binary: binary, Environ: os.Environ(), Unseal: unsealed(data), Log: log,
		Environments: func(settings map[string]string, dataDir string) (agent.Environments, error) {
			o, w := environments(ofAgent(settings, dataDir), os.Environ(), log), &wheelhouse{}
			o.Folders = w.bring
			cache, err := pyenv.Open(filepath.Join(dataDir, "environments"), o)
			return prepared{cache, w}, err
		},
	})
}

// prepared is the cache of environments as the agent asks for it.
type prepared struct {
	*pyenv.Cache
	wheels *wheelhouse
}

func (p prepared) Prepare(ctx context.Context, r agent.EnvRequest, log func(string)) (agent.Env, error) {
	p.wheels.endpoint = r.Server
	req := pyenv.Request{Runtime: r.Runtime, Python: r.Python}
	for _, f := range r.Packages {
		req.Packages = append(req.Packages, pyenv.File(f))
	}
	if r.Lock != nil {
		lock := pyenv.Made(*r.Lock)
		req.Lock = &lock
	}
	env, err := p.Cache.Prepare(ctx, req, log)
	if e, ok := errors.AsType[*pyenv.InstallError](err); ok {
		step := e.Step
		if step == "build" {
			step = "install"
		}
		return agent.Env{}, &agent.StepError{Step: step, Code: e.Code, Tail: strings.Split(strings.TrimRight(e.Output, "\n"), "\n"), Err: err}
	}
	return agent.Env{Python: env.Python, BinDir: env.BinDir, Vars: env.Vars, Cached: env.Cached, Made: agent.Made(env.Made), Notes: env.Notes, Release: env.Release}, err
}
