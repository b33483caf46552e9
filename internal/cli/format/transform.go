package format

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"
)

// transform is a function at the end of a path. missing is given where the
// document has nothing there.
type transform func(value any) any

type missing struct{}

// transforms are the functions there are, and the arguments each takes by
// position and by name.
var transforms = map[string]struct {
	positional []string
	named      []string
	make       func(args map[string]string) (transform, error)
}{
	"basename": {[]string{"undefined"}, []string{"undefined"}, makeBasename},
	"date":     {[]string{"format"}, []string{"format", "tz", "tz_default", "undefined"}, makeDate},
	"list":     {[]string{"show"}, []string{"show", "undefined", "separator"}, makeList},
}

// call reads the arguments of a function whose opening parenthesis was read.
func (s *Scanner) call(name string) (transform, error) {
	def, ok := transforms[name]
	if !ok {
		return nil, s.Errorf("function %s() is not supported; basename(), date() and list() are", name)
	}
	args := map[string]string{}
	for n := 0; ; n++ {
		s.Space()
		if s.Accept(')') {
			return def.make(args)
		}
		if n > 0 {
			if !s.Accept(',') {
				return nil, s.Errorf("a comma or ) is expected in the arguments of %s()", name)
			}
			s.Space()
		}
		key, value, err := s.argument()
		if err != nil {
			return nil, err
		}
		switch {
		case key == "" && n < len(def.positional):
			key = def.positional[n]
		case key == "":
			return nil, s.Errorf("%s() takes fewer arguments", name)
		case !slices.Contains(def.named, key):
			return nil, s.Errorf("%s() has no argument %s", name, key)
		}
		args[key] = value
	}
}

// argument reads VALUE or NAME=VALUE.
func (s *Scanner) argument() (key, value string, err error) {
	value, quoted, err := s.argumentValue()
	if err != nil || quoted || !s.Accept('=') {
		return "", value, err
	}
	key = value
	value, _, err = s.argumentValue()
	return key, value, err
}

func (s *Scanner) argumentValue() (_ string, quoted bool, err error) {
	if c := s.Peek(); c == '"' || c == '\'' {
		v, err := s.Quoted()
		return v, true, err
	}
	v := strings.TrimSpace(s.Until(",()[]=\"'"))
	if s.End() {
		return "", false, s.Errorf("a ) is missing")
	}
	return v, false, nil
}

func makeBasename(args map[string]string) (transform, error) {
	var f transform
	f = func(v any) any {
		if list, ok := v.([]any); ok && len(list) > 0 {
			out := make([]any, len(list))
			for i, item := range list {
				out[i] = f(item)
			}
			return out
		}
		if empty(v) {
			return args["undefined"]
		}
		t := Text(v)
		for _, sep := range []string{"/", `\`} {
			if i := strings.LastIndex(t, sep); i >= 0 {
				return t[i+1:]
			}
		}
		return t
	}
	return f, nil
}

func makeDate(args map[string]string) (transform, error) {
	layout, ok := args["format"]
	if !ok {
		layout = "%Y-%m-%dT%H:%M:%S"
	}
	out, err := zone(args["tz"])
	if err != nil {
		return nil, err
	}
	in, err := zone(args["tz_default"])
	if err != nil {
		return nil, err
	}
	return func(v any) any {
		var t time.Time
		switch x := v.(type) {
		case json.Number:
			f, err := x.Float64()
			if err != nil || f < -1e11 || f > 1e11 {
				return args["undefined"]
			}
			t = time.Unix(0, int64(f*1e9))
		case string:
			var ok bool
			if t, ok = ParseTime(x, in); !ok {
				return args["undefined"]
			}
		default:
			return args["undefined"]
		}
		if out != nil {
			t = t.In(out)
		}
		return strftime.Format(layout, t)
	}, nil
}

func zone(name string) (*time.Location, error) {
	switch name {
	case "":
		return nil, nil
	case "LOCAL", "local":
		return time.Local, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %s is not known", name)
	}
	return loc, nil
}

// ParseTime reads a moment as documents and people write it. One without a
// zone is in loc, or local where loc is nil.
func ParseTime(s string, loc *time.Location) (time.Time, bool) {
	if loc == nil {
		loc = time.Local
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04",
		"2006-01-02", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z0700",
	} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func makeList(args map[string]string) (transform, error) {
	sep, ok := args["separator"]
	if !ok {
		sep = ","
	}
	if show := args["show"]; show != "" && show != "keys" && show != "values" {
		return nil, fmt.Errorf("list() can show keys or values, not %s", show)
	}
	return func(v any) any {
		var items []string
		switch x := v.(type) {
		case map[string]any:
			for _, k := range sorted(x) {
				switch args["show"] {
				case "keys":
					items = append(items, k)
				case "values":
					items = append(items, Text(x[k]))
				default:
					items = append(items, k+"="+Text(x[k]))
				}
			}
		case []any:
			for _, item := range x {
				items = append(items, Text(item))
			}
		default:
			if empty(v) {
				return args["undefined"]
			}
			return v
		}
		return strings.Join(items, sep)
	}, nil
}

func empty(v any) bool {
	switch x := v.(type) {
	case nil, missing:
		return true
	case string:
		return x == ""
	case bool:
		return !x
	case []any:
		return len(x) == 0
	case map[string]any:
		return len(x) == 0
	case json.Number:
		f, err := x.Float64()
		return err == nil && f == 0
	}
	return false
}

func sorted(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Text is a value as one cell shows it, in the original's spelling.
func Text(v any) string {
	switch x := v.(type) {
	case nil, missing:
		return ""
	case string:
		return x
	case bool:
		if x {
			return "True"
		}
		return "False"
	case json.Number:
		return x.String()
	case []any, map[string]any:
		return literal(v)
	default: // a document that Decode did not make
		return fmt.Sprint(v)
	}
}

// literal is how the original shows lists and maps within a cell.
func literal(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case string:
		q := "'"
		if strings.Contains(x, "'") && !strings.Contains(x, `"`) {
			q = `"`
		}
		t := strconv.Quote(x)
		return q + strings.ReplaceAll(strings.ReplaceAll(t[1:len(t)-1], `\"`, `"`), q, `\`+q) + q
	case []any:
		items := make([]string, len(x))
		for i, item := range x {
			items[i] = literal(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		items := make([]string, 0, len(x))
		for _, k := range sorted(x) {
			items = append(items, literal(k)+": "+literal(x[k]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	default:
		return Text(v)
	}
}
