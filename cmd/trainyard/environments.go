package main

import (
	"log/slog"
	"os"
	"strings"

	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/pyenv"
)

// environments are the settings of Python environments, for the server, its
// agents and packaging alike.
func environments(s config.Settings, environ []string, log *slog.Logger) pyenv.Options {
	home, _ := os.UserHomeDir()
	return pyenv.Options{Installer: s.Installer, UV: s.UV, Index: pyenv.IndexFrom(environ, home), Pythons: s.Pythons, Environ: environ, Log: log}
}

func join(list []string) string { return strings.Join(list, "\n") }

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
