package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelpReadsWell: of every command, the flags are aligned, a unit or a form
// stands where a value is expected, and who must give something is shown how.
func TestHelpReadsWell(t *testing.T) {
	flag := regexp.MustCompile(`^ +(?:-\w, )?--[a-z-]+(?: \S+)?   +\S`)
	everyCommand(newRoot(testApp()), func(c *cobra.Command) {
		if c.Hidden || strings.Contains(c.CommandPath(), "completion") || strings.Contains(c.CommandPath(), "ai-platform") {
			return
		}
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: its line is %q", path, c.Short)
		}
		if strings.Contains(c.Use, " ") && c.Example == "" {
			t.Errorf("%s has no example", path)
		}
		c.InitDefaultHelpFlag()
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		column := 0
		for line := range strings.Lines(out.String()) {
			if strings.HasSuffix(strings.TrimSpace(line), ":") {
				column = 0
				continue
			}
			at := flag.FindStringIndex(line)
			if at == nil {
				continue
			}
			if n := len([]rune(line[:at[1]])); column == 0 {
				column = n
			} else if n != column {
				t.Errorf("%s: this line is not aligned:\n%s", path, line)
			}
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			for _, words := range words(line) {
				if err := parses(words); err != nil {
					t.Errorf("%s: its example %q: %v", path, line, err)
				}
			}
		}
	})
}
