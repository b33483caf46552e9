package cli

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/trainyard/trainyard/internal/compare"
)

const green = "32"

// maxDiffLines is how much of one file's differences a person is shown.
const maxDiffLines = 400

// printDiff shows a report to a person: first what was put in, then what came
// of it.
func (o *diffOptions) printDiff(r compare.Report) {
	if r.Same() {
		fmt.Fprintf(o.Out, "%s and %s have the same code, arguments, environment and settings.\n", r.A, r.B)
	}
	if len(r.Code) > 0 {
		o.heading("Code")
		for _, f := range r.Code {
			o.file(f)
		}
	}
	for _, part := range []struct {
		title   string
		changes []compare.Change
	}{{"Arguments", r.Arguments}, {"Environment", r.Environment}, {"Settings", r.Settings}, {"Result", r.Result}, {"Times", r.Times}} {
		o.table(part.title, r, part.changes)
	}
	for _, u := range r.Unknown {
		o.Warn("not compared: %s", u)
	}
}

func (o *diffOptions) heading(title string) { fmt.Fprintln(o.Out, o.onOut("1", title)) }

// onOut paints what goes to standard output, where a person is looking at it.
func (o *diffOptions) onOut(color, text string) string {
	if !o.OutTTY {
		return text
	}
	return o.paint(color, text)
}

func (o *diffOptions) file(f compare.FileChange) {
	lines := fmt.Sprintf("+%d -%d", f.Added, f.Removed)
	if f.Binary {
		lines = "not text"
	}
	if o.nameOnly {
		fmt.Fprintf(o.Out, "  %s\n", visible(f.Name))
		return
	}
	fmt.Fprintf(o.Out, "  %-8s %s (%s)\n", f.Status, visible(f.Name), lines)
	if o.stat || f.Diff == "" {
		return
	}
	all := strings.Split(strings.TrimSuffix(f.Diff, "\n"), "\n")
	for i, line := range all {
		if i == maxDiffLines {
			fmt.Fprintf(o.Out, "    … %d more lines; --format=json has them all\n", len(all)-i)
			break
		}
		color := ""
		switch {
		case i < 2:
		case strings.HasPrefix(line, "+"):
			color = green
		case strings.HasPrefix(line, "-"):
			color = red
		case strings.HasPrefix(line, "@@"):
			color = cyan
		}
		if line = visible(line); color != "" {
			line = o.onOut(color, line)
		}
		fmt.Fprintf(o.Out, "    %s\n", line)
	}
}

func (o *diffOptions) table(title string, r compare.Report, changes []compare.Change) {
	if len(changes) == 0 {
		return
	}
	rows := [][3]string{{"", r.A, r.B}}
	for _, c := range changes {
		rows = append(rows, [3]string{visible(c.Name), orNone(c.A), orNone(c.B)})
	}
	var width [2]int
	for _, row := range rows {
		width[0], width[1] = max(width[0], len([]rune(row[0]))), max(width[1], len([]rune(row[1])))
	}
	o.heading(title)
	for _, row := range rows {
		line := fmt.Sprintf("  %-*s  %-*s  %s", width[0], row[0], width[1], row[1], row[2])
		fmt.Fprintln(o.Out, strings.TrimRight(line, " "))
	}
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return visible(s)
}

// visible takes from a text what would move a terminal's cursor or change its
// colours: it comes from archives of other people.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return '�'
		}
		return r
	}, s)
}
