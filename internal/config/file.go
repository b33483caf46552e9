package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2/maybe"
	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/fault"
)

// readFile reads the configuration file as text by key. A file that nobody
// named need not exist.
func readFile(path string, explicit bool) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if missing(err) && !explicit {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "cannot read the configuration file: %w", err)
	}
	doc, err := parse(path, b)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i := 0; i+1 < len(doc.Content); i += 2 {
		name := doc.Content[i].Value
		if !Known(name) {
			return nil, fault.Errorf(fault.Invalid, "%s: line %d: unknown key %q", path, doc.Content[i].Line, name).WithHint("%s", Suggest(name))
		}
		if _, twice := out[name]; twice {
			return nil, fault.Errorf(fault.Invalid, "%s: line %d: key %q is there twice", path, doc.Content[i].Line, name)
		}
		text, err := scalar(doc.Content[i+1], name == "buckets")
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "%s: line %d: %s: %w", path, doc.Content[i].Line, name, err)
		}
		out[name] = text
	}
	return out, nil
}

// parse reads one YAML document that is a mapping; an empty file is an empty
// mapping.
func parse(path string, b []byte) (*yaml.Node, error) {
	var doc yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	case err != nil:
		return nil, fault.Errorf(fault.Invalid, "%s: %s", path, fault.YAMLText(err, b))
	case doc.Content[0].Kind == yaml.ScalarNode && doc.Content[0].Tag == "!!null":
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	case doc.Content[0].Kind != yaml.MappingNode:
		return nil, fault.Errorf(fault.Invalid, "%s: line %d: expected lines of the form key: value", path, doc.Content[0].Line)
	}
	return doc.Content[0], nil
}

// scalar is a value as text; a list becomes its items with commas, and a
// mapping, where one is allowed, its pairs as KEY=VALUE.
func scalar(n *yaml.Node, mapping bool) (string, error) {
	switch {
	case n.Kind == yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", nil
		}
		return n.Value, nil
	case n.Kind == yaml.SequenceNode:
		var items []string
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				return "", errors.New("a list of plain values is expected")
			}
			items = append(items, c.Value)
		}
		return strings.Join(items, ","), nil
	case n.Kind == yaml.MappingNode && mapping:
		var pairs []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i+1].Kind != yaml.ScalarNode || strings.Contains(n.Content[i+1].Value, ",") {
				return "", fmt.Errorf("%s: a plain value without commas is expected", n.Content[i].Value)
			}
			pairs = append(pairs, n.Content[i].Value+"="+n.Content[i+1].Value)
		}
		return strings.Join(pairs, ","), nil
	default:
		return "", errors.New("a plain value or a list is expected")
	}
}

// Set writes a key into the configuration file, keeping what else is there,
// comments included. The value is checked first.
func Set(path, name, value string) error {
	k, ok := find(name)
	if !ok {
		return unknown(name)
	}
	if err := k.set(&Settings{}, value); err != nil {
		return fault.Errorf(fault.Invalid, "%s: %w", name, err)
	}
	if slices.Contains(paths, name) && !strings.HasPrefix(value, "~/") {
		value = Source{}.absolute(value, nil) // as the user sees it, not from the file's folder
	}
	return edit(path, func(doc *yaml.Node) {
		for i := 0; i+1 < len(doc.Content); i += 2 {
			if doc.Content[i].Value == name {
				doc.Content[i+1] = &yaml.Node{Kind: yaml.ScalarNode, Value: value}
				return
			}
		}
		doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &yaml.Node{Kind: yaml.ScalarNode, Value: value})
	})
}

// Unset removes a key from the configuration file; one that is not there is
// fine.
func Unset(path, name string) error {
	if !Known(name) {
		return unknown(name)
	}
	return edit(path, func(doc *yaml.Node) {
		for i := 0; i+1 < len(doc.Content); i += 2 {
			if doc.Content[i].Value == name {
				doc.Content = append(doc.Content[:i], doc.Content[i+2:]...)
				return
			}
		}
	})
}

// edit changes the file in one step: another process reads the old or the new
// one. The file may hold a token, so only its owner may read it.
func edit(path string, change func(*yaml.Node)) error {
	b, err := os.ReadFile(path)
	if err != nil && !missing(err) {
		return fault.Errorf(fault.Invalid, "cannot read the configuration file: %w", err)
	}
	doc, err := parse(path, b)
	if err != nil {
		return err
	}
	change(doc)
	var out []byte
	if len(doc.Content) > 0 {
		if out, err = yaml.Marshal(doc); err != nil {
			return fault.Errorf(fault.Internal, "write %s: %w", path, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Errorf(fault.Invalid, "cannot write the configuration file: %w", err)
	}
	if err := maybe.WriteFile(path, out, 0o600); err != nil {
		return fault.Errorf(fault.Invalid, "cannot write the configuration file: %w", err)
	}
	return nil
}

func unknown(name string) error {
	return fault.Errorf(fault.Invalid, "unknown key %q", name).WithHint("%s", Suggest(name))
}
