// Package mlv1 turns documents of the ml v1 API into checked specifications and
// jobs back into documents. The API's names are known here and, on the server's
// side, nowhere else. It does no I/O.
//
// A document passes through one form on every way: a Doc, whose names are
// camelCase and whose values have the type that the API gives them. The wire
// is strict and speaks like the original; a configuration file is read
// leniently and speaks of files and lines.
package mlv1

import (
	"encoding/json"
	"maps"

	ml "google.golang.org/api/ml/v1"

	"github.com/trainyard/trainyard/internal/fault"
)

// Doc is a message with camelCase names: strings (also for 64-bit integers and
// enums), booleans, json.Number, []any and Doc.
type Doc map[string]any

// Typed is the document as Google's type. Names that the type does not have
// (scheduling.strategy) are lost.
func (d Doc) Typed() (*ml.GoogleCloudMlV1__Job, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "write a job document: %w", err)
	}
	var j ml.GoogleCloudMlV1__Job
	if err := json.Unmarshal(raw, &j); err != nil {
		return nil, fault.Errorf(fault.Internal, "read a job document: %w", err)
	}
	return &j, nil
}

// Clone is a copy that shares nothing.
func (d Doc) Clone() Doc {
	c := maps.Clone(d)
	for k, v := range c {
		c[k] = cloneValue(v)
	}
	return c
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case Doc:
		return v.Clone()
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = cloneValue(e)
		}
		return c
	default:
		return v
	}
}

// Sub is the message in a field, made when it is not there.
func (d Doc) Sub(name string) Doc {
	if s, ok := d[name].(Doc); ok {
		return s
	}
	s := Doc{}
	d[name] = s
	return s
}

// Text is a field's text, empty when there is none.
func (d Doc) Text(name string) string {
	s, _ := d[name].(string)
	return s
}

// compact drops what proto3 does not write: empty values and false. Messages
// stay even when they are empty, since being there is their value.
func compact(d Doc) Doc {
	c := make(Doc, len(d))
	for k, v := range d {
		switch v := v.(type) {
		case Doc:
			c[k] = compact(v)
			continue
		case []any:
			if len(v) == 0 {
				continue
			}
			if k == "env" { // an empty value is a value
				c[k] = v
				continue
			}
			l := make([]any, len(v))
			for i, e := range v {
				if e, ok := e.(Doc); ok {
					l[i] = compact(e)
					continue
				}
				l[i] = e
			}
			c[k] = l
			continue
		case string:
			if v == "" || v == "0" {
				continue
			}
		case bool:
			if !v {
				continue
			}
		case json.Number:
			if f, err := v.Float64(); err == nil && f == 0 {
				continue
			}
		}
		c[k] = v
	}
	if l, ok := d["labels"].(Doc); ok {
		if c["labels"] = l; len(l) == 0 {
			delete(c, "labels")
		}
	}
	return c
}
