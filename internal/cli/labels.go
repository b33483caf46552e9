package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/job"
)

// labelsValue is a flag of the form KEY=VALUE,… that may be repeated.
type labelsValue map[string]string

func (l *labelsValue) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(*l)) {
		parts = append(parts, k+"="+(*l)[k])
	}
	return strings.Join(parts, ",")
}

func (l *labelsValue) Type() string { return "KEY=VALUE,..." }

func (l *labelsValue) Set(text string) error {
	if *l == nil {
		*l = labelsValue{}
	}
	for _, item := range splitList(text) {
		k, v, ok := strings.Cut(item, "=")
		if !ok {
			return wrong("Bad syntax for dict arg: [%s]. Write KEY=VALUE.", item)
		}
		if err := job.CheckLabelKey(k); err != nil {
			return err
		}
		if err := job.CheckLabelValue(v); err != nil {
			return err
		}
		if old, twice := (*l)[k]; twice {
			return wrong("%q cannot be specified multiple times; received: %s, %s", k, old, v)
		}
		(*l)[k] = v
	}
	return nil
}

// listValue is a flag of the form A,B,…; given twice, the last one counts, as
// with the original.
type listValue []string

func (l *listValue) String() string     { return strings.Join(*l, ",") }
func (l *listValue) Type() string       { return "A,B,..." }
func (l *listValue) Set(s string) error { *l = splitList(s); return nil }

// splitList takes a list apart. A list that starts with ^X^ has X between its
// items instead of a comma.
func splitList(text string) []string {
	sep := ","
	if rest, ok := strings.CutPrefix(text, "^"); ok {
		if s, items, ok := strings.Cut(rest, "^"); ok && s != "" {
			sep, text = s, items
		}
	}
	items := []string{}
	for item := range strings.SplitSeq(text, sep) {
		if item != "" {
			items = append(items, item)
		}
	}
	return items
}
