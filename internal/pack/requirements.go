package pack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// requirements reads a requirements.txt that lies beside what is packed here:
// what it asks for becomes the archive's own requirements. What an archive
// cannot carry, such as the address of an index, is said.
func (r *Result) requirements(path string) ([]string, error) {
	return r.readRequirements(path, map[string]bool{})
}

var (
	comment     = regexp.MustCompile(`(^|\s)#.*$`)
	hashes      = regexp.MustCompile(`\s+--hash[= ]\S+`)
	requirement = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*([<>=!~;(@ ].*)?$`)
)

func (r *Result) readRequirements(path string, seen map[string]bool) (list []string, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && len(seen) == 0 {
		return nil, nil
	}
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
