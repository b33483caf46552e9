package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trainyard/trainyard/internal/config"
)

// The pages of the repository, and the guide's in English and Portuguese.
const repository = "../.."

var twins = map[string]string{
	"README.md": "README.md", "differences.md": "diferencas.md", "environments.md": "ambientes.md", "failures.md": "falhas.md", "inside-a-job.md": "dentro-de-um-job.md",
	"packaging.md": "empacotamento.md", "prices.md": "precos.md", "replicas.md": "replicas.md", "rerun-and-compare.md": "repetir-e-comparar.md", "samples.md": "amostras.md",
	"usage.md": "uso.md", "variables.md": "variaveis.md", "waiting.md": "espera.md",
}

// TestCommandsOfThePagesExist parses every command line of every page with the
// program's own parser.
func TestCommandsOfThePagesExist(t *testing.T) {
	for _, page := range pages(t) {
		for _, line := range commandLines(page.text) {
			if err := parses(line); err != nil {
				t.Errorf("%s: %s\n\t%v", page.name, strings.Join(line, " "), err)
			}
		}
	}
}

// TestFlagsOfThePagesExist: a flag that a page names beside a command is one.
func TestFlagsOfThePagesExist(t *testing.T) {
	known := map[string]bool{}
	everyCommand(newRoot(testApp()), func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		c.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	})
	// Those of the programs that pages speak of.
	for _, name := range []string{"epochs", "learning-rate", "data", "yes", "no-deps", "encoding"} {
		known[name] = true
	}
	span, flag := regexp.MustCompile("`[^`\n]+`"), regexp.MustCompile(`(?:^|[\s\[(|/])--([a-z][a-z-]+)`)
	for _, page := range pages(t) {
		if page.name == "docs/benchmarks.md" || strings.HasPrefix(page.name, "docs/adr") { // tell of other programs, and of other times
			continue
		}
		for _, s := range span.FindAllString(page.text, -1) {
			for _, m := range flag.FindAllStringSubmatch(strings.Trim(s, "`"), -1) {
				if !known[m[1]] {
					t.Errorf("%s: %s: there is no flag --%s", page.name, s, m[1])
				}
			}
		}
	}
}

// TestSettingsAreInTheGuide, each in one row of a table, and no others; those of
// the server are its flags.
func TestSettingsAreInTheGuide(t *testing.T) {
	serve := newServe(testApp())
	row, name := regexp.MustCompile("(?m)^\\| (`[^|]*) \\|"), regexp.MustCompile("`([a-z-]+)`")
	for file, title := range map[string]string{"docs/guide/README.md": "\n## Settings\n", "docs/pt-BR/README.md": "\n## Configuração\n"} {
		_, text, _ := strings.Cut(read(t, file), title)
		text, _, _ = strings.Cut(text, "\n### ")
		var have []string
		for _, r := range row.FindAllStringSubmatch(text, -1) {
			for _, m := range name.FindAllStringSubmatch(r[1], -1) {
				have = append(have, m[1])
				if serve.Flags().Lookup(m[1]) == nil && !slices.Contains(clientKeys, m[1]) && m[1] != "token-file" {
					t.Errorf("%s: trainyard serve has no flag --%s", file, m[1])
				}
			}
		}
		want := config.Keys()
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			t.Errorf("%s has the settings\n%q, there are\n%q", file, have, want)
		}
	}
}

// TestTheGuideIsThereInPortuguese, page by page, with the same commands.
func TestTheGuideIsThereInPortuguese(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repository, "docs/guide/*.md"))
	if err != nil || len(files) < len(twins) {
		t.Fatal(files, err)
	}
	for _, file := range files {
		english := filepath.Base(file)
		portuguese, ok := twins[english]
		if !ok {
			t.Errorf("%s has no page in Portuguese", english)
			continue
		}
		e, p := outline(read(t, "docs/guide/"+english)), outline(read(t, "docs/pt-BR/"+portuguese))
		for i := range max(len(e), len(p)) {
			if i >= len(e) || i >= len(p) || e[i] != p[i] {
				t.Errorf("command %d of %s is not that of %s:\n%q\n%q", i, english, portuguese, e[min(i, len(e)):min(i+1, len(e))], p[min(i, len(p)):min(i+1, len(p))])
				break
			}
		}
	}
}

// TestLinksLeadSomewhere: to a file, and to a heading in it.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page.text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			to := page.name
			if file != "" {
				to = filepath.Join(filepath.Dir(page.name), file)
			}
			info, err := os.Stat(filepath.Join(repository, to))
			switch {
			case err != nil:
				t.Errorf("%s: %s is not there", page.name, m[1])
			case anchor != "" && (info.IsDir() || !slices.Contains(anchors(read(t, to)), anchor)):
				t.Errorf("%s: %s has no heading #%s", page.name, to, anchor)
			}
		}
	}
}

type page struct{ name, text string }

func pages(t *testing.T) (all []page) {
	t.Helper()
	for _, folder := range []string{".", "docs", "examples"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && folder == "." && path != repository {
				return fs.SkipDir
			}
			if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
				name, _ := filepath.Rel(repository, path)
				all = append(all, page{name, read(t, name)})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 40 {
		t.Fatalf("%d pages", len(all))
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func testApp() *App { return &App{Streams: Streams{Out: io.Discard, Err: io.Discard}} }

func everyCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		everyCommand(sub, do)
	}
}

// commandLines are the words of the command lines of a page that are
// trainyard's: those of indented blocks, and those in a text.
func commandLines(text string) (lines [][]string) {
	block := regexp.MustCompile(`(?m)^ {4}( *|[^\n]*; )trainyard [a-z-]+( [^\n]*)?(\\\n[^\n]*)*$`)
	for _, m := range block.FindAllString(text, -1) {
		if strings.ContainsAny(m, "─│►") { // a picture
			continue
		}
		lines = append(lines, words(m)...)
	}
	span := regexp.MustCompile("`(trainyard [^`]*)`")
	for _, m := range span.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(m[1], " | ") { // several commands in one
			lines = append(lines, words(m[1])...)
		}
	}
	return lines
}

// choice is one of several words, as in sklearn|torch.
var choice = regexp.MustCompile(`^(\w+)(\|\w+)+$`)

// words splits a line of a shell into commands and keeps trainyard's.
func words(line string) (commands [][]string) {
	word := regexp.MustCompile(`'[^']*'|"[^"]*"|;|&&|#[^\n]*|[^\s;'"]+`)
	var now []string
	end := func() {
		if len(now) > 1 && now[0] == "trainyard" {
			commands = append(commands, now[1:])
		}
		now = nil
	}
	for _, w := range word.FindAllString(strings.ReplaceAll(line, "\\\n", " "), -1) {
		switch {
		case w == ";", w == "&&":
			end()
		case w[0] == '#':
			end()
			return commands
		default:
			now = append(now, choice.ReplaceAllString(strings.Trim(w, `'"`), "$1"))
		}
	}
	end()
	return commands
}

// parses gives what the program would say of a command line before it runs.
func parses(line []string) error {
	root := newRoot(testApp())
	cmd, rest, err := root.Find(line)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	rest = slices.DeleteFunc(slices.Clone(rest), func(w string) bool { return w == "…" })
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if help, _ := cmd.Flags().GetBool("help"); help {
		return nil
	}
	args := cmd.Flags().Args()
	if cmd.HasSubCommands() && len(args) > 0 {
		return fmt.Errorf("%q is no command of %s", args[0], cmd.CommandPath())
	}
	return nil
}

// outline is what the blocks of a page ask for, without names and numbers.
func outline(text string) (lines []string) {
	for _, l := range commandLines(regexp.MustCompile("`[^`]*`").ReplaceAllString(text, "")) {
		cmd, _, err := newRoot(testApp()).Find(l)
		if err != nil {
			continue
		}
		flags := slices.DeleteFunc(slices.Clone(l), func(w string) bool { return !strings.HasPrefix(w, "--") || w == "--" })
		for i, f := range flags {
			flags[i], _, _ = strings.Cut(f, "=")
		}
		lines = append(lines, cmd.CommandPath()+" "+strings.Join(flags, " "))
	}
	return lines
}

// anchors are the names of a page's headings, as GitHub makes them.
func anchors(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}
