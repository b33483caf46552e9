package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
)

var (
	overview = fields{
		{"JOB_ID", "jobId"}, {"CREATE_TIME", "createTime"}, {"START_TIME", "startTime"}, {"END_TIME", "endTime"}, {"STATE", "state"},
	}
	inputs = fields{
		{"runtimeVersion", ""}, {"region", ""}, {"scaleTier", ""}, {"pythonModule", ""}, {"parameterServerType", ""},
		{"parameterServerCount", ""}, {"masterType", ""}, {"workerType", ""}, {"workerCount", ""}, {"jobDir", ""},
	}
)

// summary shows a job as --summarize does: boxes with the main facts.
func (o *describeOptions) summary(j client.Job) error {
	doc, err := document(j)
	if err != nil {
		return err
	}
	var head, row []string
	for _, f := range overview {
		head, row = append(head, f.label), append(row, get(doc, f.path))
	}
	var b strings.Builder
	box(&b, "Job Overview", head, [][]string{row})

	var rows [][]string
	for _, f := range inputs {
		if v := get(doc, "trainingInput."+f.label); v != "" {
			rows = append(rows, []string{f.label, v})
		}
	}
	box(&b, "Training Input Summary", nil, rows)
	if units := get(doc, "trainingOutput.consumedMLUnits"); units != "" {
		trials := get(doc, "trainingOutput.completedTrialCount")
		box(&b, "Training Output Summary", []string{"TRIALS", "ML_UNITS"}, [][]string{{trials, units}})
	}
	if rows := trialRows(doc); len(rows) > 0 {
		box(&b, "Training Output Trials", []string{"TRIAL", "OBJECTIVE_VALUE", "STEP", "HYPERPARAMETERS"}, rows)
	}
	_, err = fmt.Fprint(o.Out, b.String())
	return err
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

// box draws a table with a title and lines around it. A cell may have several
// lines.
func box(b *strings.Builder, title string, head []string, rows [][]string) {
	all := rows
	if head != nil {
		all = append([][]string{head}, rows...)
	}
	if len(all) == 0 {
		return
	}
	widths := make([]int, len(all[0]))
	for _, row := range all {
		for i, cell := range row {
			for line := range strings.SplitSeq(cell, "\n") {
				widths[i] = max(widths[i], runewidth.StringWidth(line))
			}
		}
	}
	total := 3*len(widths) - 1
	for _, w := range widths {
		total += w
	}
	if short := len(title) - total; short > 0 {
		widths[len(widths)-1] += short
		total += short
	}
	rule := func(left, mid, right string) {
		var cells []string
		for _, w := range widths {
			cells = append(cells, strings.Repeat("─", w+2))
		}
		b.WriteString(left + strings.Join(cells, mid) + right + "\n")
	}
	left := (total - len(title)) / 2
	b.WriteString("┌" + strings.Repeat("─", total) + "┐\n")
	b.WriteString("│" + strings.Repeat(" ", left) + title + strings.Repeat(" ", total-len(title)-left) + "│\n")
	rule("├", "┬", "┤")
	for i, row := range all {
		height := 1
		for _, cell := range row {
			height = max(height, strings.Count(cell, "\n")+1)
		}
		for n := range height {
			for c, cell := range row {
				line := ""
				if lines := strings.Split(cell, "\n"); n < len(lines) {
					line = lines[n]
				}
				b.WriteString("│ " + line + strings.Repeat(" ", widths[c]-runewidth.StringWidth(line)+1))
			}
			b.WriteString("│\n")
		}
		if i == 0 && head != nil {
			rule("├", "┼", "┤")
		}
	}
	rule("└", "┴", "┘")
}
