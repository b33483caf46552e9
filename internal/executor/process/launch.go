package process

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

var noSpace error = syscall.ENOSPC

// How often and how long an agent that does not begin is waited for.
const (
	launches    = 3
	launchGrace = 5 * time.Second
)

// launch is an agent that this executor started, or waits for.
type launch struct {
	times int
	at    time.Time
	ended bool // the process is gone
}

// needed are the variables of the server that an agent gets: where things are,
// how to reach the package index, and whom to trust.
var needed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "TZ", "NETRC", "PYENV_ROOT", "SYSTEMROOT",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
}

var neededPrefixes = []string{"LC_", "XDG_", "PIP_", "UV_", "TRAINYARD_"}

func (e *Executor) environ(d agent.Folder) []string {
	var env []string
	for _, kv := range e.Environ {
		name, _, _ := strings.Cut(kv, "=")
		if name == "TRAINYARD_RUN" {
			continue
		}
		if slices.Contains(needed, name) || slices.ContainsFunc(neededPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			env = append(env, kv)
		}
	}
	return append(env, "TRAINYARD_RUN="+string(d)) // so that what a dead agent left can be found
}

// launch starts an agent that owes the server nothing: a session of its own,
// no terminal, no pipes. While the server lives it is collected here.
func (e *Executor) launch(d agent.Folder) error {
	errFile, err := os.OpenFile(string(d)+"/"+agent.ErrFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return full(err)
	}
	defer errFile.Close()
	cmd := exec.Command(e.Binary, "agent", "--dir", string(d), "--data-dir", e.DataDir) //nolint:gosec // our own program
	cmd.Dir, cmd.Env = "/", e.environ(d)
	cmd.Stdout, cmd.Stderr = errFile, errFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	e.mu.Lock()
	l := e.launched[d]
	if l == nil {
		l = &launch{}
		e.launched[d] = l
	}
	l.times++
	l.at, l.ended = time.Now(), false
	e.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Msg: fmt.Sprintf("cannot start the agent %s: %v", e.Binary, err), Err: err}
	}
	go func() {
		_ = cmd.Wait() // what counts is in the run's folder
		e.mu.Lock()
		l.ended = true
		e.mu.Unlock()
		e.tell(d)
	}()
	return nil
}

// nudge looks after a run that is not begun and that no agent holds: the
// server or the machine may have died between the writing of its task and its
// launch, or the agent may not work. It launches it again a few times, then
// writes its exit record.
func (e *Executor) nudge(d agent.Folder) error {
	e.mu.Lock()
	l := e.launched[d]
	if l == nil { // another server's; it may be about to begin
		l = &launch{at: time.Now()}
		e.launched[d] = l
	}
	times, due := l.times, l.ended || time.Since(l.at) > e.launchGrace
	e.mu.Unlock()
	switch {
	case !due || !d.Startable():
		return nil
	case times < launches:
		return e.launch(d)
	}
	text, err := os.ReadFile(string(d) + "/" + agent.ErrFile)
	if err != nil && !gone(err) {
		return err
	}
	tail := lastLines(string(text), 20)
	_, err = d.Abandon(job.Exit{
		Code: 1, Step: "fetch", Message: "the agent of the replica did not start", Tail: tail, Retry: true, Time: time.Now().UTC(),
	})
	return err
}

func (e *Executor) forget(d agent.Folder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.launched, d)
}

func lastLines(s string, n int) []string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return lines[max(0, len(lines)-n):]
}
