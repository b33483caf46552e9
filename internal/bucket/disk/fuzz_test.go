package disk_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/fault"
)

// FuzzList asks for pages with anything as a token, a glob and offsets: it is
// refused as invalid, or each name on the page is within what was asked for,
// in order, and the next token is taken.
func FuzzList(f *testing.F) {
	s, err := disk.Open(f.Context(), f.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	if _, err := s.CreateBucket(f.Context(), bucket.Bucket{Name: "box", Project: "p", Versioning: true}); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"a", "a/b", "a//b", "a/b/c", "/lead", "ü/🚂", "b[1]", "b{1}", "z\x00"} {
		for range 2 {
			o := bucket.PutOptions{}
			o.Bucket, o.Name, o.Size = "box", name, 0
			if _, err := s.Put(f.Context(), o, strings.NewReader("")); err != nil {
				f.Fatal(err)
			}
		}
	}
	f.Add("", "", "", "", "", "", 1, false, false)
	f.Add("a/", "/", "", "a", "b", "**/b", 2, true, true)
	f.Add("", "", "aAAAAAAAAAAAYQ", "", "", "{a,b}[!x-z]*", 3, true, false)
	f.Add("\xff", "\xff", "cAAAAAAAAAAAL2E", "\x00", "\xff", "[", 1000, false, true)
	f.Fuzz(func(t *testing.T, prefix, delimiter, token, start, end, glob string, limit int, trailing, versions bool) {
		q := bucket.Query{Prefix: prefix, Delimiter: delimiter, Token: token, StartOffset: start, EndOffset: end, MatchGlob: glob, Max: limit, IncludeTrailingDelimiter: trailing, Versions: versions}
		for pages := 0; ; pages++ {
			page, err := s.List(t.Context(), "box", q)
			if err != nil {
				if !fault.Is(err, fault.Invalid) || pages > 0 {
					t.Fatalf("page %d of %+v: %v", pages, q, err)
				}
				return
			}
			last := ""
			for _, o := range page.Objects {
				if !strings.HasPrefix(o.Name, prefix) || o.Name < start || end != "" && o.Name >= end || o.Name < last {
					t.Errorf("%+v lists %q", q, o.Name)
				}
				last = o.Name
			}
			for _, p := range page.Prefixes {
				if !strings.HasPrefix(p, prefix) || !strings.HasSuffix(p, delimiter) {
					t.Errorf("%+v lists the prefix %q", q, p)
				}
			}
			if q.Token = page.Next; q.Token == "" {
				return
			}
			if pages > 50 {
				t.Fatalf("%+v never ends", q)
			}
		}
	})
}
