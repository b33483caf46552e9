package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// yaml writes documents with sorted keys; several are apart by "---".
func (f *Format) yaml(b *bytes.Buffer, docs []any, single bool) error {
	for _, d := range docs {
		if !single {
			b.WriteString("---\n")
		}
		e := yaml.NewEncoder(b)
		e.SetIndent(2)
		e.CompactSeqIndent()
		if err := e.Encode(node(f.project(d))); err != nil {
			return fmt.Errorf("write yaml: %w", err)
		}
		if err := e.Close(); err != nil {
			return fmt.Errorf("write yaml: %w", err)
		}
	}
	return nil
}

func node(v any) *yaml.Node {
	switch x := v.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		if len(x) == 0 {
			n.Style = yaml.FlowStyle
		}
		for _, k := range sorted(x) {
			n.Content = append(n.Content, text(k), node(x[k]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if len(x) == 0 {
			n.Style = yaml.FlowStyle
		}
		for _, item := range x {
			n.Content = append(n.Content, node(item))
		}
		return n
	case string:
		return text(x)
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(x.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: x.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(x)}
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
}

// unlike matches texts that a YAML reader could take for something else.
var unlike = regexp.MustCompile(`^(?:[-+.]?[0-9].*|[-+]?\.(?:inf|nan)|~|null|true|false|yes|no|on|off)$`)

// plainTime matches times whose offset has no colon, which YAML takes for
// texts.
var plainTime = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[-+][0-9]{4}$`)

// digest tells a checksum in hexadecimal that cannot be read as a number.
func digest(s string) bool {
	return (len(s) == 8 || len(s) == 32) && strings.Trim(s, "0123456789abcdef") == "" && strings.ContainsAny(s, "acdf")
}

// text is a string in the lightest style that reads back as the same string.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	printable := strings.IndexFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) < 0
	switch {
	case !printable:
		n.Style = yaml.DoubleQuotedStyle
	case strings.Contains(s, "\n"):
		n.Style = yaml.LiteralStyle
		if strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") || strings.Contains(s, " \n") {
			n.Style = yaml.DoubleQuotedStyle
		}
	case plainTime.MatchString(s), digest(s):
	case s == "" || unlike.MatchString(strings.ToLower(s)):
		n.Style = yaml.SingleQuotedStyle
	}
	return n
}
