package route

import (
	"net/url"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// Rule says where buckets are kept: one by its name, or those that a pattern
// with one * fits.
type Rule struct {
	Name  string
	Place Place
}

// Place is where in a cloud: s3://CONTAINER/PREFIX?endpoint=…
type Place struct {
	Scheme    string // s3, gs or azblob
	Container string
	Prefix    string // empty, or ending in a slash
	Options   map[string]string
}

func (p Place) String() string {
	return strings.TrimSuffix(p.Scheme+"://"+p.Container+"/"+p.Prefix, "/")
}

// known are the schemes and the options that each has.
var known = map[string][]string{
	"s3":     {"endpoint", "region"},
	"gs":     {"endpoint"},
	"azblob": {"endpoint", "account"},
}

// Parse reads rules of the form NAME=PLACE. The most specific comes first.
func Parse(texts []string) ([]Rule, error) {
	rules := make([]Rule, 0, len(texts))
	for _, text := range texts {
		r, err := parse(text)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "buckets: %q: %w", shown(text), err)
		}
		if slices.ContainsFunc(rules, func(o Rule) bool { return o.Name == r.Name }) {
			return nil, fault.Errorf(fault.Invalid, "buckets: %s is there twice", r.Name)
		}
		rules = append(rules, r)
	}
	slices.SortFunc(rules, func(a, b Rule) int {
		if a.Exact() != b.Exact() {
			if a.Exact() {
				return -1
			}
			return 1
		}
		if len(a.Name) != len(b.Name) {
			return len(b.Name) - len(a.Name)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return rules, nil
}

func parse(text string) (r Rule, err error) {
	bad := func(format string, args ...any) (Rule, error) {
		return r, fault.Errorf(fault.Invalid, format, args...)
	}
	name, place, ok := strings.Cut(text, "=")
	if !ok {
		return bad("expected NAME=PLACE, as in models=s3://company-models")
	}
	u, err := url.Parse(place)
	if err != nil || u.Host == "" && !strings.Contains(place, "://*") {
		return bad("%q is not a place such as s3://company-models/prefix", shown(place))
	}
	options, ok := known[u.Scheme]
	if !ok {
		return bad("scheme %q is none of s3, gs, azblob", u.Scheme)
	}
	if u.User != nil {
		return bad("credentials do not belong into the configuration; the server takes them from where the cloud's own programs do")
	}
	r = Rule{name, Place{u.Scheme, u.Host, strings.Trim(u.Path, "/"), map[string]string{}}}
	if r.Place.Prefix != "" {
		r.Place.Prefix += "/"
	}
	for k, v := range u.Query() {
		if !slices.Contains(options, k) {
			return bad("option %q is none of %s", k, strings.Join(options, ", "))
		}
		r.Place.Options[k] = v[len(v)-1]
		if e, err := url.Parse(v[len(v)-1]); k == "endpoint" && (err != nil || e.Host == "" || e.User != nil || e.Scheme != "http" && e.Scheme != "https") {
			return bad("endpoint %q is not an address such as http://127.0.0.1:9000", shown(v[len(v)-1]))
		}
	}
	stars := strings.Count(r.Place.Container+r.Place.Prefix, "*")
	switch n := strings.Count(name, "*"); {
	case n > 1:
		return bad("a pattern has one *")
	case n == 1 && stars != 1:
		return bad("the place of a pattern has one *, too, which stands for the same: otherwise several buckets would be one")
	case n == 0 && stars != 0:
		return bad("the place has a *, but the name has none")
	}
	// What a pattern fits is checked bucket by bucket; the rest of it now.
	if err := bucket.CheckBucketName(strings.ReplaceAll(name, "*", "xyz")); err != nil {
		return r, err
	}
	return r, nil
}

// shown is a text without what may be a secret in it.
func shown(text string) string {
	head, rest, ok := strings.Cut(text, "://")
	if i := strings.LastIndexByte(rest, '@'); ok && i >= 0 {
		return head + "://…" + rest[i:]
	}
	return text
}

// Exact tells a name from a pattern.
func (r Rule) Exact() bool { return !strings.Contains(r.Name, "*") }

// At is the place of a bucket that the rule is about.
func (r Rule) At(name string) (Place, bool) {
	if r.Exact() {
		return r.Place, name == r.Name
	}
	head, tail, _ := strings.Cut(r.Name, "*")
	if len(name) <= len(head)+len(tail) || !strings.HasPrefix(name, head) || !strings.HasSuffix(name, tail) {
		return Place{}, false
	}
	star := name[len(head) : len(name)-len(tail)]
	p := r.Place
	p.Container, p.Prefix = strings.ReplaceAll(p.Container, "*", star), strings.ReplaceAll(p.Prefix, "*", star)
	return p, true
}
