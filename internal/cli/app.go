// Package cli is the command line: one file per command, each with an options
// struct, a constructor that parses and a run function that works. It is a
// client like any other and links no database and no executor; what runs a
// server or an agent is handed in.
package cli

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/pack"
)

// Programs is what cmd/trainyard hands in: the parts of the binary that the
// command line starts but does not know, and who the binary is.
type Programs struct {
	// Serve runs the server in the foreground until ctx ends. ready is called
	// once with the address when requests are accepted.
	Serve func(ctx context.Context, s config.Settings, log io.Writer, ready func(endpoint string)) error
	// Agent runs one replica; the arguments are the agent's own.
	Agent func(ctx context.Context, args []string) error
	// Package turns the folder of a package into archives in another folder, in
	// the order in which they are installed. It refuses a module that the
	// archives do not have, and finds one where none is named.
	Package func(ctx context.Context, o PackageOptions) (Packaged, error)
	// Version is the release, Build tells two binaries of one release apart.
	Version, Build string
}

// PackageOptions say what to package.
type PackageOptions struct {
	Path   string // of the package: the folder with __init__.py, a script or a notebook
	Module string // that will be run; empty to find it
	NoRun  bool   // nothing will be run by its name: an image decides
	// Elsewhere is set when other archives are installed too: the module may
	// be in one of them.
	Elsewhere bool
	Into      string     // an empty folder for the archives
	Env       config.Env // the user's, to find Python in and to run setup.py with
	Cache     string     // folder for what is packed again unchanged
	// Say is told what the user should know; it may be nil.
	Say func(format string, args ...any)
}

// Packaged is what came of it.
type Packaged struct {
	Archives []string          // paths
	Sums     map[string]string // their SHA-256 digests, by path
	Module   string            // that was named, or found
	Skipped  []pack.Skipped
}

// App is what every command is made with.
type App struct {
	Streams
	Env      config.Env
	Programs Programs

	// EnsureServer starts the user's own server where none answers and gives
	// its address. It is called only when no endpoint is configured. Set by
	// the server commands; where it is nil the listen address is taken as it
	// is.
	EnsureServer func(ctx context.Context, s config.Settings) (endpoint string, err error)

	gsutil bool // print as gsutil does: this is a stand-in for it

	flags      map[string]string // given flags that are settings
	configFile string            // --config-file

	loadOnce sync.Once
	settings config.Settings
	loadErr  error

	clientOnce sync.Once
	client     *client.Client
	clientErr  error
}

// Config is the settings, gathered once, when the flags have been parsed.
func (a *App) Config() (config.Settings, error) {
	a.loadOnce.Do(func() {
		a.settings, a.loadErr = config.Load(config.Input{Environ: a.Env, File: a.configFile, Flags: a.flags})
		if m, ok := errors.AsType[*config.Mistake](a.loadErr); ok && m.Source.Level == config.Flag {
			a.loadErr = usagef("argument --%s: %w", m.Key, m.Err).withHint("%s", fault.HintOf(m.Err))
		}
	})
	return a.settings, a.loadErr
}

// Client is a client of the configured server, or of the user's own, which is
// started when it is not there. Commands that need no server do not call it.
func (a *App) Client(ctx context.Context) (*client.Client, error) {
	a.clientOnce.Do(func() { a.client, a.clientErr = a.connect(ctx) })
	return a.client, a.clientErr
}

func (a *App) connect(ctx context.Context) (*client.Client, error) {
	s, err := a.Config()
	if err != nil {
		return nil, err
	}
	endpoint := s.Endpoint
	switch {
	case endpoint != "":
	case a.EnsureServer != nil:
		if endpoint, err = a.EnsureServer(ctx, s); err != nil {
			return nil, err
		}
	default:
		endpoint = "http://" + s.Listen
	}
	return client.New(client.Options{Endpoint: endpoint, Token: s.Token.Reveal(), UserAgent: a.UserAgent()})
}

// UserAgent is how this program names itself on the wire.
func (a *App) UserAgent() string { return "trainyard/" + a.Programs.Version }

// connected is the settings with a checked project, and a client.
func (a *App) connected(ctx context.Context) (config.Settings, *client.Client, error) {
	s, err := a.Config()
	if err != nil {
		return s, nil, err
	}
	if _, err := job.ParseProject(s.Project); err != nil {
		if from := s.SourceOf("project"); from.Level != config.Flag {
			err = fault.Errorf(fault.Invalid, "%s: %w", from, err).WithHint("%s", fault.HintOf(err))
		} else {
			err = usagef("argument --project: %w", err).withHint("%s", fault.HintOf(err))
		}
		return s, nil, err
	}
	c, err := a.Client(ctx)
	return s, c, err
}
