package filter

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/cli/format"
)

// maxDepth keeps a hostile expression from exhausting the stack.
const maxDepth = 200

type parser struct {
	format.Scanner
	now   time.Time
	depth int
}

// Parse reads an expression; an empty one lets everything through. now is what
// durations such as -P1D count from.
func Parse(text string, now time.Time) (*Filter, error) {
	p := &parser{Scanner: format.Scanner{Text: text, What: "filter"}, now: now}
	if p.Space(); p.End() {
		return &Filter{}, nil
	}
	root, err := p.group()
	if err != nil {
		return nil, err
	}
	if p.Space(); !p.End() {
		return nil, p.Errorf("unexpected tokens")
	}
	return &Filter{root}, nil
}

// group reads terms up to a closing parenthesis or the end. AND and OR in one
// group need parentheses: the two languages that this one comes from disagree
// on which of them binds closer.
func (p *parser) group() (expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.Errorf("too many parentheses")
	}
	defer func() { p.depth-- }()
	first, err := p.unary()
	if err != nil {
		return nil, err
	}
	all, word := []expr{first}, ""
	for {
		p.Space()
		if p.End() || p.Peek() == ')' {
			if word == "OR" {
				return or(all), nil
			}
			return and(all), nil
		}
		start, op := p.Pos, "AND"
		switch w := p.word(); w {
		case "AND", "OR":
			op = w
		default:
			p.Pos = start // terms side by side
		}
		if word != "" && word != op {
			p.Pos = start
			return nil, p.Errorf("parentheses are needed where AND and OR are combined")
		}
		word = op
		next, err := p.unary()
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
}

// word reads letters, as the logical operators are.
func (p *parser) word() string { return p.Until(" \t\r\n().,:=!<>~[]\"'") }

func (p *parser) unary() (expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.Errorf("too many NOTs")
	}
	defer func() { p.depth-- }()
	p.Space()
	if p.End() {
		return nil, p.Errorf("a term is expected")
	}
	start := p.Pos
	switch p.word() {
	case "NOT":
		e, err := p.unary()
		return not{e}, err
	case "AND", "OR":
		p.Pos = start
		return nil, p.Errorf("a term is expected")
	}
	p.Pos = start
	if p.Accept('-') {
		e, err := p.primary()
		return not{e}, err
	}
	return p.primary()
}

func (p *parser) primary() (expr, error) {
	if p.Accept('(') {
		e, err := p.group()
		if err != nil {
			return nil, err
		}
		if p.Space(); !p.Accept(')') {
			return nil, p.Errorf("a ) is missing")
		}
		return e, nil
	}
	return p.term()
}

var operators = []string{"!=", "!~", "<=", ">=", "=", ":", "<", ">", "~"}

func (p *parser) term() (expr, error) {
	start := p.Pos
	path, err := p.Path()
	if err != nil {
		return nil, err
	}
	if p.Peek() == '(' {
		return nil, p.Errorf("functions are not supported in filters")
	}
	p.Space()
	t := term{path: path}
	for _, op := range operators {
		if strings.HasPrefix(p.Text[p.Pos:], op) {
			t.op = op
			p.Pos += len(op)
			break
		}
	}
	if t.op == "" {
		p.Pos = start
		if w := strings.ToUpper(p.word()); w == "AND" || w == "OR" || w == "NOT" {
			p.Pos = start
			return nil, p.Errorf("%s is written in upper case", w)
		}
		p.Pos = start
		return nil, p.Errorf("words without an operator are not supported; write KEY:WORD")
	}
	if strings.IndexByte("=:<>~!", p.Peek()) >= 0 && !p.End() {
		p.Pos -= len(t.op)
		return nil, p.Errorf("malformed operator")
	}
	p.Space()
	texts, err := p.operands(t.op)
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		o, err := p.operand(t.op, text)
		if err != nil {
			return nil, err
		}
		t.operands = append(t.operands, o)
	}
	return t, nil
}

// operands reads one value, or for = and : a list in parentheses.
func (p *parser) operands(op string) ([]string, error) {
	if (op != "=" && op != ":") || !p.Accept('(') {
		v, err := p.value("()")
		return []string{v}, err
	}
	var list []string
	for {
		for p.Space(); p.Accept(','); p.Space() {
		}
		if p.Accept(')') {
			if len(list) == 0 {
				return nil, p.Errorf("a value is expected")
			}
			return list, nil
		}
		v, err := p.value("(),")
		if err != nil {
			return nil, err
		}
		if v != "OR" && v != "AND" {
			list = append(list, v)
		}
	}
}

func (p *parser) value(end string) (string, error) {
	if c := p.Peek(); c == '"' || c == '\'' {
		return p.Quoted()
	}
	start := p.Pos
	v := p.Until(end + " \t\r\n")
	if v == "" {
		return "", p.Errorf("a value is expected")
	}
	if end == "()" && (v == "AND" || v == "OR" || v == "NOT") {
		p.Pos = start
		return "", p.Errorf("a value is expected, not %s", v)
	}
	return v, nil
}

func (p *parser) operand(op, text string) (operand, error) {
	o := operand{text: text}
	switch op {
	case "~", "!~":
		re, err := regexp.Compile(text)
		if err != nil {
			return o, p.Errorf("%q is no regular expression: %w", text, err)
		}
		o.re = re
		return o, nil
	case ":":
		if strings.Count(text, "*") > 1 {
			return o, p.Errorf("at most one * is possible in %q", text)
		}
	}
	switch strings.ToLower(text) {
	case "true":
		o.number, o.isNum = 1, true
	case "false":
		o.number, o.isNum = 0, true
	default:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			o.number, o.isNum = n, true
		}
	}
	if m, ok := format.ParseTime(text, time.Local); ok {
		o.moment, o.isTime = m, true
	} else if m, ok := ago(text, p.now); ok {
		o.moment, o.isTime = m, true
	}
	return o, nil
}

var duration = regexp.MustCompile(`^([-+])?P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$`)

// ago reads a duration such as -P1D or -PT2H and counts it from now.
func ago(text string, now time.Time) (time.Time, bool) {
	m := duration.FindStringSubmatch(strings.ToUpper(text))
	if m == nil || strings.Trim(text, "+-PTpt") == "" {
		return time.Time{}, false
	}
	n := make([]int, len(m))
	for i := 2; i < len(m); i++ {
		n[i], _ = strconv.Atoi(m[i])
		if m[1] == "-" {
			n[i] = -n[i]
		}
	}
	t := now.AddDate(n[2], n[3], 7*n[4]+n[5])
	return t.Add(time.Duration(n[6])*time.Hour + time.Duration(n[7])*time.Minute + time.Duration(n[8])*time.Second), true
}
