package storageapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// mask says which fields of an answer are wanted; nil is all of them. The key
// "*" stands for every field. Lists are looked through.
type mask map[string]mask

// maxMask bounds what a query may ask to be parsed.
const maxMask = 8 << 10

// parseFields reads the parameter fields: "kind,items(name,size),items/metadata/*".
func parseFields(s string) (mask, error) {
	if s == "" {
		return nil, nil
	}
	p := fieldsParser{rest: s}
	m, ok := p.list(0)
	if !ok || p.rest != "" || len(s) > maxMask {
		return nil, &responded{kind{400, "invalidParameter"}, "Invalid field selection " + s}
	}
	return m, nil
}

type fieldsParser struct{ rest string }

func (p *fieldsParser) list(depth int) (mask, bool) {
	m := mask{}
	for {
		if !p.path(m, depth) {
			return nil, false
		}
		if !p.take(",") {
			return m, true
		}
	}
}

func (p *fieldsParser) take(s string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, s)
	return ok
}

// path reads a/b/c or a/b(c,d) into m.
func (p *fieldsParser) path(m mask, depth int) bool {
	end := strings.IndexAny(p.rest, ",/()")
	if end < 0 {
		end = len(p.rest)
	}
	name := strings.TrimSpace(p.rest[:end])
	p.rest = p.rest[end:]
	if name == "" || depth > 30 {
		return false
	}
	var below mask
	switch {
	case p.take("/"):
		below = mask{}
		if !p.path(below, depth+1) {
			return false
		}
	case p.take("("):
		var ok bool
		if below, ok = p.list(depth + 1); !ok || !p.take(")") {
			return false
		}
	}
	if was, ok := m[name]; ok {
		below = union(was, below)
	}
	m[name] = below
	return true
}

func union(a, b mask) mask {
	if a == nil || b == nil {
		return nil
	}
	m := maps.Clone(a)
	for name, below := range b {
		if was, ok := m[name]; ok {
			below = union(was, below)
		}
		m[name] = below
	}
	return m
}

// cut leaves of a JSON value what the mask wants, in the order that it was in.
// Of a value without fields, a mask wants nothing.
func (m mask) cut(raw json.RawMessage) (json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if m == nil || len(raw) == 0 {
		return raw, nil
	}
	if raw[0] != '{' && raw[0] != '[' {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	out := []byte{raw[0]}
	for d.More() {
		below, key := m, json.RawMessage(nil)
		if raw[0] == '{' {
			token, err := d.Token()
			if err != nil {
				return nil, err
			}
			name := token.(string)
			sub, named := m[name]
			every, all := m["*"]
			switch {
			case named && all:
				sub = union(sub, every)
			case all:
				sub = every
			}
			below = sub
			if named || all {
				key, _ = json.Marshal(name)
			}
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if raw[0] == '{' && key == nil {
			continue
		}
		kept, err := below.cut(value)
		if err != nil {
			return nil, err
		}
		if kept == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if key != nil {
			out = append(append(out, key...), ':')
		}
		out = append(out, kept...)
	}
	return append(out, raw[0]+2), nil // the closing bracket is two after the opening one
}

// flag reads a parameter that is true or false.
func (c *call) flag(name string) (bool, error) {
	switch s := c.q.Get(name); strings.ToLower(s) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, fault.Errorf(fault.Invalid, "parameter %s is %q, not true or false", name, s)
	}
}
