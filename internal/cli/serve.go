package cli

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
)

// clientKeys are the settings of whoever talks to a server.
var clientKeys = []string{"endpoint", "project", "region", "staging-bucket", "token", "quiet", "format"}

// serverKeys are the settings that a server has flags for: all the others.
func serverKeys() []string {
	return slices.DeleteFunc(config.Keys(), func(name string) bool { return slices.Contains(clientKeys, name) })
}

func newServe(a *App) *cobra.Command {
	var embedded bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server in the foreground",
		Long: `Run a server in the foreground. It prints one line on standard output when it
accepts requests and logs to standard error. It ends on SIGTERM or Ctrl-C within
10 seconds; running jobs go on and are found again by the next server on the
same data directory.`,
		Example: "  trainyard serve --listen 127.0.0.1:8450 --data-dir ./yard",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.Config()
			if err != nil {
				return err
			}
			if a.Programs.Serve == nil {
				return fault.Errorf(fault.Invalid, "a server runs on Linux and macOS only").WithHint("point this client at one: trainyard config set endpoint URL")
			}
			s.Embedded = embedded
			return a.Programs.Serve(cmd.Context(), s, a.Err, func(endpoint string) {
				fmt.Fprintf(a.Out, "Trainyard %s is ready at %s, data in %s\n", a.Programs.Version, endpoint, s.DataDir)
				if other := elsewhere(s.Listen, endpoint); other != "" && !embedded {
					a.Say("On other machines: trainyard config set endpoint %s", other)
				}
				if embedded {
					// Whoever started it has read the line and is gone.
					a.Out = io.Discard
				}
			})
		},
	}
	for _, name := range serverKeys() {
		if name != "token-file" { // every command has that one
			cmd.Flags().Var(&textValue{kind: cmp.Or(forms[name], "NAME")}, name, help(name))
			if config.DefaultOf(name) == "false" {
				cmd.Flags().Lookup(name).NoOptDefVal = "true"
			}
		}
	}
	cmd.Flags().BoolVar(&embedded, "embedded", false, "started by a command line, which may replace it by a newer one")
	_ = cmd.Flags().MarkHidden("embedded")
	return cmd
}

// forms are how the values of settings are written, for help.
var forms = map[string]string{
	"listen": "HOST:PORT", "data-dir": "DIR", "machines": "FILE", "prices": "FILE", "uv": "FILE", "local-python": "FILE", "pythons": "FILE,...",
	"storage-proxy": "true|false", "private-tmp": "true|false", "fetch-pythons": "true|false", "max-parallel-jobs": "N", "job-memory": "SIZE", "environments-size": "SIZE",
	"cancel-grace": "TIME", "keep-failed": "TIME", "keep-jobs": "TIME", "buckets": "NAME=PLACE,...", "log-level": "LEVEL",
}

// elsewhere is where other machines reach a server that listens on all
// addresses: at the one from which this machine would ask them.
func elsewhere(listen, endpoint string) string {
	host, _, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host != "" && !ip.IsUnspecified() {
		return ""
	}
	conn, err := net.Dial("udp", "192.0.2.1:9") // finds the way and sends nothing
	if err != nil {
		return ""
	}
	defer conn.Close()
	host, _, _ = net.SplitHostPort(conn.LocalAddr().String())
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(endpoint, "http://"))
	return "http://" + net.JoinHostPort(host, port)
}

// help is a setting's help with its default.
func help(name string) string {
	text := config.Help(name)
	if def := config.DefaultOf(name); def != "" && !strings.Contains(def, ",") {
		text += " (default " + def + ")"
	}
	return text
}

// newAgent is what an executor starts for each replica; people do not.
func newAgent(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "agent", Hidden: true, DisableFlagParsing: true, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.Programs.Agent == nil {
				return fault.Errorf(fault.Invalid, "an agent runs on Linux and macOS only")
			}
			return a.Programs.Agent(cmd.Context(), args)
		},
	}
}
