package pyenv

import (
	"runtime"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// answer is what a marker says; perhaps where only the installer can tell.
type answer int

const (
	perhaps answer = iota
	yes
	no
)

func answerOf(b bool) answer {
	if b {
		return yes
	}
	return no
}

var markerToken = pattern.New(`\s*('[^']*'|"[^"]*"|\(|\)|[<>=!~]+|[A-Za-z_][A-Za-z0-9_.]*)`)

// evalMarker evaluates an environment marker of PEP 508 for a Python version
// and the extras that were asked for. A marker that cannot be read is perhaps.
func evalMarker(marker, python string, extras []string) answer {
	if marker == "" {
		return yes
	}
	var tokens []string
	for rest := marker; strings.TrimSpace(rest) != ""; {
		m := markerToken.FindStringSubmatchIndex(rest)
		if m == nil || m[0] != 0 || len(tokens) > 500 {
			return perhaps
		}
		tokens = append(tokens, rest[m[2]:m[3]])
		rest = rest[m[1]:]
	}
	e := &markerEval{tokens: tokens, python: python, extras: extras}
	a := e.or(0)
	if e.bad || len(e.tokens) > 0 {
		return perhaps
	}
	return a
}

type markerEval struct {
	tokens []string
	python string
	extras []string
	bad    bool
}

func (e *markerEval) next() string {
	if len(e.tokens) == 0 {
		e.bad = true
		return ""
	}
	t := e.tokens[0]
	e.tokens = e.tokens[1:]
	return t
}

func (e *markerEval) take(t string) bool {
	if len(e.tokens) == 0 || e.tokens[0] != t {
		return false
	}
	e.tokens = e.tokens[1:]
	return true
}

func (e *markerEval) or(depth int) answer {
	a := e.and(depth)
	for !e.bad && e.take("or") {
		b := e.and(depth)
		switch {
		case a == yes || b == yes:
			a = yes
		case a == no:
			a = b
		}
	}
	return a
}

func (e *markerEval) and(depth int) answer {
	a := e.atom(depth)
	for !e.bad && e.take("and") {
		b := e.atom(depth)
		switch {
		case a == no || b == no:
			a = no
		case a == yes:
			a = b
		}
	}
	return a
}

func (e *markerEval) atom(depth int) answer {
	if depth > 50 {
		e.bad = true
		return perhaps
	}
	if e.take("(") {
		a := e.or(depth + 1)
		e.bad = e.bad || !e.take(")")
		return a
	}
	left, op := e.next(), e.next()
	if op == "not" {
		op += " " + e.next()
	}
	right := e.next()
	if e.bad {
		return perhaps
	}
	if left == "extra" || right == "extra" {
		name := left
		if left == "extra" {
			name = right
		}
		asked := slices.Contains(e.extras, normalName(strings.Trim(name, `'"`)))
		return answerOf(asked == (op != "!="))
	}
	l, lok := e.value(left)
	r, rok := e.value(right)
	if !lok || !rok {
		return perhaps
	}
	return compareMarker(l, op, r, strings.Contains(left+right, "_version"))
}

func compareMarker(l, op, r string, version bool) answer {
	switch op {
	case "in":
		return answerOf(strings.Contains(r, l))
	case "not in":
		return answerOf(!strings.Contains(r, l))
	}
	if _, ok := parseVersion(l); version && ok {
		return answerOf(satisfies(l, op+r))
	}
	switch op {
	case "==", "===":
		return answerOf(l == r)
	case "!=":
		return answerOf(l != r)
	}
	return perhaps
}

func (e *markerEval) value(token string) (string, bool) {
	if token != "" && (token[0] == '\'' || token[0] == '"') {
		return strings.Trim(token, `'"`), true
	}
	system := map[string]string{"linux": "Linux", "darwin": "Darwin", "windows": "Windows"}[runtime.GOOS]
	switch token {
	case "python_version":
		return minor(e.python), true
	case "python_full_version", "implementation_version":
		return e.python, true
	case "sys_platform", "sys.platform":
		return map[string]string{"linux": "linux", "darwin": "darwin", "windows": "win32"}[runtime.GOOS], true
	case "os_name", "os.name":
		if runtime.GOOS == "windows" {
			return "nt", true
		}
		return "posix", true
	case "platform_system":
		return system, true
	case "implementation_name":
		return "cpython", true
	case "platform_python_implementation", "python_implementation":
		return "CPython", true
	case "platform_machine", "platform.machine":
		m, ok := map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64", "darwin/amd64": "x86_64", "darwin/arm64": "arm64", "windows/amd64": "AMD64"}[runtime.GOOS+"/"+runtime.GOARCH]
		return m, ok
	}
	return "", false
}
