package pack

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// requirements are what a folder says that its programs require, in a
// requirements.txt or in a pyproject.toml that no build backend reads: it
// becomes the archive's own requirements. What an archive cannot carry, such as
// the address of an index, is said.
func (r *Result) requirements(dir string) ([]string, error) {
	if path := filepath.Join(dir, "requirements.txt"); exists(path) {
		return r.readRequirements(path, map[string]bool{})
	}
	p, err := readProject(dir)
	if err != nil || p == nil || p.Build != nil {
		return nil, err
	}
	path := filepath.Join(dir, "pyproject.toml")
	if p.Project == nil {
		if p.Tool.Poetry != nil {
			r.warn("%s has [tool.poetry] but no [build-system], so nothing in it was read; poetry writes one: requires = [\"poetry-core\"], build-backend = \"poetry.core.masonry.api\"", path)
		}
		return nil, nil
	}
	for _, d := range p.Project.Dependencies {
		if !requirement.MatchString(d) {
			return nil, fault.Errorf(fault.Invalid, "%s: its dependencies have %q, which is no requirement", path, d)
		}
	}
	return p.Project.Dependencies, nil
}

var (
	comment         = pattern.New(`(^|\s)#.*$`)
	hashes          = pattern.New(`\s+--hash[= ]\S+`)
	requirementName = pattern.New(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`)
	requirement     = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*([<>=!~;(@ ].*)?$`)
)

func (r *Result) readRequirements(path string, seen map[string]bool) (list []string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "cannot read %s: %w", path, err)
	}
	if seen[path] {
		return nil, nil
	}
	seen[path] = true
	text := strings.NewReplacer("\\\r\n", " ", "\\\n", " ").Replace(strings.TrimPrefix(string(b), "\ufeff"))
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(comment.ReplaceAllString(strings.TrimRight(line, "\r\n"), ""))
		line = strings.TrimSpace(hashes.ReplaceAllString(line, ""))
		name, isFile := strings.CutPrefix(line, "-r")
		if !isFile {
			name, isFile = strings.CutPrefix(line, "--requirement")
		}
		switch {
		case line == "":
		case isFile:
			more, err := r.readRequirements(filepath.Join(filepath.Dir(path), strings.TrimLeft(name, " =")), seen)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		case strings.HasPrefix(line, "-"):
			option, _, _ := strings.Cut(line, " ")
			option, _, _ = strings.Cut(option, "=")
			r.warn("%s: %s cannot be packed and is left out; settings of the index belong to the server, and archives go into --packages", path, option)
		case requirement.MatchString(line):
			list = append(list, line)
		default:
			r.warn("%s: %q cannot be packed and is left out; build an archive of it and name it with --packages", path, line)
		}
	}
	return list, nil
}
