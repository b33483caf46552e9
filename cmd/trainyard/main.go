// Command trainyard is the whole of Trainyard in one binary: the command line,
// the server (trainyard serve) and the agent that runs a replica. Here the
// parts are wired together, and nothing else is done.
package main

import (
	"context"
	"os"

	"github.com/trainyard/trainyard/internal/cli"
	"github.com/trainyard/trainyard/internal/confine"
)

// Set by the linker: the release, and what tells two binaries of one release
// apart, as a number that grows.
var (
	version = "0.1.0"
	build   = "0"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == confine.Name { // on its way to be a job's program
		os.Exit(confine.Main(os.Args[2:]))
	}
	os.Exit(cli.Main(context.Background(), os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr, cli.Programs{
		Serve: serve, Agent: runAgent, Package: packageFolder, Version: version, Build: build,
	}))
}
