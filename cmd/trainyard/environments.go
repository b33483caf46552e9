package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pyenv"
	"github.com/trainyard/trainyard/internal/runtimes"
)

// environments are the settings of Python environments, for the server, its
// agents and packaging alike.
func environments(s config.Settings, environ []string, log *slog.Logger) pyenv.Options {
	home, _ := os.UserHomeDir()
	return pyenv.Options{Installer: s.Installer, UV: s.UV, Index: pyenv.IndexFrom(environ, home), Pythons: s.Pythons, Environ: environ,
		Runtimes: runtimes.Catalogue{Dir: filepath.Join(s.DataDir, "runtimes.d"), Default: s.DefaultRuntime}, Fetch: s.FetchPythons, Log: log}
}

// forAgents are those of the settings that agents need, as a task carries them.
func forAgents(s config.Settings) map[string]string {
	return map[string]string{"installer": s.Installer, "uv": s.UV, "pythons": join(s.Pythons), "defaultRuntime": s.DefaultRuntime, "fetchPythons": strconv.FormatBool(s.FetchPythons)}
}

// ofAgent reads what forAgents wrote.
func ofAgent(m map[string]string, dataDir string) config.Settings {
	return config.Settings{Installer: m["installer"], UV: m["uv"], Pythons: split(m["pythons"]), DefaultRuntime: m["defaultRuntime"], FetchPythons: m["fetchPythons"] == "true", DataDir: dataDir}
}

// checkRuntime says whether a job may ask for a runtime version and a Python.
func checkRuntime(c *pyenv.Cache, runtime, python string) (mlv1.Runtime, error) {
	choice, err := c.Choose(context.Background(), runtime, python)
	if err != nil {
		return mlv1.Runtime{}, err
	}
	got := mlv1.Runtime{Python: choice.Line(), Notes: choice.Notes, Warnings: choice.Warnings}
	if choice.Runtime != nil {
		got.Version = choice.Runtime.Version
	}
	return got, nil
}

func join(list []string) string { return strings.Join(list, "\n") }

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
