package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/trainyard/trainyard/internal/config"
)

// Streams are where a command reads and writes, and whether a person is
// looking. What a program may want to read goes to Out, what is said to a
// person to Err.
type Streams struct {
	In             io.Reader
	Out, Err       io.Writer
	InTTY          bool
	OutTTY, ErrTTY bool
	NoQuestions    bool // nobody wants to be asked
	Color          bool // escape codes may be written to Err
	Width          int  // columns of the terminal; 0 where there is none
}

// newStreams looks at what it is given: only a real file can be a terminal.
func newStreams(in io.Reader, out, errw io.Writer, env config.Env) Streams {
	s := Streams{In: in, Out: out, Err: errw}
	s.InTTY, _ = terminal(in)
	s.OutTTY, s.Width = terminal(out)
	var width int
	if s.ErrTTY, width = terminal(errw); s.Width == 0 {
		s.Width = width
	}
	switch strings.ToLower(env.Get("CLOUDSDK_CORE_DISABLE_PROMPTS")) {
	case "1", "true", "yes", "on", "y", "t":
		s.NoQuestions = true
	}
	s.Color = s.ErrTTY && env.Get("NO_COLOR") == "" && env.Get("TERM") != "dumb"
	return s
}

func terminal(v any) (bool, int) {
	f, ok := v.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		w = 80
	}
	return true, w
}

// Say tells the user something on standard error.
func (s *Streams) Say(format string, args ...any) {
	fmt.Fprintf(s.Err, format+"\n", args...)
}

// Warn tells the user of something that is likely not meant.
func (s *Streams) Warn(format string, args ...any) {
	s.Say(s.paint(yellow, "warning:")+" "+format, args...)
}

// Ask asks a yes-or-no question where a person can answer; elsewhere the
// answer is no.
func (s *Streams) Ask(question string) bool {
	if !s.InTTY || !s.ErrTTY || s.NoQuestions {
		return false
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	line, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil {
		return false
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

const (
	red    = "31"
	yellow = "33"
	cyan   = "36"
)

func (s *Streams) paint(color, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
