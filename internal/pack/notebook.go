package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// notebookDoc is a notebook of format 4, or of format 3, which had its cells in
// worksheets and their code in "input".
type notebookDoc struct {
	Cells      []notebookCell `json:"cells"`
	Worksheets []struct {
		Cells []notebookCell `json:"cells"`
	} `json:"worksheets"`
	Metadata struct {
		Kernel struct {
			Language string `json:"language"`
		} `json:"kernelspec"`
		Info struct {
			Name string `json:"name"`
		} `json:"language_info"`
	} `json:"metadata"`
}

type notebookCell struct {
	Type   string          `json:"cell_type"`
	Source json.RawMessage `json:"source"`
	Input  json.RawMessage `json:"input"`
}

func (c notebookCell) text() (string, bool) {
	raw := c.Source
	if raw == nil {
		raw = c.Input
	}
	var text string
	if raw == nil || json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	var lines []string
	err := json.Unmarshal(raw, &lines)
	return strings.Join(lines, ""), err == nil
}

// aroundPython are the cell magics whose cell is Python all the same.
var aroundPython = []string{"time", "timeit", "capture", "prun", "memit", "mprun", "lprun", "python", "python3", "snakeviz", "skip"}

// notebook is a notebook's code cells as a script, and what it installs. What
// only a notebook's shell knows becomes a comment.
func (r *Result) notebook(path string, b []byte) (code []byte, requires []string, err error) {
	var doc notebookDoc
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &doc); err != nil {
		return nil, nil, fault.Errorf(fault.Invalid, "%s is not a notebook: %w", path, err).WithHint("save it again, in a format of version 4")
	}
	for _, language := range []string{doc.Metadata.Kernel.Language, doc.Metadata.Info.Name} {
		if language != "" && !strings.Contains(strings.ToLower(language), "python") {
			return nil, nil, fault.Errorf(fault.Invalid, "%s is a notebook in %s, not in Python", path, language)
		}
	}
	cells := doc.Cells
	for _, w := range doc.Worksheets {
		cells = append(cells, w.Cells...)
	}
	var s script
	for i, c := range cells {
		if c.Type != "code" {
			continue
		}
		text, ok := c.text()
		if !ok {
			return nil, nil, fault.Errorf(fault.Invalid, "%s: the source of cell %d is not text", path, i+1)
		}
		s.cell(i+1, text)
	}
	if strings.TrimSpace(s.out.String()) == "" {
		return nil, nil, fault.Errorf(fault.Invalid, "%s has no code cells", path)
	}
	const most = 10
	for _, left := range s.left[:min(most, len(s.left))] {
		r.warn("%s: %s is left out", path, left)
	}
	if n := len(s.left) - most; n > 0 {
		r.warn("%s: %d more commands of the notebook are left out", path, n)
	}
	// It is there in every notebook, without an import.
	if displays.MatchString(s.out.String()) {
		return append([]byte(withDisplay), s.out.String()...), s.requires, nil
	}
	return []byte(s.out.String()), s.requires, nil
}

var displays = pattern.New(`(?m)^[^#\n]*\bdisplay\(`)

const withDisplay = `try:
    from IPython.display import display
except ImportError:
    display = print

`

// script becomes what a notebook's cells say.
type script struct {
	out      strings.Builder
	requires []string
	left     []string // out, of the cells
}

func (s *script) leaveOut(format string, args ...any) {
	s.left = append(s.left, fmt.Sprintf(format, args...))
}

// brief is the beginning of a command.
func brief(command string) string {
	const most = 70
	if r := []rune(command); len(r) > most {
		return string(r[:most-2]) + " …"
	}
	return command
}

func (s *script) cell(number int, text string) {
	lines := slices.Collect(strings.Lines(text))
	for i, line := range lines { // blank ones may come before, and in Colab comments
		if line := strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		magic, isMagic := strings.CutPrefix(strings.TrimSpace(line), "%%")
		if !isMagic {
			break
		}
		name, _, _ := strings.Cut(magic, " ")
		if !slices.Contains(aroundPython, name) {
			s.leaveOut("cell %d (%%%%%s)", number, name)
			lines = nil
			break
		}
		lines[i] = "# " + strings.TrimLeft(line, " \t")
	}
	var at position
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if !at.between() || !ofTheShell(line) {
			at.pass(line)
			s.out.WriteString(line)
			continue
		}
		command := strings.TrimSpace(line)
		for strings.HasSuffix(command, `\`) && i+1 < len(lines) {
			i++
			command = strings.TrimSpace(strings.TrimSuffix(command, `\`)) + " " + strings.TrimSpace(lines[i])
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if m := timed.FindStringSubmatch(command); m != nil {
			s.out.WriteString(indent + m[1] + "\n")
			continue
		}
		s.command(number, command)
		s.out.WriteString(indent + "pass  # " + command + "\n")
	}
	if s.out.Len() > 0 {
		s.out.WriteString("\n\n")
	}
}

var (
	assigned = pattern.New(`^[\pL_][\pL\pN_, .]*=\s*[!%]\s*\pL`)
	asked    = pattern.New(`^[?]{1,2}\s*%*[\pL_]|^%*[\pL_*][\pL\pN_.*]*[?]{1,2}\s*$`)
	timed    = pattern.New(`^%time\s+([^-\s].*)$`) // a statement that is run, and its time said
	installs = pattern.New(`^[!%]\s*(?:(?:\S*python[\d.]*|\{sys\.executable\})\s+-m\s+)?(?:pip[\d.]*|uv\s+pip)\s+install\s+(.*)$`)
)

// ofTheShell reports whether a line that begins a statement is none of Python's:
// a magic, a command of the system, its output assigned, or a question.
func ofTheShell(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "%") || strings.HasPrefix(line, "!") || assigned.MatchString(line) || asked.MatchString(line)
}

// command says what becomes of such a line: what it installs is required.
func (s *script) command(cell int, command string) {
	m := installs.FindStringSubmatch(command)
	if m == nil {
		s.leaveOut("cell %d: %s", cell, brief(command))
		return
	}
	var left []string
	words, _, _ := strings.Cut(m[1], " #")
	value := false // of the option before
	for _, word := range strings.Fields(words) {
		word = strings.Trim(word, `'"`)
		switch {
		case value:
			left, value = append(left, word), false
		case strings.HasPrefix(word, "-"):
			// Those that say where from, or what else, are not for a package to carry.
			if value = slices.Contains(valued, word); value || strings.Contains(word, "=") {
				left = append(left, word)
			}
		case requirement.MatchString(word) && !strings.ContainsAny(word, "{}$|&;"):
			if !slices.Contains(s.requires, word) {
				s.requires = append(s.requires, word)
			}
		default:
			left = append(left, word)
		}
	}
	if len(left) > 0 {
		s.leaveOut("cell %d: %s of pip install", cell, brief(strings.Join(left, " ")))
	}
}

// valued are options of pip install that the next word belongs to.
var valued = []string{"-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f", "--find-links",
	"-t", "--target", "--prefix", "--root", "--platform", "--python-version", "--trusted-host", "--proxy", "--timeout", "--retries", "--cache-dir", "--upgrade-strategy", "--no-binary", "--only-binary"}

// position is where reading has come to in Python's code.
type position struct {
	quote     string // of the string that goes on in the next line
	open      int    // brackets
	continued bool
}

// between reports whether the next line begins a statement.
func (p *position) between() bool { return p.quote == "" && p.open == 0 && !p.continued }

// pass reads a line.
func (p *position) pass(line string) {
	line = strings.TrimRight(line, "\r\n")
	p.continued = false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			p.continued = i == len(line)-1 && p.quote == ""
			if len(p.quote) == 1 && i == len(line)-1 {
				return // the string goes on
			}
			i++
		case p.quote != "":
			if strings.HasPrefix(line[i:], p.quote) {
				i += len(p.quote) - 1
				p.quote = ""
			}
		case c == '#':
			return
		case c == '"' || c == '\'':
			p.quote = string(c)
			if three := strings.Repeat(p.quote, 3); strings.HasPrefix(line[i:], three) {
				p.quote = three
				i += 2
			}
		case strings.IndexByte("([{", c) >= 0:
			p.open++
		case strings.IndexByte(")]}", c) >= 0:
			p.open = max(0, p.open-1)
		}
	}
	if len(p.quote) == 1 {
		p.quote = "" // no Python, or what this does not understand
	}
}
