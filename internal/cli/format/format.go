// Package format prints documents the way --format asks: yaml, json, and
// tables, values and csv of chosen columns. The language is a part of the
// original's: dotted paths, column labels, basename(), date() and list();
// anything else is an error that says so. It knows nothing of jobs.
package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Format is a checked --format.
type Format struct {
	kind    string
	attrs   map[string]string
	columns []column
}

type column struct {
	path  Path
	apply []transform
	label string
	// labelled is whether the label was asked for.
	labelled bool
	hide     bool
	sort     int // 1 for the first key; negative for descending
}

var attributes = map[string][]string{
	"yaml":  {},
	"json":  {},
	"none":  {},
	"table": {"no-heading", "pad", "title"},
	"csv":   {"no-heading", "separator", "delimiter", "terminator", "no-quote"},
	"value": {"separator", "delimiter", "terminator", "quote"},
}

// Parse reads a format such as table(jobId, state:label=STATUS).
func Parse(text string) (*Format, error) {
	s := &Scanner{Text: text, What: "format"}
	s.Space()
	f := &Format{kind: s.Until("[(: \t\r\n"), attrs: map[string]string{}}
	known, ok := attributes[f.kind]
	if !ok {
		return nil, s.Errorf("%q is not supported; the formats are yaml, json, table(…), value(…), csv(…) and none", f.kind)
	}
	s.Space()
	if s.Accept('[') {
		if err := f.readAttributes(s, known); err != nil {
			return nil, err
		}
		s.Space()
	}
	if s.Accept('(') {
		if err := f.readColumns(s); err != nil {
			return nil, err
		}
	}
	if s.Space(); !s.End() {
		return nil, s.Errorf("that is not supported")
	}
	if slices.Contains([]string{"table", "csv", "value"}, f.kind) && len(f.columns) == 0 {
		return nil, s.Errorf("%s needs columns, as in %s(jobId, state)", f.kind, f.kind)
	}
	f.labels()
	return f, nil
}

func (f *Format) readAttributes(s *Scanner, known []string) error {
	for {
		s.Space()
		if s.Accept(']') {
			return nil
		}
		if s.Accept(',') {
			continue
		}
		name := strings.TrimSpace(s.Until("=,]"))
		if !slices.Contains(known, name) {
			return s.Errorf("attribute %q is not supported for %s", name, f.kind)
		}
		value := ""
		if s.Accept('=') {
			if c := s.Peek(); c == '"' || c == '\'' {
				var err error
				if value, err = s.Quoted(); err != nil {
					return err
				}
			} else {
				value = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(s.Until(",]"))
			}
		}
		if s.End() {
			return s.Errorf("a ] is missing")
		}
		f.attrs[name] = value
	}
}

func (f *Format) readColumns(s *Scanner) error {
	for {
		s.Space()
		if s.Accept(')') {
			return nil
		}
		if len(f.columns) > 0 {
			if !s.Accept(',') {
				return s.Errorf("a comma or ) is expected")
			}
			s.Space()
		}
		c, err := readColumn(s)
		if err != nil {
			return err
		}
		f.columns = append(f.columns, c)
	}
}

func readColumn(s *Scanner) (column, error) {
	var c column
	path, err := s.Path()
	if err != nil {
		return c, err
	}
	for s.Accept('(') {
		last := path[len(path)-1]
		if last.Kind != Named || len(path) < 2 && c.path == nil {
			return c, s.Errorf("a function goes after a path, as in createTime.date()")
		}
		t, err := s.call(last.Name)
		if err != nil {
			return c, at(s, err)
		}
		if c.path == nil {
			c.path = path[:len(path)-1]
		}
		c.apply = append(c.apply, t)
		if !s.Accept('.') {
			path = nil
			break
		}
		if path, err = s.Path(); err != nil {
			return c, err
		}
		if len(path) != 1 || s.Peek() != '(' {
			return c, s.Errorf("after a function only a function may come")
		}
	}
	if c.path == nil {
		c.path = path
	}
	for s.Space(); s.Accept(':'); s.Space() {
		name := strings.TrimSpace(s.Until("=,:()"))
		value := ""
		if s.Accept('=') {
			if q := s.Peek(); q == '"' || q == '\'' {
				if value, err = s.Quoted(); err != nil {
					return c, err
				}
			} else {
				value = strings.TrimSpace(s.Until(",:()"))
			}
		}
		if err := c.attribute(name, value); err != nil {
			return c, at(s, err)
		}
	}
	return c, nil
}

func (c *column) attribute(name, value string) error {
	switch name {
	case "label":
		c.label, c.labelled = value, true
		if value == "" {
			c.label = " "
		}
	case "hidden":
		c.hide = true
	case "align":
		if value != "left" {
			return fmt.Errorf("align=%s is not supported", value)
		}
	case "sort":
		n, err := strconv.Atoi(strings.TrimPrefix(value, "~"))
		if err != nil || n < 1 || n > 1000 {
			return fmt.Errorf("sort=%s is no place in the order", value)
		}
		if strings.HasPrefix(value, "~") {
			n = -n
		}
		c.sort = n
	default:
		return fmt.Errorf("column attribute %q is not supported; label, sort and hidden are", name)
	}
	return nil
}

// at puts the place into an error that has none.
func at(s *Scanner, err error) error {
	if strings.Contains(err.Error(), "*HERE*") {
		return err
	}
	return s.Errorf("%w", err)
}

// labels gives every column without a label one: its last name, with the names
// before it where two would be alike.
func (f *Format) labels() {
	used := map[string]bool{}
	for i := range f.columns {
		c := &f.columns[i]
		if c.label == "" {
			var names []string
			for _, s := range c.path {
				if s.Kind == Named {
					names = append(names, snake(s.Name))
				}
			}
			for from := len(names) - 1; from >= 0; from-- {
				c.label = strings.Join(names[from:], "_")
				if !used[c.label] {
					break
				}
			}
		}
		used[c.label] = true
	}
}

// Borrow takes from a command's own format what this one leaves open for the
// same values, as the original does: the label, and in columns the functions.
func (f *Format) Borrow(from *Format) {
	inColumns := f.kind != "json" && f.kind != "yaml"
	for i := range f.columns {
		mine := &f.columns[i]
		for _, c := range from.columns {
			if c.path.String() != mine.path.String() {
				continue
			}
			if c.labelled && !mine.labelled {
				mine.label = c.label
			}
			if inColumns && mine.apply == nil {
				mine.apply = c.apply
			}
		}
	}
}

// snake writes trialId as TRIAL_ID.
func snake(name string) string {
	var b strings.Builder
	prev := rune(0)
	for _, r := range name {
		if unicode.IsUpper(r) && (unicode.IsLower(prev) || unicode.IsDigit(prev)) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
		prev = r
	}
	return b.String()
}

// value is what a column shows of a document.
func (c column) value(doc any) any {
	v, ok := c.path.Get(doc)
	if !ok {
		v = missing{}
	}
	for _, t := range c.apply {
		v = t(v)
	}
	return v
}

// Decode reads a JSON document for printing: numbers stay as they are written.
func Decode(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// Print writes a list of documents.
func (f *Format) Print(w io.Writer, docs []any) error { return f.print(w, docs, false) }

// PrintOne writes one document: no list around it.
func (f *Format) PrintOne(w io.Writer, doc any) error { return f.print(w, []any{doc}, true) }

func (f *Format) print(w io.Writer, docs []any, single bool) error {
	var b bytes.Buffer
	var err error
	switch f.kind {
	case "json":
		err = f.json(&b, docs, single)
	case "yaml":
		err = f.yaml(&b, docs, single)
	case "table":
		f.table(&b, docs)
	case "csv", "value":
		f.csv(&b, docs)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}
