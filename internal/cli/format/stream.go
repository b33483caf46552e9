package format

import (
	"bytes"
	"io"
	"strings"
)

// Stream prints documents one at a time, each at once where the format can;
// a table is written by Close.
type Stream struct {
	f    *Format
	w    io.Writer
	n    int
	docs []any // of a table
}

// Stream starts printing a list whose end is not known yet.
func (f *Format) Stream(w io.Writer) *Stream { return &Stream{f: f, w: w} }

// Add prints one document.
func (s *Stream) Add(doc any) error {
	s.n++
	var b bytes.Buffer
	switch s.f.kind {
	case "table":
		s.docs = append(s.docs, doc)
		return nil
	case "json":
		var one bytes.Buffer
		if err := s.f.json(&one, []any{doc}, true); err != nil {
			return err
		}
		start := ",\n"
		if s.n == 1 {
			start = "[\n"
		}
		b.WriteString(start)
		b.WriteString("  " + strings.ReplaceAll(strings.TrimRight(one.String(), "\n"), "\n", "\n  "))
	case "csv":
		if s.n == 1 {
			return s.f.Print(s.w, []any{doc})
		}
		next := *s.f
		next.attrs = map[string]string{"no-heading": ""}
		for k, v := range s.f.attrs {
			next.attrs[k] = v
		}
		return next.Print(s.w, []any{doc})
	default:
		return s.f.Print(s.w, []any{doc})
	}
	_, err := s.w.Write(b.Bytes())
	return err
}

// Close ends the list.
func (s *Stream) Close() error {
	switch {
	case s.f.kind == "table":
		return s.f.Print(s.w, s.docs)
	case s.f.kind == "json" && s.n == 0:
		_, err := io.WriteString(s.w, "[]\n")
		return err
	case s.f.kind == "json":
		_, err := io.WriteString(s.w, "\n]\n")
		return err
	}
	return nil
}
