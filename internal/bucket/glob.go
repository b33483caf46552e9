package bucket

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/fault"
)

// Under is the prefix that a name is listed as, when it is.
func Under(name, prefix, delimiter string) (string, bool) {
	if delimiter == "" {
		return "", false
	}
	i := strings.Index(name[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return name[:len(prefix)+i+len(delimiter)], true
}

// Successor is the first name after all that begin with prefix; ok is false
// when there is none.
func Successor(prefix string) (next string, ok bool) {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1]), true
		}
	}
	return "", false
}

// CompileGlob reads the storage API's globs: *, **, ?, [a-z] and {a,b}.
func CompileGlob(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	depth := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case c == '{':
			depth++
			b.WriteString("(?:")
		case c == '}' && depth > 0:
			depth--
			b.WriteString(")")
		case c == ',' && depth > 0:
			b.WriteString("|")
		case c == '[' && strings.IndexByte(glob[i:], ']') > 1:
			end := i + strings.IndexByte(glob[i:], ']')
			set := strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(glob[i+1 : end])
			if strings.HasPrefix(set, "!") {
				set = "^" + set[1:]
			}
			b.WriteString("[" + set + "]")
			i = end
		default:
			_, n := utf8.DecodeRuneInString(glob[i:])
			b.WriteString(regexp.QuoteMeta(glob[i : i+n]))
			i += n - 1
		}
	}
	b.WriteString(`)\z`)
	re, err := regexp.Compile(b.String())
	if err != nil || depth != 0 {
		return nil, fault.Errorf(fault.Invalid, "glob %q is not understood", glob)
	}
	return re, nil
}
