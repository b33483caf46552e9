package logs

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/fault"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenQuoted
	tokenOp
	tokenDot
	tokenOpen
	tokenClose
	tokenMinus
)

// filterParser holds the present token; next moves on.
type filterParser struct {
	text  string
	pos   int
	start int
	kind  tokenKind
	value string
	err   error
	leaf  func(depth int) node // reads what stands between AND, OR and NOT
}

// longOps are the operators of two characters.
var longOps = []string{"!=", ">=", "<=", "=~", "!~"}

func (p *filterParser) fail(format string, args ...any) {
	if p.err == nil {
		e := fault.Errorf(fault.Invalid, format, args...)
		p.err = fault.Errorf(fault.Invalid, "filter %s, at %d: %s", p.quote(), p.start+1, e.Msg)
	}
	p.kind = tokenEnd
}

// quote is the filter for a message, or its beginning.
func (p *filterParser) quote() string {
	const most = 500
	if len(p.text) <= most {
		return strconv.Quote(p.text)
	}
	return strconv.Quote(p.text[:most]) + "…"
}

func (p *filterParser) next() {
	if p.err != nil {
		p.kind = tokenEnd
		return
	}
	for p.pos < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.pos:])
		if unicode.IsSpace(r) {
			p.pos += n
			continue
		}
		if strings.HasPrefix(p.text[p.pos:], "--") { // a comment to the end of the line
			if i := strings.IndexByte(p.text[p.pos:], '\n'); i >= 0 {
				p.pos += i
				continue
			}
			p.pos = len(p.text)
		}
		break
	}
	p.start = p.pos
	if p.pos == len(p.text) {
		p.kind, p.value = tokenEnd, ""
		return
	}
	one := func(k tokenKind, n int) { p.kind, p.value = k, p.text[p.pos:p.pos+n]; p.pos += n }
	switch c := p.text[p.pos]; {
	case c == '(':
		one(tokenOpen, 1)
	case c == ')':
		one(tokenClose, 1)
	case c == '.':
		one(tokenDot, 1)
	case c == '"' || c == '\'':
		p.quoted(c)
	case p.pos+1 < len(p.text) && slices.Contains(longOps, p.text[p.pos:p.pos+2]):
		one(tokenOp, 2)
	case c == '=' || c == '>' || c == '<' || c == ':':
		one(tokenOp, 1)
	case c == '-' && (p.pos+1 == len(p.text) || !isDigit(p.text[p.pos+1])):
		one(tokenMinus, 1)
	default:
		n := strings.IndexFunc(p.text[p.pos:], func(r rune) bool {
			return unicode.IsSpace(r) || strings.ContainsRune(`().=<>!:"'`, r)
		})
		if n < 0 {
			n = len(p.text) - p.pos
		}
		if n == 0 {
			p.fail("unexpected %q", p.text[p.pos:p.pos+1])
			return
		}
		one(tokenWord, n)
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (p *filterParser) quoted(quote byte) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == quote:
			p.kind, p.value, p.pos = tokenQuoted, b.String(), i+1
			return
		case c == '\\' && i+1 < len(p.text):
			i++
			switch p.text[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(p.text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	p.fail("a quotation mark is not closed")
}

// lookup finds a value in a JSON object, as text.
func lookup(doc json.RawMessage, path []string) (string, bool) {
	for _, name := range path {
		var m map[string]json.RawMessage
		if json.Unmarshal(doc, &m) != nil {
			return "", false
		}
		var ok bool
		if doc, ok = m[name]; !ok {
			return "", false
		}
	}
	if len(path) == 0 || len(doc) == 0 {
		return "", false
	}
	var s string
	if json.Unmarshal(doc, &s) == nil {
		return s, true
	}
	return string(doc), true
}
