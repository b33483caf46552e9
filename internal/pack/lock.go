package pack

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// Locked is a lock file whose versions the job gets.
type Locked struct {
	File     string // its path
	Packages int    // that it pins
}

// lock honours a lock file in a project's folder: an archive that holds nothing
// and requires every locked package at its locked version goes along, so that
// the job's environment is resolved to just these. Installers take part in it
// as in any other requirement: markers count, and a contradiction is told.
func (r *Result) lock(ctx context.Context, o Options, root string) error {
	var pins []string
	var err error
	file := filepath.Join(root, "uv.lock")
	switch {
	case exists(file):
		pins, err = r.exported(ctx, o, root, file)
	case exists(filepath.Join(root, "pylock.toml")):
		file = filepath.Join(root, "pylock.toml")
		pins, err = r.pylock(file)
	default:
		return nil
	}
	if err != nil || len(pins) == 0 {
		return err
	}
	project := "trainyard-lock"
	if p, err := readProject(root); err == nil && p != nil && p.Project != nil && p.Project.Name != "" {
		project = projectName(p.Project.Name) + "-lock"
	}
	path, err := writeLock(o.OutDir, project, pins)
	if err != nil {
		return err
	}
	a, err := describe(path)
	if err != nil {
		return err
	}
	// First, so that what it pins is there when the others are looked at.
	r.Archives = append([]Archive{a}, r.Archives...)
	r.Lock = &Locked{File: file, Packages: len(pins)}
	return nil
}

// exported are the pins of a uv.lock, as uv itself writes them.
func (r *Result) exported(ctx context.Context, o Options, root, file string) ([]string, error) {
	if o.UV == nil {
		r.warn("%s is not honoured: there is no uv to read it", file)
		return nil, nil
	}
	uv, err := o.UV(ctx)
	if err != nil {
		r.warn("%s is not honoured: there is no uv to read it (%v)", file, err)
		return nil, nil
	}
	r.outdated(root, file)
	cmd := exec.CommandContext(ctx, uv, "export", "--quiet", "--frozen", "--no-dev", "--no-hashes", "--no-header", "--no-annotate", "--no-emit-project", "--format", "requirements.txt", "--project", root)
	cmd.Dir, cmd.Env = root, o.Environ
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fault.Errorf(fault.Invalid, "uv cannot read %s: %s", file, strings.TrimSpace(said.String())).WithHint("uv lock writes it anew; without the file the newest versions that fit are installed")
	}
	var pins []string
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case requirement.MatchString(line) && !strings.Contains(line, "@ file:"):
			pins = append(pins, line)
		default:
			r.warn("%s: %q is on this machine only and cannot be packed; build an archive of it and name it with --packages", file, line)
		}
	}
	return pins, nil
}

// outdated warns of what pyproject.toml requires and the lock was not made for:
// it is installed, at whatever version fits.
func (r *Result) outdated(root, file string) {
	p, err := readProject(root)
	if err != nil || p == nil || p.Project == nil {
		return
	}
	var lock struct {
		Package []struct {
			Name string `toml:"name"`
		} `toml:"package"`
	}
	if b, err := os.ReadFile(file); err != nil || toml.Unmarshal(b, &lock) != nil {
		return
	}
	locked := map[string]bool{}
	for _, l := range lock.Package {
		locked[normalName(l.Name)] = true
	}
	for _, d := range p.Project.Dependencies {
		if name := normalName(requirementName.FindString(d)); !locked[name] {
			r.warn("%s is older than pyproject.toml: it has no %s; run uv lock", file, name)
		}
	}
}

var nameRuns = pattern.New(`[-_.]+`)

// normalName is a project's name as indexes compare it.
func normalName(s string) string { return strings.ToLower(nameRuns.ReplaceAllString(s, "-")) }

// pylock are the pins of a pylock.toml (PEP 751).
func (r *Result) pylock(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "cannot read %s: %w", file, err)
	}
	var lock struct {
		Version  string `toml:"lock-version"`
		Packages []struct {
			Name    string `toml:"name"`
			Version string `toml:"version"`
			Marker  string `toml:"marker"`
			Archive *struct {
				URL string `toml:"url"`
			} `toml:"archive"`
			VCS *struct {
				Type     string `toml:"type"`
				URL      string `toml:"url"`
				CommitID string `toml:"commit-id"`
			} `toml:"vcs"`
		} `toml:"packages"`
	}
	if err := toml.Unmarshal(b, &lock); err != nil {
		return nil, fault.Errorf(fault.Invalid, "%s: %w", file, err)
	}
	if !strings.HasPrefix(lock.Version, "1.") {
		return nil, fault.Errorf(fault.Invalid, "%s: its lock-version is %q; 1.0 is read here", file, lock.Version)
	}
	var pins []string
	for _, p := range lock.Packages {
		pin := ""
		switch {
		case p.VCS != nil && p.VCS.URL != "":
			pin = fmt.Sprintf("%s @ %s+%s@%s", p.Name, p.VCS.Type, p.VCS.URL, p.VCS.CommitID)
		case p.Archive != nil && p.Archive.URL != "":
			pin = p.Name + " @ " + p.Archive.URL
		case p.Version != "":
			pin = p.Name + "==" + p.Version
		}
		if pin == "" || !requirement.MatchString(pin) {
			r.warn("%s: %q is on this machine only and cannot be packed; build an archive of it and name it with --packages", file, p.Name)
			continue
		}
		if p.Marker != "" {
			pin += " ; " + p.Marker
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

// writeLock writes the wheel that requires the pins; its bytes depend on nothing
// else.
func writeLock(dir, project string, pins []string) (path string, err error) {
	base := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(project, "-", "_"), ".", "_"))
	info := base + "-0.0.0.dist-info"
	metadata := "Metadata-Version: 2.1\nName: " + project + "\nVersion: 0.0.0\nSummary: the versions of a lock file\n"
	for _, p := range pins {
		metadata += "Requires-Dist: " + p + "\n"
	}
	members := []struct{ name, text string }{
		{info + "/METADATA", metadata},
		{info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: trainyard\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
	}
	record := ""
	for _, m := range members {
		sum := sha256.Sum256([]byte(m.text))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", m.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(m.text))
	}
	members = append(members, struct{ name, text string }{info + "/RECORD", record + info + "/RECORD,,\n"})
	path = filepath.Join(dir, base+"-0.0.0-py3-none-any.whl")
	f, err := os.Create(path)
	if err != nil {
		return "", fault.Errorf(fault.Invalid, "cannot write %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := zip.NewWriter(f)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: epoch}
		h.SetMode(0o644)
		out, err := w.CreateHeader(h)
		if err == nil {
			_, err = out.Write([]byte(m.text))
		}
		if err != nil {
			return "", fault.Errorf(fault.Invalid, "cannot write %s: %w", path, err)
		}
	}
	if err := w.Close(); err != nil {
		return "", fault.Errorf(fault.Invalid, "cannot write %s: %w", path, err)
	}
	return path, nil
}
