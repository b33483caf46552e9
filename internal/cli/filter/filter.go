// Package filter decides which documents --filter lets through. The language
// is a part of the original's: KEY OP VALUE terms with = != : < <= > >= ~ !~,
// put together with AND, OR, NOT, a leading minus and parentheses; terms side
// by side are ANDed. Anything else is an error that says so. It knows nothing
// of jobs and asks no server.
package filter

import (
	"regexp"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/cli/format"
)

// Filter is a checked expression.
type Filter struct{ root expr }

// expr is a node of the expression.
type expr interface{ match(doc any) bool }

type (
	and  []expr
	or   []expr
	not  struct{ expr }
	term struct {
		path     format.Path
		op       string
		operands []operand
	}
)

// operand is a value on the right, prepared for the ways it may be compared.
type operand struct {
	text   string
	number float64
	isNum  bool
	moment time.Time
	isTime bool
	re     *regexp.Regexp // for ~ and !~
}

// Match reports whether a document, as format.Decode gives it, passes.
func (f *Filter) Match(doc any) bool { return f.root == nil || f.root.match(doc) }

func (a and) match(doc any) bool {
	for _, e := range a {
		if !e.match(doc) {
			return false
		}
	}
	return true
}

func (o or) match(doc any) bool {
	for _, e := range o {
		if e.match(doc) {
			return true
		}
	}
	return false
}

func (n not) match(doc any) bool { return !n.expr.match(doc) }

// match holds when any value at the path stands in the relation to any of the
// operands; != and !~ are the contrary of = and ~ for each value.
func (t term) match(doc any) bool {
	v, _ := t.path.Get(doc)
	values := []any{v}
	if list, ok := v.([]any); ok && len(list) > 0 {
		values = list
	}
	for _, v := range values {
		for _, o := range t.operands {
			if t.holds(v, o) {
				return true
			}
		}
	}
	return false
}

func (t term) holds(v any, o operand) bool {
	switch t.op {
	case "=":
		return equal(v, o)
	case "!=":
		return !equal(v, o)
	case ":":
		return has(v, o)
	case "~", "!~":
		s, ok := v.(string)
		return ok && o.re.MatchString(s) == (t.op == "~")
	}
	d, ok := compare(v, o)
	if !ok {
		return false
	}
	switch t.op {
	case "<":
		return d < 0
	case "<=":
		return d <= 0
	case ">":
		return d > 0
	default:
		return d >= 0
	}
}

func equal(v any, o operand) bool {
	switch x := v.(type) {
	case map[string]any:
		for k, item := range x {
			if strings.EqualFold(k, o.text) || equal(item, o) {
				return true
			}
		}
		return false
	case nil:
		return o.text == ""
	}
	if o.isNum {
		if n, ok := format.Number(v); ok {
			return n == o.number
		}
	}
	text := format.Text(v)
	if s, ok := v.(string); ok && o.isTime {
		if m, ok := format.ParseTime(s, time.Local); ok && len(s) > len("2006-01-02") {
			return m.Equal(o.moment)
		}
	}
	if strings.EqualFold(text, o.text) {
		return true
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.EqualFold(line, o.text) {
			return true
		}
	}
	return false
}

// has is a search for a word that ignores case: the operand anywhere in the
// value, or, with one *, a beginning, an end, or both.
func has(v any, o operand) bool {
	switch x := v.(type) {
	case nil:
		return o.text == ""
	case map[string]any:
		for k, item := range x {
			if has(k, o) || has(item, o) {
				return true
			}
		}
		return false
	case []any:
		for _, item := range x {
			if has(item, o) {
				return true
			}
		}
		return false
	}
	if o.isNum {
		if n, ok := format.Number(v); ok && n == o.number {
			return true
		}
	}
	text, want := strings.ToLower(format.Text(v)), strings.ToLower(o.text)
	if want == "*" {
		return text != ""
	}
	before, after, star := strings.Cut(want, "*")
	if !star {
		return strings.Contains(text, want)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) >= len(before)+len(after) && strings.HasPrefix(line, before) && strings.HasSuffix(line, after) {
			return true
		}
	}
	// A word within the value may begin like this too.
	return after == "" && regexp.MustCompile(`\b`+regexp.QuoteMeta(before)).MatchString(text)
}

// compare orders a value and an operand as moments, numbers or text; ok is
// false where there is nothing to compare.
func compare(v any, o operand) (int, bool) {
	if o.isTime {
		s, ok := v.(string)
		if !ok || s == "" {
			return 0, false
		}
		if m, ok := format.ParseTime(s, time.Local); ok {
			return m.Compare(o.moment), true
		}
	}
	if o.isNum {
		if n, ok := format.Number(v); ok {
			switch {
			case n < o.number:
				return -1, true
			case n > o.number:
				return 1, true
			}
			return 0, true
		}
	}
	switch v.(type) {
	case map[string]any, []any:
		return 0, false
	}
	return strings.Compare(format.Text(v), o.text), true
}
