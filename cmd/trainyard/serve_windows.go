package main

import (
	"context"
	"io"

	"github.com/trainyard/trainyard/internal/config"
)

// A server and its agents run on Linux and macOS.
var (
	serve    func(ctx context.Context, s config.Settings, log io.Writer, ready func(endpoint string)) error
	runAgent func(ctx context.Context, args []string) error
)
