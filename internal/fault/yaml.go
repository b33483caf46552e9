package fault

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	yamlLine    = regexp.MustCompile(`^line (\d+): `)
	yamlType    = regexp.MustCompile("^(line \\d+: )cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.*)$")
	yamlUnknown = regexp.MustCompile(`^(line \d+: )field (.*) not found in type .*$`)
)

// YAMLText words an error of the YAML library for whoever wrote the file: its
// first mistake, without names of our own types, and with the tab that causes
// what the library says of it.
func YAMLText(err error, file []byte) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "unmarshal errors:\n"); ok {
		text, _, _ = strings.Cut(strings.TrimSpace(rest), "\n")
	}
	if m := yamlUnknown.FindStringSubmatch(text); m != nil {
		return m[1] + "there is no field " + m[2]
	}
	if m := yamlType.FindStringSubmatch(text); m != nil {
		found := map[string]string{"seq": "a list", "map": "fields", "null": "nothing"}[m[2]]
		if found == "" {
			found = strconv.Quote(m[3])
		}
		return m[1] + "expected " + expected(m[4]) + ", found " + found
	}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		lines := strings.Split(string(file), "\n")
		for _, at := range []int{n, n + 1} { // it counts from 0 for some mistakes
			if at <= len(lines) && at > 0 && strings.Contains(indent(lines[at-1]), "\t") {
				return fmt.Sprintf("line %d: it is indented by a tab; YAML takes spaces only", at)
			}
		}
	}
	return text
}

func indent(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

func expected(goType string) string {
	switch t := strings.TrimLeft(goType, "*"); {
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case t == "string":
		return "text"
	case t == "bool":
		return "true or false"
	case strings.HasPrefix(t, "float"):
		return "a number"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"):
		return "a whole number"
	default:
		return "fields"
	}
}
