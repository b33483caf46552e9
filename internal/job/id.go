package job

import (
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

var (
	idPattern      = pattern.New(`^[A-Za-z][A-Za-z0-9_]{0,127}$`)
	projectPattern = pattern.New(`^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
	domainPattern  = pattern.New(`^[a-z0-9.-]{1,60}:[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
)

// ParseID checks a job id: letters, digits and underscores, a letter first, at
// most 128 characters.
func ParseID(s string) (ID, error) {
	if idPattern.MatchString(s) {
		return ID(s), nil
	}
	e := fault.Errorf(fault.Invalid, "job id %q is not valid: it must start with a letter and contain only letters, digits and underscores, at most 128 characters", s)
	if fixed, ok := NearestID(s); ok {
		e = e.WithHint("use %s", fixed)
	}
	return "", e
}

// NearestID is the id that somebody probably meant: dashes and dots become
// underscores, and a leading digit gets a letter before it.
func NearestID(s string) (string, bool) {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		case r == '-', r == '.', r == ' ', r == '/', r == ':':
			return '_'
		default:
			return -1
		}
	}, s)
	if s != "" && !(s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z') {
		s = "job_" + strings.TrimLeft(s, "_")
	}
	return s, idPattern.MatchString(s)
}

// ParseProject checks a project id: lower-case letters, digits and dashes, a
// letter first, optionally after a domain and a colon. A number is refused, as
// the original did.
func ParseProject(s string) (Project, error) {
	if projectPattern.MatchString(s) || domainPattern.MatchString(s) {
		return Project(s), nil
	}
	if s != "" && strings.Trim(s, "0123456789") == "" {
		return "", fault.Errorf(fault.Invalid, "project %q is a project number", s).WithHint("use the project's id instead")
	}
	return "", fault.Errorf(fault.Invalid, "project id %q is not valid: it must start with a lower-case letter and contain only lower-case letters, digits and dashes, at most 63 characters", s)
}
