package mlv1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/fault"
)

// ParseConfig reads a job configuration file in YAML 1.1 or JSON; name is what
// errors call it. An empty file is an empty document. The schema decides how a
// value is read, not the value's looks: runtimeVersion: 2.10 stays "2.10".
// What the API does not know is refused here, with the line and the nearest
// name, before anything is uploaded. Every error is told, not only the first.
func ParseConfig(name string, data []byte) (Doc, error) { return parse(name, data, jobMessage) }

func parse(name string, data []byte, m *message) (Doc, error) {
	if json.Valid(data) {
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" ")) // only between tokens: a JSON string holds no raw tab
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return Doc{}, nil
	} else if err != nil {
		at, text := name, fault.YAMLText(err, data)
		if line, what, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok && strings.HasPrefix(text, "line ") {
			at, text = name+":"+line, what // as of all other mistakes
		}
		return nil, fault.Errorf(fault.Invalid, "%s: %s", at, text)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fault.Errorf(fault.Invalid, "%s: holds more than one document", name)
	}
	c := &configReader{file: name, left: maxNodes}
	top := &root
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		top = root.Content[0]
	}
	d := Doc{}
	if !isNull(top) {
		d = c.message(top, m, "", 0)
	}
	if len(c.problems) > 0 {
		return nil, fault.Errorf(fault.Invalid, "%s", strings.Join(c.problems, "\n"))
	}
	return d, nil
}

// maxNodes bounds what aliases can make of a small file; maxDepth what nesting
// and an alias to itself can.
const (
	maxNodes = 100_000
	maxDepth = 50
)

type configReader struct {
	file     string
	left     int
	problems []string
}

func (c *configReader) problem(n *yaml.Node, format string, args ...any) {
	if len(c.problems) < 100 {
		c.problems = append(c.problems, fmt.Sprintf("%s:%d: ", c.file, n.Line)+fmt.Sprintf(format, args...))
	}
}

// enter counts a node, follows an alias, and says whether to go on.
func (c *configReader) enter(n *yaml.Node, depth int) (*yaml.Node, bool) {
	if c.left--; c.left < 0 || depth > maxDepth {
		if c.left > -1<<30 {
			c.left = -1 << 30
			c.problem(n, "too large or too deep for a job configuration")
		}
		return n, false
	}
	for i := 0; n.Kind == yaml.AliasNode && n.Alias != nil; i++ {
		if i > maxDepth {
			return n, false
		}
		n = n.Alias
	}
	return n, true
}

func (c *configReader) message(n *yaml.Node, m *message, path string, depth int) Doc {
	n, ok := c.enter(n, depth)
	if !ok {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		if path == "" {
			c.problem(n, "expected the fields of a job, found %s", looks(n))
		} else {
			c.problem(n, "%s: expected fields, found %s", path, looks(n))
		}
		return nil
	}
	d := Doc{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			c.merge(d, value, m, path, depth)
			continue
		}
		f, known := m.fields[key.Value]
		if !known {
			c.unknown(key, m, path)
			continue
		}
		if _, twice := d[f.name]; twice && !merged(n, f, m, i) {
			c.problem(key, "%s is given twice", under(path, f.name))
			continue
		}
		if v := c.field(value, f, under(path, f.name), depth+1); v != nil {
			d[f.name] = v
		}
	}
	return d
}

// merged reports whether the value that d has for f can only have come from a
// merge key, which an explicit one replaces.
func merged(n *yaml.Node, f field, m *message, upTo int) bool {
	for i := 0; i < upTo; i += 2 {
		if n.Content[i].Tag != "!!merge" && m.fields[n.Content[i].Value].name == f.name {
			return false
		}
	}
	return true
}

// merge is YAML's "<<": the fields of other mappings where d has none.
func (c *configReader) merge(d Doc, value *yaml.Node, m *message, path string, depth int) {
	value, ok := c.enter(value, depth)
	if !ok {
		return
	}
	from := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		from = value.Content
	}
	for _, n := range from {
		for k, v := range c.message(n, m, path, depth+1) {
			if _, has := d[k]; !has {
				d[k] = v
			}
		}
	}
}

func (c *configReader) unknown(key *yaml.Node, m *message, path string) {
	msg := fmt.Sprintf("unknown field %s", under(path, key.Value))
	if near := nearest(key.Value, m.names()); near != "" {
		msg += fmt.Sprintf("; did you mean %s?", near)
	} else if _, in := trainingInput.fields[key.Value]; in && path == "" {
		msg += "; it belongs under trainingInput"
	}
	c.problem(key, "%s", msg)
}

// field reads a value; nil when there is none or it was wrong.
func (c *configReader) field(n *yaml.Node, f field, path string, depth int) any {
	n, ok := c.enter(n, depth)
	if !ok || isNull(n) || f.kind == output {
		return nil
	}
	switch {
	case f.repeated && f.message == variable:
		return c.variables(n, path, depth)
	case f.repeated:
		if n.Kind != yaml.SequenceNode {
			c.problem(n, "%s: expected a list, found %s", path, looks(n))
			return nil
		}
		l := make([]any, 0, len(n.Content))
		f.repeated = false
		for i, e := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			if e, _ := c.enter(e, depth); isNull(e) {
				c.problem(e, "%s: expected %s, found nothing", at, f.expected())
				continue
			}
			if v := c.field(e, f, at, depth+1); v != nil {
				l = append(l, v)
			}
		}
		return l
	case f.kind == object:
		if d := c.message(n, f.message, path, depth); d != nil {
			return d
		}
		return nil
	case f.kind == labels:
		return c.labels(n, path, depth)
	case n.Kind != yaml.ScalarNode:
		c.problem(n, "%s: expected %s, found %s", path, f.expected(), looks(n))
		return nil
	}
	v, ok := scalar(n.Value, f)
	if !ok {
		c.problem(n, "%s: expected %s, found %q", path, f.expected(), n.Value)
		if near := nearest(n.Value, f.values); near != "" {
			c.problems[len(c.problems)-1] += fmt.Sprintf("; did you mean %s?", near)
		}
		return nil
	}
	return v
}

func (c *configReader) labels(n *yaml.Node, path string, depth int) any {
	if n.Kind != yaml.MappingNode {
		c.problem(n, "%s: expected names and values, found %s", path, looks(n))
		return nil
	}
	d := Doc{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		v, ok := c.enter(n.Content[i+1], depth)
		if !ok {
			return nil
		}
		if v.Kind != yaml.ScalarNode {
			c.problem(v, "%s: expected a string, found %s", under(path, n.Content[i].Value), looks(v))
			continue
		}
		if isNull(v) {
			d[n.Content[i].Value] = ""
			continue
		}
		d[n.Content[i].Value] = v.Value
	}
	return d
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.Tag == "!!null" || n.Kind == yaml.DocumentNode && len(n.Content) == 0
}

func looks(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "fields"
	default:
		return strconv.Quote(n.Value)
	}
}
