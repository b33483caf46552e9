package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
)

// column is one of a summary's table; an optional one is left out when it is
// empty.
type column struct {
	label, path string
	optional    bool
}

var (
	overview = []column{
		{"JOB_ID", "jobId", false}, {"CREATE_TIME", "createTime", false}, {"START_TIME", "startTime", false},
		{"END_TIME", "endTime", false}, {"STATE", "state", false},
	}
	inputs = []column{
		{"RUNTIME_VERSION", "runtimeVersion", true}, {"REGION", "region", false}, {"SCALE_TIER", "scaleTier", true},
		{"PYTHON_MODULE", "pythonModule", false}, {"PARAMETER_SERVER_TYPE", "parameterServerType", true},
		{"PARAMETER_SERVER_COUNT", "parameterServerCount", true}, {"MASTER_TYPE", "masterType", true},
		{"WORKER_TYPE", "workerType", true}, {"WORKER_COUNT", "workerCount", true}, {"JOB_DIR", "jobDir", true},
	}
	outputs = []column{{"TRIALS", "completedTrialCount", true}, {"ML_UNITS", "consumedMLUnits", false}}
)

// summary shows a job as --summarize does: boxes with the main facts.
func (o *describeOptions) summary(j client.Job) error {
	doc, err := document(j)
	if err != nil {
		return err
	}
	var b strings.Builder
	oneRow(&b, "", "Job Overview", overview, doc)
	for _, part := range []struct {
		title, in string
		columns   []column
	}{{"Training Input Summary", "trainingInput", inputs}, {"Training Output Summary", "trainingOutput", outputs}} {
		if m, ok := doc.(map[string]any)[part.in].(map[string]any); ok && len(m) > 0 {
			oneRow(&b, nested, part.title, part.columns, m)
		}
	}
	if rows := trialRows(doc); len(rows) > 0 {
		box(&b, nested, "Training Output Trials", []string{"TRIAL", "OBJECTIVE_VALUE", "STEP", "HYPERPARAMETERS"}, rows)
	}
	_, err = fmt.Fprint(o.Out, b.String())
	return err
}

// nested is how far the tables below the first are set in.
const nested = "    "

// oneRow draws a table of one row.
func oneRow(b *strings.Builder, indent, title string, columns []column, doc any) {
	var head, row []string
	for _, c := range columns {
		if v := get(doc, c.path); v != "" || !c.optional {
			head, row = append(head, c.label), append(row, v)
		}
	}
	box(b, indent, title, head, [][]string{row})
}

// trialRows are the trials of a tuning job, sorted by id as text.
func trialRows(doc any) [][]string {
	out, _ := doc.(map[string]any)["trainingOutput"].(map[string]any)
	trials, _ := out["trials"].([]any)
	var rows [][]string
	for _, t := range trials {
		params := ""
		if m, ok := t.(map[string]any)["hyperparameters"].(map[string]any); ok {
			lines := make([]string, 0, len(m))
			for k, v := range m {
				lines = append(lines, k+"="+format.Text(v))
			}
			slices.Sort(lines)
			params = strings.Join(lines, "\n")
		}
		rows = append(rows, []string{get(t, "trialId"), get(t, "finalMetric.objectiveValue"), get(t, "finalMetric.trainingStep"), params})
	}
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return rows
}

// box draws a table with a title and lines around it, as the original does to
// the letter. A cell may have several lines.
func box(b *strings.Builder, indent, title string, head []string, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			for line := range strings.SplitSeq(cell, "\n") {
				widths[i] = max(widths[i], runewidth.StringWidth(line))
			}
		}
	}
	total := 0
	for _, w := range widths {
		total += w
	}
	if total < len(title) { // every column grows, by more than is needed
		grow := (len(title) + len(widths) - 1) / len(widths)
		for i := range widths {
			widths[i] += grow
		}
		total += grow * len(widths)
	}
	total += 3*len(widths) - 1
	rule := func(left, mid, right string) {
		var cells []string
		for _, w := range widths {
			cells = append(cells, strings.Repeat("─", w+2))
		}
		b.WriteString(indent + left + strings.Join(cells, mid) + right + "\n")
	}
	line := func(cells []string, place func(string, int) string) {
		b.WriteString(indent)
		for i, cell := range cells {
			b.WriteString("│ " + place(cell, widths[i]) + " ")
		}
		b.WriteString("│\n")
	}
	rule("┌", "─", "┐")
	b.WriteString(indent + "│" + centred(title, total) + "│\n")
	rule("├", "┬", "┤")
	line(head, centred)
	rule("├", "┼", "┤")
	for _, row := range rows {
		for _, cells := range physical(row) {
			line(cells, runewidth.FillRight)
		}
	}
	rule("└", "┴", "┘")
}

// physical are the lines on which a row of cells of several lines is shown.
func physical(row []string) [][]string {
	var lines [][]string
	for i, cell := range row {
		for n, text := range strings.Split(cell, "\n") {
			if n == len(lines) {
				lines = append(lines, make([]string, len(row)))
			}
			lines[n][i] = text
		}
	}
	return lines
}

// centred is a text in the middle of so many columns. Of an odd rest the left
// side gets the larger half in an odd width, the right side in an even one.
func centred(text string, width int) string {
	rest := max(0, width-runewidth.StringWidth(text))
	left := rest/2 + rest&width&1
	return strings.Repeat(" ", left) + text + strings.Repeat(" ", rest-left)
}
