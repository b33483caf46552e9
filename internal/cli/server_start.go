package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
)

// startTimeout is how long a server may take until it accepts requests, and
// stopTimeout how long until it is gone.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 20 * time.Second
)

// ensureServer gives the address of the user's own server, which it starts in
// the background where there is none, and replaces where it was started by an
// older command line. Several at once start one.
func (a *App) ensureServer(ctx context.Context, s config.Settings) (string, error) {
	switch info, endpoint, err := findServer(ctx, s, a.UserAgent()); {
	case err == nil && !a.outdated(info):
		return endpoint, nil
	case fault.Is(err, fault.Denied):
		return "", err
	}
	if a.Programs.Serve == nil {
		return "", fault.Errorf(fault.Invalid, "no endpoint is configured, and a server of your own runs on Linux and macOS only").
			WithHint("trainyard config set endpoint URL")
	}
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		return "", fault.Errorf(fault.Invalid, "cannot make the data directory: %w", err).WithHint("choose another: --data-dir or TRAINYARD_DATA_DIR")
	}
	lock := flock.New(filepath.Join(s.DataDir, "start.lock"))
	wait, cancel := context.WithTimeout(ctx, startTimeout+stopTimeout)
	defer cancel()
	if _, err := lock.TryLockContext(wait, 20*time.Millisecond); err != nil {
		return "", fault.Errorf(fault.Unavailable, "another command is starting the server and does not finish: %w", err)
	}
	defer lock.Close()

	info, endpoint, err := findServer(ctx, s, a.UserAgent())
	switch {
	case err == nil && !a.outdated(info):
		return endpoint, nil
	case err == nil:
		a.Say("Replacing the server of version %s (build %s) by %s (build %s); running jobs go on.", info.Version, info.Build, a.Programs.Version, a.Programs.Build)
		if err := stopServer(ctx, s, info.PID); err != nil {
			return "", err
		}
		// What runs knows the server by its address.
		s.Listen = successor(s.Listen, endpoint)
	}
	endpoint, err = a.spawnServer(ctx, s)
	if err != nil {
		return "", err
	}
	if !s.Quiet {
		a.Say("Started a Trainyard server at %s, data in %s (trainyard server stop ends it).", endpoint, s.DataDir)
	}
	return endpoint, nil
}

// successor is where a server listens that takes the place of the one at
// endpoint: there, or on all addresses where it is to.
func successor(listen, endpoint string) string {
	was := strings.TrimPrefix(endpoint, "http://")
	host, _, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		_, port, _ := net.SplitHostPort(was)
		return net.JoinHostPort(host, port)
	}
	return was
}

// outdated reports whether a server was started by a command line older than
// this one. One that somebody runs in the foreground is left alone.
func (a *App) outdated(info client.ServerInfo) bool {
	return info.Embedded && older(info.Version, info.Build, a.Programs.Version, a.Programs.Build)
}

func older(version, build, thanVersion, thanBuild string) bool {
	for i, v := range numbers(version) {
		if w := numbers(thanVersion)[i]; v != w {
			return v < w
		}
	}
	b, _ := strconv.ParseInt(build, 10, 64)
	c, _ := strconv.ParseInt(thanBuild, 10, 64)
	return b < c
}

func numbers(version string) [3]int {
	var n [3]int
	for i, part := range strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3) {
		_, _ = fmt.Sscanf(part, "%d", &n[i])
	}
	return n
}

// handedOn are the flags of a server in the background for what this command
// was given: its flags, and all paths whole, wherever they came from.
func (a *App) handedOn(s config.Settings) (flags []string) {
	for _, name := range serverKeys() {
		v, given := a.flags[name]
		if path, ok := s.Path(name); ok {
			v, given = path, given || path != ""
		}
		if given && name != "listen" && name != "data-dir" { // which it is told anyway
			flags = append(flags, "--"+name+"="+v)
		}
	}
	return flags
}

// spawnServer starts a server that outlives this process and returns its
// address when it accepts requests.
func (a *App) spawnServer(ctx context.Context, s config.Settings) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fault.Errorf(fault.Internal, "find this program: %w", err)
	}
	path := filepath.Join(s.DataDir, logFile)
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fault.Errorf(fault.Invalid, "cannot write the server's log: %w", err)
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return "", fault.Errorf(fault.Internal, "find the end of %s: %w", path, err)
	}

	args := []string{"serve", "--embedded", "--listen", s.Listen, "--data-dir", s.DataDir}
	// The server runs in another folder: paths are whole.
	if a.configFile != "" || a.Env.Get("TRAINYARD_CONFIG_FILE") != "" {
		file, err := filepath.Abs(s.File)
		if err != nil {
			return "", fault.Errorf(fault.Internal, "find %s: %w", s.File, err)
		}
		args = append(args, "--config-file", file)
	}
	args = append(args, a.handedOn(s)...)
	cmd := exec.Command(self, args...)
	cmd.Env = a.Env
	cmd.Dir = s.DataDir
	cmd.Stderr = log
	detach(cmd)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", fault.Errorf(fault.Internal, "make a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", fault.Errorf(fault.Internal, "start the server: %w", err)
	}
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- text
	}()
	select {
	case text := <-line:
		if _, rest, ok := strings.Cut(text, " is ready at "); ok {
			endpoint, _, _ := strings.Cut(rest, ",")
			_ = cmd.Process.Release()
			return endpoint, nil
		}
		_ = cmd.Wait()
		return "", startFailed(path, from)
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(startTimeout):
		return "", fault.Errorf(fault.Unavailable, "the server did not become ready within %s", startTimeout).WithHint("see %s", path)
	}
}

// startFailed gives the server's own words.
func startFailed(path string, from int64) error {
	var said []string
	hint := "see " + path
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		_, _ = f.Seek(from, io.SeekStart)
		for sc := bufio.NewScanner(f); sc.Scan(); {
			if text, ok := strings.CutPrefix(sc.Text(), "error: "); ok {
				said = append(said, text)
			}
			if text, ok := strings.CutPrefix(sc.Text(), "hint: "); ok {
				hint = text
			}
		}
	}
	if len(said) == 0 {
		said = []string{"it ended without saying why"}
		if err := writable(path); err != nil {
			said = []string{fmt.Sprintf("its log %s cannot be written: %s", path, reason(err))}
			hint = "make room there, or choose another folder with --data-dir or TRAINYARD_DATA_DIR"
		}
	}
	return fault.Errorf(fault.Unavailable, "the server could not start: %s", strings.Join(said, "; ")).WithHint("%s", hint)
}

// writable reports why a log could not be written.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n")
	return errors.Join(err, f.Close())
}

// stopServer asks a server to end and waits until it has let go of its data.
func stopServer(ctx context.Context, s config.Settings, pid int) error {
	if err := terminate(pid); err != nil {
		return fault.Errorf(fault.Denied, "cannot stop the server (process %d): %w", pid, err)
	}
	lock := flock.New(filepath.Join(s.DataDir, "lock"))
	wait, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if _, err := lock.TryLockContext(wait, 10*time.Millisecond); err != nil {
		return fault.Errorf(fault.Unavailable, "the server (process %d) has not ended within %s", pid, stopTimeout).WithHint("kill -9 %d ends it; jobs and data are safe", pid)
	}
	return lock.Close()
}
