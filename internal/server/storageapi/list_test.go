package storageapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// listing is what a client reads of an answer of a list.
type listing struct {
	Items         []struct{ Name, Generation, Size, TimeDeleted string }
	Prefixes      []string
	NextPageToken string
}

func (l listing) String() string {
	names := make([]string, 0, len(l.Items)+len(l.Prefixes))
	for _, o := range l.Items {
		names = append(names, o.Name)
	}
	return strings.Join(append(names, l.Prefixes...), " ")
}

func TestListParameters(t *testing.T) {
	s := serve(t)
	for _, name := range []string{"a/", "a/1.txt", "a/2.log", "a/b/3.txt", "c.txt", "d/4.txt", "\u00fc.txt"} {
		if code, _, body := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name="+strings.ReplaceAll(name, "\u00fc", "%C3%BC"), name); code != 200 {
			t.Fatalf("%s: %d %s", name, code, body)
		}
	}
	for query, want := range map[string]string{
		"":                      "a/ a/1.txt a/2.log a/b/3.txt c.txt d/4.txt \u00fc.txt",
		"prefix=a/":             "a/ a/1.txt a/2.log a/b/3.txt",
		"delimiter=/":           "c.txt \u00fc.txt a/ d/",
		"delimiter=/&prefix=a/": "a/ a/1.txt a/2.log a/b/",
		"delimiter=/&includeTrailingDelimiter=true": "a/ c.txt \u00fc.txt a/ d/",
		"delimiter=/&includeFoldersAsPrefixes=True": "c.txt \u00fc.txt a/ d/",
		"startOffset=a/2&endOffset=d":               "a/2.log a/b/3.txt c.txt",
		"matchGlob=**.txt":                          "a/1.txt a/b/3.txt c.txt d/4.txt \u00fc.txt",
		"matchGlob=*.txt":                           "c.txt \u00fc.txt",
		"matchGlob=%C3%BC*":                         "\u00fc.txt",
		"matchGlob=a/[12].{txt,log}":                "a/1.txt a/2.log",
		"fields=items(name),prefixes&delimiter=/":   "c.txt \u00fc.txt a/ d/",
		"fields=prefixes&delimiter=/":               "a/ d/",
	} {
		for _, size := range []string{"", "1", "2", "3"} {
			var whole listing
			for token, pages := "", 0; ; pages++ {
				q := query + "&maxResults=" + size + "&pageToken=" + token
				q = strings.Replace(q, "fields=", "fields=nextPageToken,", 1)
				code, _, body := ask(t, "GET", s.URL+"/storage/v1/b/box/o?"+q, "")
				var page listing
				if err := json.Unmarshal([]byte(body), &page); err != nil || code != 200 || pages > 20 {
					t.Fatalf("%s: %d %s", q, code, body)
				}
				whole.Items, whole.Prefixes = append(whole.Items, page.Items...), append(whole.Prefixes, page.Prefixes...)
				if token = page.NextPageToken; token == "" {
					break
				}
			}
			if whole.String() != want {
				t.Errorf("%s in pages of %s: %s, want %s", query, size, whole, want)
			}
		}
	}
	for _, query := range []string{"maxResults=x", "maxResults=-1", "pageToken=nonsense", "versions=maybe", "includeTrailingDelimiter=1", "includeFoldersAsPrefixes=x", "matchGlob={a", "matchGlob=*&delimiter=x",
		"fields=items(", "fields=,", "projection=some", "softDeleted=true", "filter=x"} {
		if code, _, body := ask(t, "GET", s.URL+"/storage/v1/b/box/o?"+query, ""); code != 400 || !strings.Contains(body, `"message"`) {
			t.Errorf("%s: %d %s, want 400", query, code, body)
		}
	}
	// Every JSON answer is cut, and a bad mask is refused before the effect.
	for path, want := range map[string]string{
		"/storage/v1/b?project=demo&fields=items/name":  `{"items":[{"name":"box"}]}`,
		"/storage/v1/b/box?fields=name,labels":          `{"name":"box"}`,
		"/storage/v1/b/box/o/c.txt?fields=name,size":    `{"name":"c.txt","size":"5"}`,
		"/storage/v1/b/box/storageLayout?fields=bucket": `{"bucket":"box"}`,
	} {
		if code, _, body := ask(t, "GET", s.URL+path, ""); code != 200 || strings.TrimSpace(body) != want {
			t.Errorf("%s: %d %s, want %s", path, code, body, want)
		}
	}
	if code, _, _ := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name=new&fields=a(", "x"); code != 400 {
		t.Errorf("a put with a bad mask: %d", code)
	}
	if code, _, _ := ask(t, "GET", s.URL+"/storage/v1/b/box/o/new", ""); code != 404 {
		t.Errorf("after a put with a bad mask: %d", code)
	}
	if code, _, body := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name=new&fields=name", "x"); code != 200 || strings.TrimSpace(body) != `{"name":"new"}` {
		t.Errorf("a put with a mask: %d %s", code, body)
	}
}

// FuzzListParameters: a listing answers 200 or 400, whatever is asked.
func FuzzListParameters(f *testing.F) {
	for _, q := range []string{"", "prefix=a&delimiter=/", "maxResults=2&pageToken=aGEv", "matchGlob=[a-z]*{x,y}&versions=true", "startOffset=%ff&endOffset=%00", "fields=items(name)", "matchGlob=[!a]%5c[", "pageToken=%2500"} {
		f.Add(q)
	}
	s := serve(f)
	for i := range 5 {
		ask(f, "POST", fmt.Sprint(s.URL, "/upload/storage/v1/b/box/o?uploadType=media&name=a/", i), "x")
	}
	f.Fuzz(func(t *testing.T, query string) {
		rec := record(s, "GET", "/storage/v1/b/box/o", query)
		if rec.Code != 200 && rec.Code != 400 {
			t.Errorf("%q: %d %s", query, rec.Code, rec.Body)
		}
		if !json.Valid(rec.Body.Bytes()) && rec.Body.Len() > 0 && rec.Header().Get("Content-Type") == "application/json; charset=UTF-8" {
			t.Errorf("%q: %s", query, rec.Body)
		}
	})
}
