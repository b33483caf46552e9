package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
)

func newServer(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "server", Short: "Start, stop and look at your own server", RunE: group, Args: cobra.ArbitraryArgs,
		Long: "Start, stop and look at the server that runs in the background on this machine.\nCommands that need a server start it by themselves when no endpoint is configured.",
	}
	var follow bool
	logs := &cobra.Command{
		Use: "logs", Short: "Print the server's own log", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runServerLogs(cmd.Context(), a, follow) },
	}
	logs.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	cmd.AddCommand(
		&cobra.Command{
			Use: "start", Short: "Start it in the background, if it is not running", Args: exactly(),
			RunE: func(cmd *cobra.Command, _ []string) error { return runServerStart(cmd.Context(), a) },
		},
		&cobra.Command{
			Use: "stop", Short: "Stop it; running jobs go on", Args: exactly(),
			RunE: func(cmd *cobra.Command, _ []string) error { return runServerStop(cmd.Context(), a) },
		},
		&cobra.Command{
			Use: "status", Short: "Say whether it runs, where, and since when; exit status 1 when it does not", Args: exactly(),
			RunE: func(cmd *cobra.Command, _ []string) error { return runServerStatus(cmd.Context(), a) },
		},
		logs,
		&cobra.Command{
			Use: "env", Short: "Print the exports that point gcloud and Google's libraries at the server", Args: exactly(),
			Example: `  eval "$(trainyard server env)"`,
			RunE:    func(cmd *cobra.Command, _ []string) error { return runServerEnv(cmd.Context(), a) },
		},
	)
	return cmd
}

func runServerStart(ctx context.Context, a *App) error {
	s, err := a.Config()
	if err != nil {
		return err
	}
	if info, endpoint, err := findServer(ctx, s, a.UserAgent()); err == nil && !a.outdated(info) {
		a.Say("A server is running at %s (version %s, process %d).", endpoint, info.Version, info.PID)
		return nil
	}
	endpoint, err := a.ensureServer(ctx, s)
	if err == nil && s.Endpoint != "" && strings.TrimRight(s.Endpoint, "/") != endpoint {
		a.Warn("endpoint is set to %s (%s): commands talk to that one, not to this", s.Endpoint, s.SourceOf("endpoint"))
	}
	return err
}

func runServerStop(ctx context.Context, a *App) error {
	s, err := a.Config()
	if err != nil {
		return err
	}
	info, _, err := findServer(ctx, s, a.UserAgent())
	switch {
	case fault.Is(err, fault.Denied): // it runs, and wants its token
		return err
	case err != nil:
		a.Say("No server is running on %s.", s.DataDir)
		return nil
	}
	if err := stopServer(ctx, s, info.PID); err != nil {
		return err
	}
	a.Say("Stopped the server (process %d). Running jobs go on.", info.PID)
	return nil
}

// statusTime is how long a server that runs may take to say so.
const statusTime = 10 * time.Second

func runServerStatus(ctx context.Context, a *App) error {
	s, err := a.Config()
	if err != nil {
		return err
	}
	var info client.ServerInfo
	endpoint := s.Endpoint
	if endpoint != "" {
		c, err := a.Client(ctx)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeoutCause(ctx, statusTime, fault.Errorf(fault.Unavailable, "the server at %s did not answer within %s", endpoint, statusTime))
		defer cancel()
		if info, err = c.Server(ctx); err != nil {
			return err
		}
	} else if info, endpoint, err = findServer(ctx, s, a.UserAgent()); fault.Is(err, fault.Denied) {
		return err
	} else if err != nil {
		a.Say("No server is running on %s.", s.DataDir)
		return exitError(exitFailed)
	}
	if done, err := a.asked(info); done || err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "endpoint: %s\nversion: %s\npid: %d\ndataDir: %s\ndefaultBucket: gs://%s\nstarted: %s\n",
		endpoint, info.Version, info.PID, info.DataDir, info.DefaultBucket, info.Started.Local().Format(time.RFC3339))
	return nil
}

func runServerLogs(ctx context.Context, a *App, follow bool) error {
	s, err := a.Config()
	if err != nil {
		return err
	}
	path := filepath.Join(s.DataDir, logFile)
	f, err := os.Open(path)
	if err != nil {
		return fault.Errorf(fault.NotFound, "no log at %s", path).WithHint("only a server that was started in the background writes one; `trainyard serve` logs to its standard error")
	}
	defer f.Close()
	for {
		if _, err := io.Copy(a.Out, f); err != nil || !follow {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func runServerEnv(ctx context.Context, a *App) error {
	s, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	endpoint := strings.TrimRight(c.Endpoint(), "/")
	export := func(name, value string) { fmt.Fprintf(a.Out, "export %s=%s\n", name, quote(value)) }
	export("TRAINYARD_ENDPOINT", endpoint)
	export("CLOUDSDK_API_ENDPOINT_OVERRIDES_ML", endpoint+"/")
	export("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", endpoint+"/storage/v1/")
	export("CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING", endpoint+"/")
	export("CLOUDSDK_STORAGE_GS_XML_ENDPOINT_URL", endpoint) // of what sign-url signs
	export("CLOUDSDK_CORE_PROJECT", s.Project)
	export("GOOGLE_CLOUD_PROJECT", s.Project)
	export("STORAGE_EMULATOR_HOST", endpoint)
	export("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false") // see agent: it would wait for gRPC
	if info, err := c.Server(ctx); err == nil {
		// gsutil reads no variables but this one. A server elsewhere has it there.
		path := filepath.Join(info.DataDir, "tls", "boto")
		if _, err := os.Stat(path); err == nil {
			export("BOTO_CONFIG", path)
			// Where gcloud has certificates of its own to trust, it tells gsutil
			// to trust those, whatever the file says.
			if own, _ := a.Env.Lookup("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"); own != "" {
				export("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", filepath.Join(info.DataDir, "tls", "ca-bundle.pem"))
			}
		}
	}
	if s.TokenFile != "" {
		file, err := filepath.Abs(s.TokenFile)
		if err != nil {
			return err
		}
		export("TRAINYARD_TOKEN_FILE", file)
		export("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", file)
	} else {
		export("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
	}
	a.Say("# run: eval \"$(trainyard server env)\"")
	return nil
}

// quote makes a word of a value for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// logFile is the log of a server in the background, within the data directory.
const logFile = "server.log"

// record is what a running server leaves in its data directory.
type record struct {
	PID      int    `json:"pid"`
	Endpoint string `json:"endpoint"`
}

// findServer asks the server that the data directory names who it is.
func findServer(ctx context.Context, s config.Settings, agent string) (client.ServerInfo, string, error) {
	var r record
	b, err := os.ReadFile(filepath.Join(s.DataDir, "server.json"))
	if err != nil {
		return client.ServerInfo{}, "", err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return client.ServerInfo{}, "", fmt.Errorf("read server.json: %w", err)
	}
	c, err := client.New(client.Options{Endpoint: r.Endpoint, Token: s.Token.Reveal(), UserAgent: agent})
	if err != nil {
		return client.ServerInfo{}, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := c.Server(ctx)
	if err == nil && info.PID != r.PID {
		err = errors.New("another server answers there")
	}
	return info, r.Endpoint, err
}
