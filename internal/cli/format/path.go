package format

import (
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// Path leads from a document to one of its values: names, indexes, and [] for
// every item of a list.
type Path []Step

// Step is one part of a path.
type Step struct {
	Name  string
	Kind  StepKind
	Index int // for Index; from the end when negative
}

// StepKind says what a step selects.
type StepKind int

// The kinds of steps.
const (
	Named StepKind = iota
	Index
	Each
)

// Get follows the path; ok is false where the document has nothing there. A
// name applied to a list selects it in every item.
func (p Path) Get(doc any) (value any, ok bool) {
	if len(p) == 0 {
		return doc, true
	}
	switch d := doc.(type) {
	case map[string]any:
		if p[0].Kind != Named {
			return nil, false
		}
		v, has := d[p[0].Name]
		if !has {
			return nil, false
		}
		return p[1:].Get(v)
	case []any:
		switch p[0].Kind {
		case Index:
			i := p[0].Index
			if i < 0 {
				i += len(d)
			}
			if i < 0 || i >= len(d) {
				return nil, false
			}
			return p[1:].Get(d[i])
		case Each:
			return each(d, p[1:])
		default:
			return each(d, p)
		}
	default:
		return nil, false
	}
}

func each(list []any, rest Path) (any, bool) {
	out := make([]any, 0, len(list))
	for _, item := range list {
		if v, ok := rest.Get(item); ok {
			out = append(out, v)
		}
	}
	return out, len(out) > 0 || len(rest) == 0
}

func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch s.Kind {
		case Index:
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		case Each:
			b.WriteString("[]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			if strings.ContainsAny(s.Name, special+" \t\r\n") || s.Name == "" {
				b.WriteString(quote(s.Name))
			} else {
				b.WriteString(s.Name)
			}
		}
	}
	return b.String()
}

// special are the characters that end a bare name.
const special = `.,:()[]"'\=!<>~`

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(s) + `"`
}

// Scanner reads the words that formats and filters are written in.
type Scanner struct {
	Text string
	Pos  int
	What string // for messages: "format", "filter"
}

// Errorf is an error that shows where in the text it is.
func (s *Scanner) Errorf(format string, args ...any) error {
	at := min(s.Pos, len(s.Text))
	e := fault.Errorf(fault.Invalid, format, args...)
	e.Msg = "invalid " + s.What + ": " + e.Msg + " [" + s.Text[:at] + " *HERE* " + s.Text[at:] + "]"
	return e
}

// Peek is the next character, 0 at the end.
func (s *Scanner) Peek() byte {
	if s.Pos >= len(s.Text) {
		return 0
	}
	return s.Text[s.Pos]
}

// End reports whether all was read.
func (s *Scanner) End() bool { return s.Pos >= len(s.Text) }

// Space skips white space.
func (s *Scanner) Space() {
	for s.Pos < len(s.Text) && strings.IndexByte(" \t\r\n", s.Text[s.Pos]) >= 0 {
		s.Pos++
	}
}

// Accept reads the character if it is next.
func (s *Scanner) Accept(c byte) bool {
	if s.Peek() == c && !s.End() {
		s.Pos++
		return true
	}
	return false
}

// Until reads up to a character of the set or the end.
func (s *Scanner) Until(set string) string {
	start := s.Pos
	if i := strings.IndexAny(s.Text[s.Pos:], set); i >= 0 {
		s.Pos += i
	} else {
		s.Pos = len(s.Text)
	}
	return s.Text[start:s.Pos]
}

// Quoted reads a text in single or double quotes; a backslash takes the next
// character as it is, but for n, t and r.
func (s *Scanner) Quoted() (string, error) {
	start, end := s.Pos, s.Peek()
	s.Pos++
	var b strings.Builder
	for !s.End() {
		c := s.Text[s.Pos]
		s.Pos++
		switch {
		case c == end:
			return b.String(), nil
		case c == '\\' && !s.End():
			b.WriteByte(unescape(s.Text[s.Pos]))
			s.Pos++
		default:
			b.WriteByte(c)
		}
	}
	s.Pos = start
	return "", s.Errorf("a quote is not closed")
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	default:
		return c
	}
}

// Path reads a dotted path.
func (s *Scanner) Path() (Path, error) {
	var p Path
	for {
		switch c := s.Peek(); {
		case c == '"' || c == '\'':
			name, err := s.Quoted()
			if err != nil {
				return nil, err
			}
			p = append(p, Step{Name: name})
		default:
			name := s.Until(special + " \t\r\n")
			if name == "" {
				return nil, s.Errorf("a name is expected")
			}
			p = append(p, Step{Name: name})
		}
		for s.Accept('[') {
			text := strings.TrimSpace(s.Until("]"))
			if !s.Accept(']') {
				return nil, s.Errorf("a ] is missing")
			}
			if text == "" {
				p = append(p, Step{Kind: Each})
				continue
			}
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, s.Errorf("%q is no index", text)
			}
			p = append(p, Step{Kind: Index, Index: n})
		}
		if !s.Accept('.') {
			return p, nil
		}
	}
}
