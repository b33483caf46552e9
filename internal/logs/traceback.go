package logs

import "strings"

// maxTraceback is how much of a traceback is kept, as the original did: the
// innermost frames.
const maxTraceback = 2048

const tracebackHead = "Traceback (most recent call last)"

// Traceback keeps the last Python traceback among the lines it is shown. The
// zero value is ready.
type Traceback struct {
	lines []string
	open  bool
	done  string
}

// Add shows it a line, or several in one text.
func (t *Traceback) Add(text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		t.line(strings.TrimRight(line, "\r"))
	}
}

func (t *Traceback) line(line string) {
	switch {
	case strings.HasPrefix(strings.TrimSpace(line), tracebackHead):
		if !t.open || !chained(t.lines) {
			t.lines = nil
		}
		t.open = true
		t.lines = append(t.lines, line)
	case !t.open:
		// "During handling of the above exception …" joins two tracebacks.
		if len(t.lines) > 0 && (line == "" || joins(line)) {
			t.lines = append(t.lines, line)
			t.open = joins(line)
		}
	default:
		t.lines = append(t.lines, line)
		// Frames are indented; the first line that is not names the exception.
		if line != "" && !strings.HasPrefix(line, " ") && !joins(line) {
			t.open = false
			t.done = cutTraceback(strings.Join(t.lines, "\n"))
		}
	}
	if len(t.lines) > 10_000 {
		t.lines = t.lines[len(t.lines)-5_000:]
	}
}

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

// String is the last complete traceback, at most 2048 bytes of it.
func (t *Traceback) String() string { return t.done }

// cutTraceback drops the outermost frames.
func cutTraceback(s string) string {
	if len(s) <= maxTraceback {
		return s
	}
	const gap = tracebackHead + ":\n  [...]\n"
	tail := s[len(s)-(maxTraceback-len(gap)):]
	if i := strings.Index(tail, "\n  File "); i >= 0 {
		tail = tail[i+1:]
	} else if i := strings.IndexByte(tail, '\n'); i >= 0 {
		tail = tail[i+1:]
	}
	return gap + tail
}
