package logs

import (
	"strings"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/pattern"
)

// maxTraceback is how much of a traceback is kept. The frames of the program's
// own code are the outer ones, which a library's many would push out of less.
const maxTraceback = 16 << 10

// maxLine is how much is kept of a line of it, and of more lines of a message.
const maxLine = 2048

// maxLines is how many lines are held for it; only the end of them is kept.
const maxLines = 1000

const (
	tracebackHead = "Traceback (most recent call last)"
	groupHead     = "+ Exception Group " + tracebackHead
)

var (
	rank   = pattern.New(`^\[rank\d+\]: `)
	colour = pattern.New(`\x1b\[[\d;]*m`)
)

// Traceback keeps the last Python traceback among the lines it is shown. The
// zero value is ready.
type Traceback struct {
	lines  []string // of the one that is open, or was last
	open   bool     // its exception has not come
	group  bool     // it is a group's: every line is indented, and dashes end it
	bare   bool     // it has frames but no head, as a syntax error of the main file
	indent string   // before the head, and before every line
	done   string
	ended  int
}

// Add shows it a line, or several in one text.
func (t *Traceback) Add(text string) {
	ended, more := false, 0 // a traceback, within this text, and what came behind it
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		line = strings.TrimRight(line, "\r")
		if strings.HasPrefix(line, "[rank") { // as torch.distributed marks what a rank dies of
			line = rank.ReplaceAllString(line, "")
		}
		if strings.Contains(line, "\x1b[") {
			line = colour.ReplaceAllString(line, "")
		}
		if len(line) > maxLine {
			line = line[:runeBefore(line, maxLine)]
		}
		was := t.open
		t.line(line)
		switch {
		case t.open:
			ended = false
		case was && len(t.lines) > 0:
			ended, more = true, 0
		case ended && line != "" && !joins(line) && more < maxLine:
			// More of the exception's message.
			t.lines = append(t.lines, line)
			more += len(line) + 1
			t.finish()
		}
	}
}

// runeBefore is the border of a rune in s at n, or just before.
func runeBefore(s string, n int) int {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

func (t *Traceback) line(line string) {
	trimmed := strings.TrimLeft(line, " \t")
	switch {
	case strings.HasPrefix(trimmed, groupHead), strings.HasPrefix(trimmed, tracebackHead):
		if !t.open || !chained(t.lines) {
			t.lines = nil
		}
		t.open, t.bare, t.group = true, false, strings.HasPrefix(trimmed, groupHead)
		t.indent = line[:len(line)-len(trimmed)]
		if t.group {
			t.indent = ""
		}
		t.lines = append(t.lines, strings.TrimPrefix(line, t.indent))
	case !t.open:
		switch {
		case len(t.lines) > 0 && (line == "" || joins(trimmed)):
			// "During handling of the above exception …" joins two tracebacks.
			t.lines = append(t.lines, trimmed)
			t.open = trimmed != ""
		case strings.HasPrefix(line, "  File \""):
			t.lines, t.open, t.bare, t.group, t.indent = []string{line}, true, true, false, ""
		}
	default:
		t.more(strings.TrimPrefix(line, t.indent))
	}
	if len(t.lines) > 2*maxLines {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-maxLines:]...)
	}
}

// more takes a line of the open traceback.
func (t *Traceback) more(line string) {
	if strings.HasPrefix(line, "> File \"") { // as loguru marks the frame that caught it
		line = "  " + line[2:]
	}
	indented := line == "" || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
	switch {
	case t.group:
		if !indented {
			t.open = false
			t.finish()
			return
		}
		t.lines = append(t.lines, line)
		if dashes := strings.TrimLeft(line, " "); strings.HasPrefix(dashes, "+-") && strings.Trim(dashes, "+-") == "" {
			t.finish() // perhaps of an inner group only: it goes on if there is more
		}
	case indented || joins(line):
		t.lines = append(t.lines, line)
	case t.bare && !strings.HasPrefix(line, "SyntaxError") && !strings.HasPrefix(line, "IndentationError") && !strings.HasPrefix(line, "TabError"):
		t.open, t.lines = false, nil // it was something else
	default:
		// Frames are indented; the first line that is not names the exception.
		t.lines = append(t.lines, line)
		t.open = false
		t.finish()
	}
}

func (t *Traceback) finish() {
	t.done, t.ended = CutTraceback(strings.Join(t.lines, "\n"), maxTraceback), t.ended+1
}

// Ended grows whenever a traceback, or more of its message, is complete.
func (t *Traceback) Ended() int { return t.ended }

func joins(line string) bool {
	return strings.HasPrefix(line, "During handling of the above exception") || strings.HasPrefix(line, "The above exception was the direct cause")
}

func chained(lines []string) bool {
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i] != "" {
			return joins(lines[i])
		}
	}
	return false
}

// String is the last complete traceback, at most 16 KiB of it.
func (t *Traceback) String() string { return t.done }

// CutTraceback drops the outermost frames of a traceback that is longer than
// most bytes, and the end of a message that has no room.
func CutTraceback(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const gap = tracebackHead + ":\n  [...]\n"
	lines := strings.Split(s, "\n")
	first := exceptionLine(lines)
	exception := strings.Join(lines[first:], "\n")
	if len(exception) > most/2 {
		exception = exception[:runeBefore(exception, most/2)]
	}
	frames := strings.Join(lines[:first], "\n")
	room := most - len(gap) - len(exception) - 1
	if len(frames) > room {
		frames = frames[len(frames)-room:]
		if i := strings.Index(frames, "\n  File "); i >= 0 {
			frames = frames[i+1:]
		} else if i := strings.IndexByte(frames, '\n'); i >= 0 {
			frames = frames[i+1:]
		} else {
			frames = ""
		}
		frames = gap + frames
	}
	return strings.TrimSuffix(frames, "\n") + "\n" + exception
}

// exceptionLine is where the exception begins: behind the frames of the last
// head, which are indented. A group is indented as a whole; of it the last line
// counts.
func exceptionLine(lines []string) int {
	head := len(lines) - 1
	for head > 0 && !strings.HasPrefix(lines[head], tracebackHead) {
		head--
	}
	for i := head + 1; i < len(lines); i++ {
		if lines[i] != "" && lines[i][0] != ' ' && lines[i][0] != '\t' {
			return i
		}
	}
	return len(lines) - 1
}
