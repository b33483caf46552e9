package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// gitPatience is how long git may take to say what state a source is in.
const gitPatience = 3 * time.Second

// sourceOf asks git which commit a package's folder is of. Where there is no
// git, no repository or no commit, nothing is known, which is no error.
func sourceOf(ctx context.Context, path string, env config.Env) job.Origin {
	if path == "" {
		return job.Origin{}
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		path = filepath.Dir(path)
	}
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	git := func(args ...string) (string, bool) {
		// No program of the repository's choice is run for a question.
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", path, "-c", "core.fsmonitor=false"}, args...)...)
		cmd.Env = append(env, "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C")
		cmd.WaitDelay = time.Second
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err == nil
	}
	commit, ok := git("rev-parse", "--verify", "--quiet", "HEAD")
	if !ok {
		return job.Origin{}
	}
	branch, _ := git("symbolic-ref", "--short", "--quiet", "HEAD")
	changes, ok := git("status", "--porcelain", "--", ".")
	return job.Origin{Commit: commit, Branch: branch, Dirty: ok && changes != ""}
}

// provenance shows where the job came from.
func (o *describeOptions) provenance(ctx context.Context, c *client.Client, s config.Settings) error {
	_, raw, err := c.Provenance(ctx, s.Project, o.job)
	if err != nil {
		return err
	}
	f, err := o.format("yaml")
	if err != nil {
		return err
	}
	doc, err := format.Decode(raw)
	if err != nil {
		return fault.Errorf(fault.Internal, "the server gave a provenance that is not understood: %w", err)
	}
	return f.PrintOne(o.Out, doc)
}
