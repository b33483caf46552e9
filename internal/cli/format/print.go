package format

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// project keeps what the columns name, at the place where it was; nothing is
// left of a document that has none of it.
func (f *Format) project(doc any) any {
	if len(f.columns) == 0 {
		return doc
	}
	var out any
	for _, c := range f.columns {
		if c.hide {
			continue
		}
		v, ok := c.path.Get(doc)
		if !ok {
			continue
		}
		for _, t := range c.apply {
			v = t(v)
		}
		out = put(out, c.path, v)
	}
	return out
}

// put sets a value in a projection; indexes do not show in one.
func put(doc any, path Path, v any) any {
	for len(path) > 0 && path[0].Kind != Named {
		path = path[1:]
	}
	if len(path) == 0 {
		return v
	}
	m, ok := doc.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	m[path[0].Name] = put(m[path[0].Name], path[1:], v)
	return m
}

func (f *Format) json(b *bytes.Buffer, docs []any, single bool) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if single {
		return e.Encode(f.project(docs[0]))
	}
	out := make([]any, len(docs))
	for i, d := range docs {
		out[i] = f.project(d)
	}
	return e.Encode(out)
}

// visible are the columns that are shown.
func (f *Format) visible() []column {
	return slices.DeleteFunc(slices.Clone(f.columns), func(c column) bool { return c.hide })
}

func (f *Format) table(b *bytes.Buffer, docs []any) {
	if len(docs) == 0 {
		return
	}
	docs = f.ordered(docs)
	var rows [][]string
	if _, no := f.attrs["no-heading"]; !no {
		var head []string
		for _, c := range f.visible() {
			head = append(head, strings.TrimSpace(c.label))
		}
		rows = append(rows, head)
	}
	for _, d := range docs {
		var row []string
		for _, c := range f.visible() {
			row = append(row, strings.ReplaceAll(Text(c.value(d)), "\n", `\n`))
		}
		rows = append(rows, row)
	}
	pad := 2
	if n, err := strconv.Atoi(f.attrs["pad"]); err == nil && n >= 0 && n < 100 {
		pad = n
	}
	if t := f.attrs["title"]; t != "" {
		b.WriteString(t + "\n")
	}
	widths := make([]int, len(f.visible()))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]+pad-runewidth.StringWidth(cell)))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// ordered sorts by the columns that ask for it.
func (f *Format) ordered(docs []any) []any {
	keys := slices.DeleteFunc(slices.Clone(f.columns), func(c column) bool { return c.sort == 0 })
	if len(keys) == 0 {
		return docs
	}
	slices.SortStableFunc(keys, func(a, b column) int { return max(a.sort, -a.sort) - max(b.sort, -b.sort) })
	docs = slices.Clone(docs)
	slices.SortStableFunc(docs, func(x, y any) int {
		for _, k := range keys {
			if d := Compare(k.value(x), k.value(y)); d != 0 {
				if k.sort < 0 {
					return -d
				}
				return d
			}
		}
		return 0
	})
	return docs
}

// Compare orders two values: nothing first, then numbers, then text.
func Compare(a, b any) int {
	if x, y := rank(a), rank(b); x != y {
		return x - y
	}
	if x, ok := Number(a); ok {
		if y, ok := Number(b); ok {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
	}
	return strings.Compare(Text(a), Text(b))
}

func rank(v any) int {
	switch v.(type) {
	case nil, missing:
		return 0
	}
	if _, ok := Number(v); ok {
		return 1
	}
	return 2
}

// Number is a value as a number, where it is one or is written like one.
func Number(v any) (float64, bool) {
	switch x := v.(type) {
	case json.Number:
		f, err := x.Float64()
		return f, err == nil
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case string:
		f, err := strconv.ParseFloat(x, 64)
		return f, err == nil
	}
	return 0, false
}

func (f *Format) csv(b *bytes.Buffer, docs []any) {
	get := func(name, def string) string {
		if v, ok := f.attrs[name]; ok {
			return v
		}
		return def
	}
	sep, quoting := get("separator", ","), true
	if f.kind == "value" {
		_, quoting = f.attrs["quote"]
		sep = get("separator", "\t")
	} else if _, no := f.attrs["no-quote"]; no {
		quoting = false
	}
	delim, end := get("delimiter", ";"), get("terminator", "\n")
	field := func(s string) string {
		if !quoting || s == "" || !strings.ContainsAny(s, sep+delim+end+`"`) && strings.TrimSpace(s) == s {
			return s
		}
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	line := func(cells []string) { b.WriteString(strings.Join(cells, sep) + end) }

	if _, no := f.attrs["no-heading"]; f.kind == "csv" && !no {
		var head []string
		for _, c := range f.visible() {
			head = append(head, field(strings.ToLower(strings.TrimSpace(c.label))))
		}
		line(head)
	}
	for _, d := range f.ordered(docs) {
		var cells []string
		for _, c := range f.visible() {
			var parts []string
			switch v := c.value(d).(type) {
			case map[string]any:
				for _, k := range sorted(v) {
					parts = append(parts, field(k+"="+Text(v[k])))
				}
			case []any:
				for _, item := range v {
					parts = append(parts, field(Text(item)))
				}
			default:
				parts = []string{field(Text(v))}
			}
			cells = append(cells, strings.Join(parts, delim))
		}
		line(cells)
	}
}
