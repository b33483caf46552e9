package logs

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

const simple = `Traceback (most recent call last):
  File "/a/task.py", line 3, in <module>
    main()
    ~~~~^^
  File "/a/task.py", line 2, in main
    raise ValueError("no")
ValueError: no`

const chainedTwo = `Traceback (most recent call last):
  File "/a.py", line 2, in <module>
    {}["x"]
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/a.py", line 4, in <module>
    raise ValueError
ValueError`

const syntax = `Traceback (most recent call last):
  File "<frozen runpy>", line 189, in _run_module_as_main
  File "<frozen runpy>", line 159, in _get_code
  File "/a/trainer/task.py", line 1
    def f(:
          ^
SyntaxError: invalid syntax`

const bare = `  File "/a/task.py", line 2
    x = = 1
        ^
SyntaxError: invalid syntax`

const group = `  + Exception Group Traceback (most recent call last):
  |   File "/a.py", line 1, in <module>
  |     raise ExceptionGroup("two", [ValueError(1), TypeError(2)])
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +---------------- 2 ----------------
    | TypeError: 2
    +------------------------------------`

func TestTheLastTracebackIsKept(t *testing.T) {
	withoutBlanks := strings.ReplaceAll(chainedTwo, "\n\n", "\n") // as the log has it: it drops empty lines
	indented := "  " + strings.ReplaceAll(simple, "\n", "\n  ")
	for _, tt := range []struct{ name, in, want string }{
		{"none", "hello\nworld", ""},
		{"one", simple, simple},
		{"among other lines", "epoch 1\n" + simple + "\nepoch 2", simple},
		{"carriage returns", strings.ReplaceAll(simple, "\n", "\r\n"), simple},
		{"the last of two", simple + "\nso\n" + syntax, syntax},
		{"chained", chainedTwo, chainedTwo},
		{"chained, without the empty lines", withoutBlanks, withoutBlanks},
		{"caused", strings.ReplaceAll(chainedTwo, "During handling of the above exception, another exception occurred", "The above exception was the direct cause of the following exception"),
			strings.ReplaceAll(chainedTwo, "During handling of the above exception, another exception occurred", "The above exception was the direct cause of the following exception")},
		{"a syntax error", syntax, syntax},
		{"a syntax error of the main file", "hello\n" + bare, bare},
		{"frames that are no traceback", "Fatal Python error: Segmentation fault\n  File \"/a.py\", line 1 in f\nExtension modules: x", ""},
		{"indented as a whole", indented + "\nmore", simple},
		{"a group", group + "\nmore", group},
		{"of a rank", "[rank0]: " + strings.ReplaceAll(simple, "\n", "\n[rank0]: "), simple},
		{"coloured", "\x1b[31m" + strings.ReplaceAll(simple, "\n", "\x1b[0m\n\x1b[1;35m") + "\x1b[0m", simple},
		{"of loguru", strings.Replace(simple, "  File", "> File", 1), simple},
		{"cut off by the end", strings.TrimSuffix(simple, "\nValueError: no"), ""},
		{"no frames", "Traceback (most recent call last):\nMemoryError", "Traceback (most recent call last):\nMemoryError"},
	} {
		var t1, t2 Traceback
		for line := range strings.SplitSeq(tt.in, "\n") {
			t1.Add(line)
		}
		if got := t1.String(); got != tt.want {
			t.Errorf("%s, line by line:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if t2.Add(tt.in); strings.Contains(tt.in, "\nepoch 2") || strings.Contains(tt.in, "\nmore") || strings.Contains(tt.in, "\nso") {
			continue // in one text, what follows belongs to it
		}
		if got := t2.String(); got != tt.want {
			t.Errorf("%s, in one text:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestAMessageOfSeveralLinesIsKeptWhole(t *testing.T) {
	text := "it broke\n" + simple + "\nsecond line\n\t [[node x]]\n"
	var tb Traceback
	tb.Add(text)
	if got, want := tb.String(), simple+"\nsecond line\n\t [[node x]]"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if tb.Add("another line"); strings.Contains(tb.String(), "another") {
		t.Errorf("a later line is in it:\n%s", tb.String())
	}
}

func TestALongTracebackLosesItsOutermostFrames(t *testing.T) {
	var b strings.Builder
	b.WriteString("Traceback (most recent call last):\n")
	for i := range 450 {
		fmt.Fprintf(&b, "  File \"/a/ü.py\", line %d, in f\n    f(%d)\n", i, i)
	}
	for _, exception := range []string{"RecursionError: no", "ValueError: " + strings.Repeat("ü", 5000), "ValueError: " + strings.Repeat("long line\n", 500), "Error: no\n" + strings.Repeat("  [bt] (0) f\n", 2000)} {
		var tb Traceback
		tb.Add(b.String() + exception)
		got := tb.String()
		if len(got) > maxTraceback || len(got) < maxTraceback-2*maxLine || !utf8.ValidString(got) {
			t.Errorf("%d bytes, want nearly %d", len(got), maxTraceback)
		}
		if !strings.HasPrefix(got, "Traceback (most recent call last):\n  [...]\n  File ") || !strings.Contains(got, "    f(449)\n"+exception[:min(len(exception), 100)]) {
			t.Errorf("cut:\n%s", got)
		}
	}
	var tb Traceback
	tb.Add("Traceback (most recent call last):\n  " + strings.Repeat("ü", 50_000) + "\nValueError")
	if got := tb.String(); len(got) > maxTraceback || !utf8.ValidString(got) || !strings.HasSuffix(got, "ValueError") {
		t.Errorf("one long frame: %d bytes, %.100q", len(got), got)
	}
}

func TestAFloodOfLinesCostsATracebackLittle(t *testing.T) {
	var tb Traceback
	tb.Add(simple + strings.Repeat("\nmore", 1_000_000))
	tb.Add(strings.TrimSuffix(simple, "\nValueError: no") + strings.Repeat("\n  frame", 1_000_000))
	tb.Add(strings.Repeat("  y", 1<<20))
	tb.Add(strings.Repeat(group+"\n", 10_000))
	if len(tb.lines) > 2*maxLines {
		t.Errorf("%d lines are held", len(tb.lines))
	}
	if tb.Add(strings.Repeat("\n", 100_000) + simple); tb.String() != simple {
		t.Errorf("at last:\n%s", tb.String())
	}
}

func FuzzTraceback(f *testing.F) {
	for _, s := range []string{simple, chainedTwo, syntax, bare, group} {
		f.Add(s + "\n" + simple)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var tb Traceback
		tb.Add(text)
		for line := range strings.SplitSeq(text, "\n") {
			tb.Add(line)
		}
		if got := tb.String(); len(got) > maxTraceback || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	})
}
