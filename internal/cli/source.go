package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pack"
	"github.com/trainyard/trainyard/internal/source"
)

// commitLabel is the label of a job whose package is a commit of a repository.
const commitLabel = "git-commit"

// fetch brings the sources that --package-path names where they are not a
// folder of this machine: from then on they are one.
func (o *submitOptions) fetch(ctx context.Context, p *packages) error {
	p.sources = o.packagePath
	if rest, ok := strings.CutPrefix(o.packagePath, "gs:"); ok {
		if err := checkRemote(rest); err != nil {
			return fault.Errorf(fault.Invalid, "--package-path %s: %s", o.packagePath, err)
		}
	}
	if !source.Is(o.packagePath) {
		return nil
	}
	into := filepath.Join(p.temp, "sources", source.Name(o.packagePath))
	if err := os.MkdirAll(into, 0o700); err != nil {
		return pack.NoTemporary(err)
	}
	t, err := source.Fetch(ctx, source.Options{Spec: o.packagePath, Into: into, Environ: o.Env, Download: o.download})
	if err != nil {
		return err
	}
	p.sources, p.commit = t.Dir, t.Commit
	s, err := o.Config()
	if err == nil && t.Commit != "" && !s.Quiet {
		o.Say("Fetched %s: commit %s.", source.Shown(o.packagePath), t.Commit)
	}
	return err
}

// download writes an object to a file.
func (o *submitOptions) download(ctx context.Context, uri string, to *os.File) error {
	where, ok := remote(uri)
	if !ok {
		return fault.Errorf(fault.Invalid, "%s is not the address of an object", uri).WithHint("write gs://BUCKET/OBJECT")
	}
	c, err := o.Client(ctx)
	if err != nil {
		return err
	}
	object, err := c.Stat(ctx, where.bucket, where.name, 0)
	if err != nil {
		return err
	}
	return c.Read(ctx, object, 0, -1, to)
}

// named puts what the user called the sources in place of where they lie now.
func (o *submitOptions) named(p *packages, text string) string {
	if p.sources == o.packagePath {
		return text
	}
	return strings.ReplaceAll(text, p.sources, source.Shown(o.packagePath))
}

// renamed is an error that speaks of the sources as the user called them.
func (o *submitOptions) renamed(p *packages, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || p.sources == o.packagePath {
		return err
	}
	return &fault.Error{Kind: f.Kind, Msg: o.named(p, f.Error()), Hint: o.named(p, f.Hint), Violations: f.Violations, Err: f.Err}
}

// record notes in the job which commit it runs, unless its labels say already.
func (p *packages) record(doc mlv1.Doc) {
	if p.commit == "" {
		return
	}
	if labels := doc.Sub("labels"); labels.Text(commitLabel) == "" {
		labels[commitLabel] = fmt.Sprintf("%.63s", p.commit)
	}
}
