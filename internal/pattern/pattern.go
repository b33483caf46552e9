// Package pattern is regular expressions that are compiled when they are first
// used. A command needs a few of the hundreds that the binary has; compiling all
// of them was a third of the time that it took to start.
package pattern

import (
	"os"
	"regexp"
	"strings"
	"sync"
)

// Pattern is a regular expression; its methods are those of regexp.Regexp.
type Pattern struct{ get func() *regexp.Regexp }

// New is a pattern for a package's variable. One that is wrong fails every test
// of the package, and not only those that use it.
func New(expr string) *Pattern {
	p := &Pattern{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })}
	if underTest {
		p.get()
	}
	return p
}

var underTest = len(os.Args) > 0 && strings.HasSuffix(strings.TrimSuffix(os.Args[0], ".exe"), ".test")

func (p *Pattern) Match(b []byte) bool                        { return p.get().Match(b) }
func (p *Pattern) MatchString(s string) bool                  { return p.get().MatchString(s) }
func (p *Pattern) FindString(s string) string                 { return p.get().FindString(s) }
func (p *Pattern) FindStringSubmatch(s string) []string       { return p.get().FindStringSubmatch(s) }
func (p *Pattern) FindSubmatch(b []byte) [][]byte             { return p.get().FindSubmatch(b) }
func (p *Pattern) FindStringSubmatchIndex(s string) []int     { return p.get().FindStringSubmatchIndex(s) }
func (p *Pattern) FindAllString(s string, n int) []string     { return p.get().FindAllString(s, n) }
func (p *Pattern) FindAllSubmatch(b []byte, n int) [][][]byte { return p.get().FindAllSubmatch(b, n) }
func (p *Pattern) FindAllStringSubmatch(s string, n int) [][]string {
	return p.get().FindAllStringSubmatch(s, n)
}
func (p *Pattern) ReplaceAllString(src, repl string) string {
	return p.get().ReplaceAllString(src, repl)
}
func (p *Pattern) ReplaceAllStringFunc(src string, f func(string) string) string {
	return p.get().ReplaceAllStringFunc(src, f)
}
func (p *Pattern) ExpandString(dst []byte, template, src string, match []int) []byte {
	return p.get().ExpandString(dst, template, src, match)
}
