package check

import (
	"slices"
	"strings"
	"testing"
)

func TestMetadataAreRead(t *testing.T) {
	name, requires := parseMetadata([]byte("Metadata-Version: 2.1\r\nNAME:  My.Pkg \nRequires-Dist: six (>=1)\nRequires-Dist: tqdm ; extra == 'x'\nRequires-Dist: A-b[c]>2\n\nRequires-Dist: of-the-description\n"))
	if name != "My.Pkg" || !slices.Equal(requires, []string{"six", "a-b"}) {
		t.Errorf("parseMetadata = %q, %q", name, requires)
	}
	if got := parseRequires([]byte("six>=1\n\n[:python_version<'3']\nenum34\n[extra]\ntqdm\n")); !slices.Equal(got, []string{"six", "enum34"}) {
		t.Errorf("parseRequires = %q", got)
	}
}

// FuzzMetadata: a PKG-INFO, a METADATA or a requires.txt may be anybody's. What
// is read of it are names of distributions, as indexes compare them, and none
// of a description.
func FuzzMetadata(f *testing.F) {
	f.Add("Name: app\nRequires-Dist: six>=1; python_version > '3'\n\nRequires-Dist: no")
	f.Add("name:\xff\nrequires-dist:[x]\r\n requires-dist: y\n")
	f.Add("numpy>=1\nPyYAML\n[:python_version<'3']\nfuture\n[test]\npytest\n")
	f.Add("[:x]\nsix\n[y")
	f.Fuzz(func(t *testing.T, text string) {
		_, requires := parseMetadata([]byte(text))
		head, _, _ := strings.Cut(text, "\n\n")
		if strings.Count(strings.ToLower(head), "requires-dist") < len(requires) {
			t.Errorf("%q are read from %q", requires, text)
		}
		for _, r := range append(requires, parseRequires([]byte(text))...) {
			if r == "" || r != normal(r) || strings.ContainsAny(r, " \t\r\n;,[]()<>=!~@") {
				t.Errorf("%q is read as a distribution from %q", r, text)
			}
		}
	})
}
