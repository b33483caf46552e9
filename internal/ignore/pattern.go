package ignore

import "strings"

// pattern is one line of an ignore file.
type pattern struct {
	glob    string
	negated bool // ! takes back what an earlier line left out
	folder  bool // only folders match
	base    bool // it is about the last element of a path, at any depth
	line    int
	text    string
}

// parseFile reads an ignore file as git does.
func parseFile(b []byte) (patterns []pattern) {
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(b), "\ufeff")) {
		n++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if p, ok := parse(line, n); ok {
			patterns = append(patterns, p)
		}
	}
	return patterns
}

// parse reads one line; ok is false for one that says nothing.
func parse(text string, line int) (p pattern, ok bool) {
	if strings.HasPrefix(text, "#") {
		return p, false
	}
	s := trimSpaces(text)
	p = pattern{line: line, text: s}
	s, p.negated = strings.CutPrefix(s, "!")
	s, p.folder = strings.CutSuffix(s, "/")
	p.base = !strings.Contains(s, "/")
	p.glob = strings.TrimPrefix(s, "/")
	return p, s != ""
}

// trimSpaces drops the spaces at the end, but for those behind a backslash.
func trimSpaces(s string) string {
	spaces := -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
			if spaces < 0 {
				spaces = i
			}
			continue
		case '\\':
			if i++; i == len(s) {
				return s
			}
		}
		spaces = -1
	}
	if spaces >= 0 {
		return s[:spaces]
	}
	return s
}

// matches reports whether the pattern is about a path, which is relative to the
// folder of the pattern's file.
func (p pattern) matches(path string, folder bool) bool {
	if p.folder && !folder {
		return false
	}
	glob := p.glob
	if p.base {
		path = path[strings.LastIndexByte(path, '/')+1:]
	} else if i := strings.IndexAny(glob, `*?[\`); i > 0 {
		// As in git, what follows the plain beginning is a pattern of its own:
		// in a**/b, the stars cross slashes.
		rest, ok := strings.CutPrefix(path, glob[:i])
		if !ok {
			return false
		}
		glob, path = glob[i:], rest
	}
	return (&matcher{}).match(glob, path, '/')
}

// matcher matches as git does: * and ? do not cross a slash, ** does where it
// stands for whole elements.
type matcher struct {
	// dead are the ends of pattern and path that do not match, by their lengths:
	// without them, many stars would try them again and again.
	dead map[[2]int]bool
}

// match matches a pattern; before is what precedes it.
func (m *matcher) match(p, s string, before byte) bool {
	for p != "" {
		c := p[0]
		if c == '*' {
			return m.star(p, s, before)
		}
		if s == "" {
			return false
		}
		switch {
		case c == '?' || c == '[':
			if s[0] == '/' {
				return false
			}
			rest := p[1:]
			if c == '[' {
				var in bool
				if rest, in = class(p, s[0]); !in {
					return false
				}
			}
			p = rest
		default:
			if c == '\\' {
				if p = p[1:]; p == "" {
					return false
				}
			}
			if p[0] != s[0] {
				return false
			}
			c, p = p[0], p[1:]
		}
		before, s = c, s[1:]
	}
	return s == ""
}

// star matches a pattern that begins with stars.
func (m *matcher) star(p, s string, before byte) bool {
	rest := strings.TrimLeft(p, "*")
	deep := len(p)-len(rest) > 1 && before == '/' && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`))
	if rest == "" {
		return deep || !strings.Contains(s, "/")
	}
	if deep && rest[0] == '/' && m.match(rest[1:], s, '/') {
		return true
	}
	for i := range len(s) {
		ends := [2]int{len(rest), len(s) - i}
		if !m.dead[ends] {
			if m.match(rest, s[i:], '*') {
				return true
			}
			if m.dead == nil {
				m.dead = map[[2]int]bool{}
			}
			m.dead[ends] = true
		}
		if !deep && s[i] == '/' {
			return false
		}
	}
	return false
}

// classes are the named sets of characters.
var classes = map[string]func(c byte) bool{
	"alnum": func(c byte) bool { return letter(c) || digit(c) },
	"alpha": letter,
	"blank": func(c byte) bool { return c == ' ' || c == '\t' },
	"cntrl": func(c byte) bool { return c < 0x20 || c == 0x7f },
	"digit": digit,
	"graph": func(c byte) bool { return c > 0x20 && c < 0x7f },
	"lower": func(c byte) bool { return 'a' <= c && c <= 'z' },
	"print": func(c byte) bool { return c >= 0x20 && c < 0x7f },
	"punct": func(c byte) bool { return c > 0x20 && c < 0x7f && !letter(c) && !digit(c) },
	"space": func(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' },
	"upper": func(c byte) bool { return 'A' <= c && c <= 'Z' },
	"xdigit": func(c byte) bool {
		return digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
	},
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// class matches one character against the set that a pattern begins with, and
// gives what follows it. A set that does not end matches nothing.
func class(p string, c byte) (rest string, in bool) {
	i := 1
	not := i < len(p) && (p[i] == '!' || p[i] == '^')
	if not {
		i++
	}
	var low byte // of a range that may follow; 0 for none
	for first := true; ; first = false {
		switch {
		case i >= len(p):
			return "", false
		case p[i] == ']' && !first:
			return p[i+1:], in != not
		case p[i] == '\\':
			if i++; i >= len(p) {
				return "", false
			}
			low, in = p[i], in || c == p[i]
		case p[i] == '-' && low != 0 && i+1 < len(p) && p[i+1] != ']':
			if i++; p[i] == '\\' {
				if i++; i >= len(p) {
					return "", false
				}
			}
			low, in = 0, in || low <= c && c <= p[i]
		case strings.HasPrefix(p[i:], "[:"):
			end := strings.IndexByte(p[i+2:], ']')
			if end < 0 {
				return "", false
			}
			name, named := strings.CutSuffix(p[i+2:i+2+end], ":")
			if !named {
				low, in = '[', in || c == '['
				break
			}
			is, known := classes[name]
			if !known {
				return "", false
			}
			low, in = 0, in || is(c)
			i += 2 + end
		default:
			low, in = p[i], in || c == p[i]
		}
		i++
	}
}
