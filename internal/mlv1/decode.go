package mlv1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/fault"
)

const badPayload = "Invalid JSON payload received. "

// Decode reads JSON as sent on the wire into a document of the job message. It
// is lenient where proto3's JSON is (either spelling of a name, numbers as
// strings and the other way round, null for nothing) and otherwise strict, in
// the original's words, each with its violation. What only the service writes
// is dropped. The document is what could be read even when there are
// violations. An error means that it is no JSON at all.
func Decode(data []byte) (Doc, []fault.Violation, error) {
	var w wire
	d, err := w.decode(data)
	return d, w.violations, err
}

func (w *wire) decode(data []byte) (Doc, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return Doc{}, nil
	}
	if !utf8.Valid(data) {
		return nil, invalidPayload("It is not UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := value(dec, 0)
	if err == nil {
		if _, err = dec.Token(); err == nil {
			return nil, invalidPayload("Expected end of input.")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return nil, payloadError(data, err)
	}
	d := w.message(v, jobMessage, "job")
	if d == nil {
		d = Doc{}
	}
	return d, nil
}

func invalidPayload(format string, args ...any) error {
	return fault.Errorf(fault.Invalid, "%s%s", badPayload, fmt.Sprintf(format, args...))
}

// payloadError shows the place of a syntax error as the original does.
func payloadError(data []byte, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return invalidPayload("Unexpected end of string.")
	}
	// The token reader's offsets are rough; the scanner's are exact.
	syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(data, new(json.RawMessage)))
	if !ok {
		return invalidPayload("Unexpected token.")
	}
	at := min(max(int(syntax.Offset)-1, 0), len(data))
	start, end := max(at-20, 0), min(at+20, len(data))
	before, after := strings.ToValidUTF8(string(data[start:at]), ""), strings.ToValidUTF8(string(data[at:end]), "")
	clean := strings.NewReplacer("\n", " ", "\r", " ", "\t", " ")
	return invalidPayload("Unexpected token.\n%s\n%s^", clean.Replace(before+after), strings.Repeat(" ", utf8.RuneCountInString(before)))
}

// members is a JSON object in the order of writing.
type members []member

type member struct {
	name  string
	value any
}

// maxNesting is the original's limit.
const maxNesting = 100

// value reads one value: nil, bool, json.Number, string, []any or members.
func value(dec *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, invalidPayload("Message too deep. Max recursion depth reached.")
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		ms := members{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := value(dec, depth+1)
			if err != nil {
				return nil, err
			}
			ms = append(ms, member{name.(string), v})
		}
		_, err = dec.Token()
		return ms, err
	case json.Delim('['):
		l := []any{}
		for dec.More() {
			v, err := value(dec, depth+1)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		_, err = dec.Token()
		return l, err
	default:
		return tok, nil
	}
}

// wire collects what is wrong with a message's form.
type wire struct {
	violations []fault.Violation
	broken     []string // paths of values that could not be read
}

// invalid notes a value that is not of its field's type.
func (w *wire) invalid(path, typeName string, v any) {
	w.wrong(path, "Invalid value at '%s' (%s), %s", path, typeName, written(v))
	w.broken = append(w.broken, path)
}

func (w *wire) wrong(path, format string, args ...any) {
	if len(w.violations) < 100 {
		w.violations = append(w.violations, fault.Violation{Field: path, Description: fmt.Sprintf(format, args...)})
	}
}

func (w *wire) message(v any, m *message, path string) Doc {
	ms, ok := v.(members)
	if !ok {
		w.invalid(path, "type.googleapis.com/google.cloud.ml.v1."+m.name, v)
		return nil
	}
	d := make(Doc, len(ms))
	for _, e := range ms {
		f, known := m.fields[e.name]
		if !known {
			w.wrong(path, badPayload+"Unknown name %q at '%s': Cannot find field.", e.name, path)
			continue
		}
		if f.kind == output || e.value == nil {
			continue
		}
		if _, twice := d[f.name]; twice {
			w.wrong(path, badPayload+"Unknown name %q at '%s': Proto field is not repeating, cannot set it twice.", e.name, path)
			continue
		}
		if v := w.field(e.value, f, path, e.name); v != nil {
			d[f.name] = v
		}
	}
	return d
}

// field reads a field's value, nil when it is wrong.
func (w *wire) field(v any, f field, parent, name string) any {
	path := parent + "." + snake(f.name)
	list, isList := v.([]any)
	switch {
	case isList && !f.repeated:
		w.wrong(parent, badPayload+"Unknown name %q at '%s': Proto field is not repeating, cannot start list.", name, parent)
		w.broken = append(w.broken, path)
		return nil
	case !f.repeated:
		return w.single(v, f, path)
	case !isList:
		w.invalid(path, f.typeName(), v)
		return nil
	}
	l := make([]any, 0, len(list))
	for i, e := range list {
		if v := w.single(e, f, fmt.Sprintf("%s[%d]", path, i)); v != nil {
			l = append(l, v)
		}
	}
	return l
}

func (w *wire) single(v any, f field, path string) any {
	switch f.kind {
	case object:
		if d := w.message(v, f.message, path); d != nil {
			return d
		}
		return nil
	case labels:
		return w.labels(v, path)
	}
	if r, ok := primitive(v, f); ok {
		return r
	}
	w.invalid(path, f.typeName(), v)
	return nil
}

func (w *wire) labels(v any, path string) any {
	ms, ok := v.(members)
	if !ok {
		w.invalid(path, "TYPE_MESSAGE", v)
		return nil
	}
	d := make(Doc, len(ms))
	for _, e := range ms {
		s, ok := e.value.(string)
		if !ok {
			w.invalid(path+"."+e.name, "TYPE_STRING", e.value)
			continue
		}
		d[e.name] = s
	}
	return d
}

// primitive reads a JSON value as the kind, where the API's JSON allows it.
func primitive(v any, f field) (any, bool) {
	var s string
	switch v := v.(type) {
	case bool:
		return v, f.kind == boolean
	case string:
		s = v
		if f.kind == boolean {
			switch strings.ToLower(s) {
			case "true":
				return true, true
			case "false":
				return false, true
			}
			return nil, false
		}
	case json.Number:
		s = v.String()
		switch f.kind {
		case int32Kind, int64Kind:
			s = whole(s)
		case double:
		default:
			return nil, false
		}
	default:
		return nil, false
	}
	return scalar(s, f)
}

// whole writes 3.0 and 3e0 as 3, which is the same number in JSON.
func whole(s string) string {
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return s
	}
	return strconv.FormatInt(int64(f), 10)
}

// typeName is a kind as the original's errors name it.
func (f field) typeName() string {
	switch f.kind {
	case boolean:
		return "TYPE_BOOL"
	case int32Kind:
		return "TYPE_INT32"
	case int64Kind:
		return "TYPE_INT64"
	case double:
		return "TYPE_DOUBLE"
	case duration:
		return "type.googleapis.com/google.protobuf.Duration"
	case enum:
		return "type.googleapis.com/google.cloud.ml.v1." + strings.ToUpper(f.name[:1]) + f.name[1:]
	case object:
		return "type.googleapis.com/google.cloud.ml.v1." + f.message.name
	default:
		return "TYPE_STRING"
	}
}

// written is a value as it stands in an error.
func written(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case string:
		if len(v) > 200 {
			v = strings.ToValidUTF8(v[:200], "") + "…"
		}
		return strconv.Quote(v)
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
