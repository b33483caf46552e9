package bucket_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/bucket"
)

// FuzzNames: what is taken as a name keeps the rules, whatever else it is.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", "a/b", "a//b", "/lead", "../x", ".", "..", strings.Repeat("n", 1024), "🚂", "a\nb", "\xff", "box", "a.b-c_d", "1.2.3.4", "-a", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if bucket.CheckObjectName(name) == nil && (name == "" || len(name) > 1024 || !utf8.ValidString(name) || strings.ContainsAny(name, "\r\n") || name == "." || name == "..") {
			t.Errorf("%q is taken as the name of an object", name)
		}
		if bucket.CheckBucketName(name) == nil && (len(name) < 3 || len(name) > 222 || strings.ContainsAny(name, "/\\ %?#\r\n\x00") || strings.ToLower(name) != name || name[0] == '.') {
			t.Errorf("%q is taken as the name of a bucket", name)
		}
	})
}
