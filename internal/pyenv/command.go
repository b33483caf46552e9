package pyenv

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// command runs an installer; its output, without secrets, goes to log (when
// there is one): line by line for dependencies, which may take long, and for
// builds, which say much and rarely anything, only when they fail. A failure is
// an *InstallError of the step.
func (c *Cache) command(ctx context.Context, l *lock, step string, log func(string), args ...string) error {
	env, err := c.withFolders(ctx, c.environ())
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = env
	cmd.Dir = c.dir
	cmd.WaitDelay = 2 * time.Second
	l.share(cmd)
	out := &output{redact: c.redact, folder: regexp.MustCompile(regexp.QuoteMeta(c.dir) + `/[^\s'"` + "`" + `]*/`)}
	if step == "environment" {
		out.log = log
	}
	cmd.Stdout, cmd.Stderr = out, out
	if out.log != nil {
		log("Running command: " + c.redact(strings.Join(args, " ")))
	}
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well, and something that it left behind has its output
	}
	out.flush()
	if err == nil {
		return nil
	}
	if log != nil && out.log == nil {
		log("This command failed: " + c.redact(strings.Join(args, " ")))
		for line := range strings.SplitSeq(out.text(), "\n") {
			log(line)
		}
	}
	if ctx.Err() != nil {
		return &InstallError{Step: step, Output: out.text(), Err: fault.Errorf(fault.Unavailable, "installing was stopped: %w", context.Cause(ctx))}
	}
	return explain(step, out.folder.ReplaceAllString(out.text(), ""), err)
}

// environ is the installers' environment: the caller's, less what would lead
// them elsewhere, with the settings for packages in uv's words.
func (c *Cache) environ() []string {
	var env []string
	for _, kv := range c.o.Environ {
		name, v, _ := strings.Cut(kv, "=")
		unset := v == "" && (strings.HasPrefix(name, "UV_") || strings.HasPrefix(name, "PIP_")) // uv refuses UV_EXCLUDE_NEWER=
		if !unset && !slices.Contains(astray, name) && kv != "UV_LINK_MODE=symlink" {           // whoever cleans the cache would break environments
			env = append(env, kv)
		}
	}
	set := func(name, v string) {
		if v != "" && lookup(env, name) == "" {
			env = append(env, name+"="+v)
		}
	}
	x := c.o.Index
	set("UV_CACHE_DIR", filepath.Join(c.dir, "cache", "uv"))
	downloads := "never"
	if c.o.Fetch {
		downloads = "manual" // only where we say so
	}
	set("UV_PYTHON_DOWNLOADS", downloads)
	set("UV_NO_PROGRESS", "1")
	set("UV_HTTP_TIMEOUT", cmp.Or(lookup(env, "PIP_DEFAULT_TIMEOUT"), "60"))
	set("NO_COLOR", "1")
	set("PIP_NO_COLOR", "1")
	set("PIP_PROGRESS_BAR", "off")
	set("PYTHONUNBUFFERED", "1")
	set("UV_CONSTRAINT", strings.Join(x.Constraints, " "))
	set("SSL_CERT_FILE", x.CA)
	set("SSL_CLIENT_CERT", x.ClientCert)
	set("UV_INSECURE_HOST", strings.Join(x.Trusted, " "))
	if x.Keyring {
		set("UV_KEYRING_PROVIDER", "subprocess")
	}
	if x.Proxy != "" {
		env = slices.DeleteFunc(env, func(kv string) bool {
			name, _, _ := strings.Cut(strings.ToLower(kv), "=")
			return name == "http_proxy" || name == "https_proxy"
		})
		env = append(env, "HTTP_PROXY="+x.Proxy, "HTTPS_PROXY="+x.Proxy)
	}
	if !x.uvOwn {
		set("UV_DEFAULT_INDEX", x.URL)
		set("UV_INDEX", strings.Join(x.Extra, " "))
		set("UV_FIND_LINKS", strings.Join(x.FindLinks, ","))
	}
	return env
}

// astray are variables that are about some other environment.
var astray = []string{"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__", "PYENV_VERSION",
	"UV_PYTHON", "UV_PROJECT", "UV_WORKING_DIR", "UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT",
	"UV_VENV_SEED", "UV_REQUIRE_HASHES", "UV_NO_BUILD_ISOLATION", "PIP_NO_BUILD_ISOLATION", "PIP_REQUIRE_HASHES", "PIP_NO_DEPS", "PIP_DRY_RUN",
	"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV", "PIP_REQUIREMENT", "PIP_QUIET", "PIP_VERBOSE"}

// output keeps the end of what a command writes.
type output struct {
	redact func(string) string
	log    func(string)
	folder *regexp.Regexp // of the cache, which says nothing to who reads of a failure

	mu     sync.Mutex
	rest   []byte   // of a line; guarded by mu
	tail   []string // guarded by mu
	size   int      // of tail; guarded by mu
	failed string   // the line that says what does not build, above what its compiler says; guarded by mu
}

var (
	building = regexp.MustCompile(`^\s*Building (\S+)==(\S+)$`)
	unbuilt  = regexp.MustCompile(`Failed to (?:download and )?build `)
)

const maxOutput = 16 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		at := bytes.IndexByte(o.rest, '\n')
		if at < 0 && len(o.rest) > maxOutput {
			at = len(o.rest) - 1
		}
		if at < 0 {
			return len(p), nil
		}
		o.line(string(o.rest[:at+1]))
		o.rest = o.rest[at+1:]
	}
}

// line is called with mu held.
func (o *output) line(s string) {
	s = strings.ToValidUTF8(strings.TrimRight(s, " \r\n"), "\uFFFD")
	if s == "" {
		return
	}
	s = o.redact(s)
	if o.log != nil {
		o.log(s)
		if m := building.FindStringSubmatch(s); m != nil {
			o.log(m[1] + " " + m[2] + " has no wheel for this Python and machine: it is built from its source, which may take long or fail.")
		}
	}
	if unbuilt.MatchString(s) {
		o.failed = s
	}
	o.tail, o.size = append(o.tail, s), o.size+len(s)
	for o.size > maxOutput && len(o.tail) > 1 {
		o.size -= len(o.tail[0])
		o.tail = o.tail[1:]
	}
}

func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line(string(o.rest))
	o.rest = nil
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := strings.Join(o.tail, "\n")
	if !strings.Contains(text, o.failed) {
		text = o.failed + "\n" + text
	}
	return text
}
