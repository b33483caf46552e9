package pyenv

import (
	"net/url"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

var userInfo = pattern.New(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'<>]*@`)

// redactURLs takes user names and passwords out of every address in a text.
func redactURLs(s string) string { return userInfo.ReplaceAllString(s, "${1}***@") }

// redact takes out every secret of the settings, wherever it stands.
func (c *Cache) redact(s string) string {
	s = redactURLs(s)
	for _, secret := range c.secrets() {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return s
}

// secrets are the passwords in the settings' addresses, as written and as
// meant, the longest first.
func (c *Cache) secrets() []string {
	texts := append([]string{c.o.Index.URL, c.o.Index.Proxy}, c.o.Index.Extra...)
	texts = append(texts, c.o.Index.FindLinks...)
	for _, kv := range c.o.Environ {
		name, v, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "UV_") || strings.HasPrefix(name, "PIP_") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			texts = append(texts, v)
			if strings.HasPrefix(name, "UV_INDEX_") && strings.HasSuffix(name, "_PASSWORD") || strings.HasSuffix(name, "_TOKEN") {
				texts = append(texts, "x://:"+url.PathEscape(v)+"@x")
			}
		}
	}
	var found []string
	add := func(s string) {
		if len(s) >= 4 && s != "__token__" && !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	for _, text := range texts {
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == ',' }) {
			at := strings.Index(word, "://")
			if at < 0 {
				continue
			}
			rest := word[at+3:]
			if slash := strings.IndexByte(rest, '/'); slash >= 0 {
				rest = rest[:slash]
			}
			end := strings.LastIndexByte(rest, '@')
			if end < 0 {
				continue
			}
			user, password, both := strings.Cut(rest[:end], ":")
			if !both {
				password = user // a token stands where the name would
			}
			add(password)
			if plain, err := url.PathUnescape(password); err == nil {
				add(plain)
			}
		}
	}
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	return found
}
