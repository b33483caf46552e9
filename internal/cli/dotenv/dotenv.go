// Package dotenv reads files of variables, one NAME=VALUE a line:
//
//	# a comment                    and so are empty lines
//	NAME=value # a comment         spaces around are dropped
//	export NAME='a $literal "value"'
//	NAME="a\nb \"c\""              with \n \r \t \\ \" \$
//	NAME                           has no value here
//
// Values in quotes may go over several lines. Nothing is expanded: a $ is a $.
package dotenv

import (
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// Variable is one line of a file.
type Variable struct {
	Name, Value string
	Bare        bool // it has no value
}

// Parse reads a file; name is what errors call it. They tell no values.
func Parse(name, text string) ([]Variable, error) {
	p := parser{file: name, rest: strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), line: 1}
	var vs []Variable
	for p.rest != "" {
		v, ok, err := p.variable()
		if err != nil {
			return nil, err
		}
		if ok {
			vs = append(vs, v)
		}
	}
	return vs, nil
}

type parser struct {
	file, rest string
	line       int
}

func (p *parser) wrong(format string, args ...any) error {
	e := fault.Errorf(fault.Invalid, format, args...)
	return fault.Errorf(fault.Invalid, "%s:%d: %w", p.file, p.line, e).WithHint("a line is NAME=VALUE, NAME='VALUE', NAME=\"VALUE\", NAME or a # comment")
}

// take is what is before the end of the line, which is taken too.
func (p *parser) take() string {
	line, rest, found := strings.Cut(p.rest, "\n")
	if p.rest = rest; found {
		p.line++
	}
	return line
}

// variable reads a line, and on to the end of its value.
func (p *parser) variable() (v Variable, ok bool, err error) {
	line, _, _ := strings.Cut(p.rest, "\n")
	trimmed := strings.TrimSpace(line)
	if trimmed == "" || trimmed[0] == '#' {
		p.take()
		return v, false, nil
	}
	name, value, has := strings.Cut(line, "=")
	if !has {
		name, _, _ = strings.Cut(name, " #")
	}
	if rest, exported := strings.CutPrefix(strings.TrimSpace(name), "export"); exported && rest != strings.TrimLeft(rest, " \t") {
		name = rest
	}
	v.Name, v.Bare = strings.TrimSpace(name), !has
	if v.Name == "" || strings.ContainsAny(v.Name, " \t'\"#$") {
		return v, false, p.wrong("this is no variable")
	}
	value = strings.TrimLeft(value, " \t")
	if value != "" && (value[0] == '\'' || value[0] == '"') {
		p.rest = p.rest[len(line)-len(value)+1:]
		v.Value, err = p.quoted(v.Name, value[0])
		return v, err == nil, err
	}
	p.take()
	v.Value = strings.TrimSpace(uncommented(value))
	return v, true, nil
}

// uncommented is a value without quotes before a # that follows a space.
func uncommented(value string) string {
	for i := range len(value) {
		if value[i] == '#' && (i == 0 || value[i-1] == ' ' || value[i-1] == '\t') {
			return value[:i]
		}
	}
	return value
}

var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"', '$': '$'}

// quoted reads up to the closing quote, after which only a comment may come.
func (p *parser) quoted(name string, quote byte) (string, error) {
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		c := p.rest[i]
		if quote == '"' && c == '\\' && i+1 < len(p.rest) {
			if e, known := escapes[p.rest[i+1]]; known {
				b.WriteByte(e)
				i++
				continue
			}
		}
		if c != quote {
			b.WriteByte(c)
			continue
		}
		inside := strings.Count(p.rest[:i], "\n")
		p.rest = p.rest[i+1:]
		p.line += inside
		after, _, _ := strings.Cut(p.rest, "\n")
		if after = strings.TrimSpace(after); after != "" && after[0] != '#' {
			return "", p.wrong("the value of %s goes on after its closing quote", name)
		}
		p.take()
		return b.String(), nil
	}
	return "", p.wrong("the value of %s has no closing quote", name)
}
