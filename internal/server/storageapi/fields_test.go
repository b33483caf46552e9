package storageapi

import (
	"encoding/json"
	"strings"
	"testing"
)

const answer = `{"kind":"k","nextPageToken":"t","prefixes":["a/"],"items":[{"name":"x","size":"1","metadata":{"k":"v","l":"w"}},{"name":"y","size":"2"}],"owner":{"entity":"e"}}`

func TestFieldMasks(t *testing.T) {
	for fields, want := range map[string]string{
		"":                              answer,
		"*":                             answer,
		"kind":                          `{"kind":"k"}`,
		"nothing":                       `{}`,
		"items/name":                    `{"items":[{"name":"x"},{"name":"y"}]}`,
		"items(name,size)":              `{"items":[{"name":"x","size":"1"},{"name":"y","size":"2"}]}`,
		"items(name), kind":             `{"kind":"k","items":[{"name":"x"},{"name":"y"}]}`,
		"items/metadata/k":              `{"items":[{"metadata":{"k":"v"}},{}]}`,
		"items(name,metadata(l))":       `{"items":[{"name":"x","metadata":{"l":"w"}},{"name":"y"}]}`,
		"items/*":                       `{"items":[{"name":"x","size":"1","metadata":{"k":"v","l":"w"}},{"name":"y","size":"2"}]}`,
		"*/entity":                      `{"prefixes":[],"items":[{},{}],"owner":{"entity":"e"}}`,
		"items,items/name":              `{"items":[{"name":"x","size":"1","metadata":{"k":"v","l":"w"}},{"name":"y","size":"2"}]}`,
		"items/name,items/size":         `{"items":[{"name":"x","size":"1"},{"name":"y","size":"2"}]}`,
		"prefixes,nextPageToken":        `{"nextPageToken":"t","prefixes":["a/"]}`,
		"items(name,*/k),owner(entity)": `{"items":[{"name":"x","metadata":{"k":"v"}},{"name":"y"}],"owner":{"entity":"e"}}`,
	} {
		m, err := parseFields(fields)
		if err != nil {
			t.Errorf("%s: %v", fields, err)
			continue
		}
		if got, err := m.cut([]byte(answer)); err != nil || string(got) != want {
			t.Errorf("fields=%s:\ngot  %s, %v\nwant %s", fields, got, err, want)
		}
	}
	for _, fields := range []string{",", "a,", "a(", "a)", "a()", "a(b", "a//b", "/a", "a(b))", "a/", strings.Repeat("a/", 40) + "b", strings.Repeat("a,", maxMask) + "b"} {
		if m, err := parseFields(fields); err == nil {
			t.Errorf("fields=%.40s is taken for %v", fields, m)
		}
	}
}

// FuzzFieldMasks: what is cut is JSON, and cutting it again changes nothing.
func FuzzFieldMasks(f *testing.F) {
	for _, seed := range []string{"", "*", "kind", "items(name,size)", "items/name", "a(b(c/d,e),*)", "a(", "*/*", "items/*/k"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, fields string) {
		m, err := parseFields(fields)
		if err != nil {
			return
		}
		once, err := m.cut([]byte(answer))
		if err != nil || !json.Valid(once) {
			t.Fatalf("fields=%q: %s, %v", fields, once, err)
		}
		if again, err := m.cut(once); err != nil || string(again) != string(once) {
			t.Errorf("fields=%q: %s, then %s, %v", fields, once, again, err)
		}
	})
}
