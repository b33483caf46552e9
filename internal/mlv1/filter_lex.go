package mlv1

import (
	"fmt"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// filterParser is a parser by recursive descent with one token of look-ahead.
type filterParser struct {
	text   string
	pos    int
	tok    string // "" at the end
	quoted bool   // tok is a string, never an operator or a keyword
	err    error  // the first; parsing runs out quickly after it
}

func (p *filterParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fault.Errorf(fault.Invalid, "Invalid filter at character %d: %s", p.pos, fmt.Sprintf(format, args...)).
			WithHint("a filter is made of FIELD OPERATOR VALUE, as in: jobId:census* AND state:FAILED")
	}
	p.tok, p.quoted, p.pos = "", false, len(p.text)
}

// next reads the next token into tok.
func (p *filterParser) next() {
	if len(p.text) > maxFilter {
		p.fail("it is longer than %d characters", maxFilter)
		return
	}
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	p.tok, p.quoted = "", false
	if p.pos == len(p.text) {
		return
	}
	rest := p.text[p.pos:]
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">", ":", "(", ")"} {
		if strings.HasPrefix(rest, op) {
			p.tok = op
			p.pos += len(op)
			return
		}
	}
	if rest[0] == '"' || rest[0] == '\'' {
		p.str(rest)
		return
	}
	n := strings.IndexAny(rest, " \t\r\n()=<>!:\"'")
	switch {
	case n == 0:
		p.fail("unexpected %q", rest[:1])
		return
	case n < 0:
		n = len(rest)
	}
	// A time without quotes has colons.
	if m := bareTime.FindString(rest); m != "" {
		n = len(m)
	}
	p.tok = rest[:n]
	p.pos += n
}

var bareTime = pattern.New(`^\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})?`)

func (p *filterParser) str(rest string) {
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		case c == rest[0]:
			p.tok, p.quoted = b.String(), true
			p.pos += i + 1
			return
		default:
			b.WriteByte(c)
		}
	}
	p.fail("the string has no end")
}
