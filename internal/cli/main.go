package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/trainyard/trainyard/internal/config"
)

// Main runs one command line, args[0] being the program's name, and gives the
// exit status. The first Ctrl-C asks the command to end, the second kills the
// program.
func Main(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer, p Programs) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	// A reader that went away is an error of the write, not a death that leaves
	// temporary folders behind.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	asGsutil := calledAs(args) == "gsutil"
	args, say, err := standIn(args)
	if say != "" {
		_, _ = io.WriteString(stderr, say+"\n")
		return 0
	}
	for {
		a := &App{Streams: newStreams(stdin, stdout, stderr, env), Env: config.Env(env), Programs: p, gsutil: asGsutil}
		if err != nil {
			return report(&a.Streams, err)
		}
		a.EnsureServer = a.ensureServer
		root := newRoot(a)
		root.SetArgs(args[1:])
		root.SetIn(stdin)
		root.SetOut(stdout)
		root.SetErr(stderr)
		result := root.ExecuteContext(ctx)
		code := report(&a.Streams, result)
		better, yes := a.offer(result, args)
		if !yes {
			return code
		}
		args = better
	}
}
