package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// schemes are how git reaches repositories. Others it would run commands for.
var schemes = map[string]bool{"https": true, "http": true, "ssh": true, "git": true, "file": true}

// repository is a git URL as pip writes it.
type repository struct {
	url   string
	ref   string // empty for the default branch
	shown string // without a password
}

// parseGit reads what follows git+.
func parseGit(text string) (repository, error) {
	u, err := url.Parse(text)
	if err != nil || !schemes[u.Scheme] || u.Scheme != "file" && u.Host == "" {
		return repository{}, fault.Errorf(fault.Invalid, "git+%s is not the address of a git repository", Shown(text)).
			WithHint("write git+https://HOST/OWNER/NAME.git@REF#subdirectory=DIR, or git+ssh:// or git+file://; @REF and #… may be left out")
	}
	r := repository{}
	if i := strings.LastIndex(u.Path, "@"); i >= 0 {
		u.Path, r.ref, u.RawPath = u.Path[:i], u.Path[i+1:], ""
		if r.ref == "" || strings.HasPrefix(r.ref, "-") || strings.ContainsAny(r.ref, " :~^?*[\\") {
			return repository{}, fault.Errorf(fault.Invalid, "git+%s: %q is not a branch, a tag or a commit", Shown(text), r.ref).WithHint("write @main, @v1.2 or @ and a commit's digits")
		}
	}
	r.url, r.shown = u.String(), u.Redacted()
	return r, nil
}

// Shown is a specification without the password in it.
func Shown(spec string) string {
	prefix, rest := "", spec
	if r, ok := strings.CutPrefix(spec, "git+"); ok {
		prefix, rest = "git+", r
	}
	if u, err := url.Parse(rest); err == nil && u.User != nil {
		return prefix + u.Redacted()
	}
	return spec
}

// fetchGit brings one commit, and the submodules that it names.
func fetchGit(ctx context.Context, o Options, text string) (Tree, error) {
	r, err := parseGit(text)
	if err != nil {
		return Tree{}, err
	}
	bin, err := find(o.Environ, "git")
	if err != nil {
		return Tree{}, fault.Errorf(fault.Invalid, "%s takes git, and there is none on PATH", Shown(o.Spec)).WithHint("install git, or name a folder or an archive")
	}
	g := git{bin: bin, dir: o.Into, environ: o.Environ, patience: cmp.Or(o.Patience, patience), secret: password(r.url)}
	if _, err := g.run(ctx, "init", "--quiet"); err != nil {
		return Tree{}, err
	}
	commit, err := g.fetch(ctx, r)
	if err != nil {
		return Tree{}, err
	}
	if _, err := g.run(ctx, "checkout", "--quiet", "--detach", commit); err != nil {
		return Tree{}, err
	}
	if isFile(filepath.Join(o.Into, ".gitmodules")) {
		if _, err := g.run(ctx, "submodule", "update", "--quiet", "--init", "--recursive", "--depth", "1"); err != nil {
			return Tree{}, err
		}
	}
	return Tree{Dir: o.Into, Commit: commit}, nil
}

// digits are a commit's, or the beginning of them.
var digits = pattern.New(`^[0-9a-f]{7,64}$`)

// fetch brings a commit into the repository and gives its full name. Servers
// answer for names at once; for a part of a commit's digits all of it is needed.
func (g git) fetch(ctx context.Context, r repository) (string, error) {
	ref := r.ref
	if ref == "" {
		ref = "HEAD"
	}
	_, err := g.run(ctx, "fetch", "--quiet", "--depth", "1", "--no-tags", "--", r.url, ref)
	what := "FETCH_HEAD"
	if err != nil && digits.MatchString(ref) {
		_, err = g.run(ctx, "fetch", "--quiet", "--tags", "--", r.url, "+refs/heads/*:refs/remotes/origin/*")
		what = ref
	}
	if err != nil {
		return "", g.explain(ctx, r, err)
	}
	commit, err := g.run(ctx, "rev-parse", "--verify", "--quiet", what+"^{commit}")
	if err != nil {
		return "", fault.Errorf(fault.Invalid, "%s has no commit %s", r.shown, r.ref)
	}
	return commit, nil
}

// explain says what is near where a repository does not have what was asked for.
func (g git) explain(ctx context.Context, r repository, err error) error {
	if ctx.Err() != nil || r.ref == "" {
		return err
	}
	out, listErr := g.run(ctx, "ls-remote", "--heads", "--tags", "--refs", "--", r.url)
	if listErr != nil {
		return err
	}
	best, score := "", len(r.ref)/2+2
	for line := range strings.Lines(out) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		name = strings.TrimPrefix(strings.TrimPrefix(name, "refs/heads/"), "refs/tags/")
		if d := fault.Distance(r.ref, name); d < score {
			best, score = name, d
		}
	}
	e := fault.Errorf(fault.Invalid, "%s has no branch, tag or commit %s", r.shown, r.ref)
	if best != "" {
		return e.WithHint("did you mean %s?", best)
	}
	return e.WithHint("git ls-remote %s lists what it has", r.shown)
}

// patience is how long git may wait for a server that says nothing. One that is at
// work says so every few seconds.
const patience = 2 * time.Minute

// git runs git in a folder of its own.
type git struct {
	bin, dir string
	environ  []string
	patience time.Duration
	secret   string // in what it says, the password of the address
}

// run gives what a command prints. Nothing that a repository says is run: no
// hooks, no commands for other transports, no questions.
func (g git) run(ctx context.Context, args ...string) (string, error) {
	safe := []string{"-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "core.autocrlf=false", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false",
		"-c", "http.lowSpeedLimit=1", "-c", fmt.Sprintf("http.lowSpeedTime=%.0f", g.patience.Seconds())}
	cmd := exec.CommandContext(ctx, g.bin, append(safe, args...)...)
	cmd.Dir = g.dir
	for _, v := range g.environ { // GIT_DIR and its kin would lead elsewhere
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "GIT_") || name == "GIT_SSH" || name == "GIT_SSH_COMMAND" || name == "GIT_ASKPASS" || strings.HasPrefix(name, "GIT_SSL") || strings.HasPrefix(name, "GIT_CONFIG") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.WaitDelay = 2 * time.Second // a credential helper may leave a process that keeps the output
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		text := strings.TrimSpace(said.String())
		if g.secret != "" {
			text = strings.ReplaceAll(text, g.secret, "xxxxx")
		}
		if text == "" {
			text = err.Error()
		}
		return "", fault.Errorf(fault.Invalid, "git %s failed:\n%s", args[0], text).WithHint("does this work: git ls-remote URL? log in first, or use git+ssh://")
	}
	return strings.TrimSpace(out.String()), nil
}

func password(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return ""
	}
	p, _ := u.User.Password()
	return p
}

// find looks a program up on the user's PATH.
func find(environ []string, name string) (string, error) {
	path := ""
	for _, v := range environ {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			path = p
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", os.ErrNotExist
}
