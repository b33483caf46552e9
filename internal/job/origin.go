package job

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// Origin is where a job came from: enough to find the code again and to tell
// what it repeats. Who submitted it from which machine is not kept.
type Origin struct {
	Client  string `json:"client,omitempty"`  // the program that submitted it: "gcloud/528.0.0"
	Commit  string `json:"commit,omitempty"`  // of the source's repository
	Branch  string `json:"branch,omitempty"`  // empty for a detached head
	Dirty   bool   `json:"dirty,omitempty"`   // the source had changes that the commit has not
	Repeats ID     `json:"repeats,omitempty"` // the job whose packages and document it has
}

// Lock is an environment, exactly: what one was made of, for another to be made
// the same.
type Lock struct {
	Python   string   `json:"python"`            // "3.11.7"
	Runtime  string   `json:"runtime,omitempty"` // runtime version
	Packages []string `json:"packages"`          // "name==version", the given ones with their digests
}

// ClientOf names a program by what it calls itself on the wire: gcloud and our
// own by name and version, another by its first word.
func ClientOf(userAgent string) string {
	words := strings.FieldsFunc(userAgent, func(r rune) bool { return r == ' ' || r < ' ' || r > '~' })
	for _, w := range words {
		if name, _, ok := strings.Cut(w, "/"); ok && (name == "gcloud" || name == "trainyard") {
			return shorten(w)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return shorten(words[0])
}

func shorten(s string) string { return s[:min(len(s), 100)] }

// longest is how long a commit's or a branch's name may be.
const longest = 250

var commitForm = pattern.New(`^[0-9a-f]{7,64}$`)

// ParseOrigin reads what a client says of the source of a job: commit, branch
// and dirty, as the query of an address.
func ParseOrigin(text string) (Origin, error) {
	if text == "" {
		return Origin{}, nil
	}
	q, err := url.ParseQuery(text)
	if err != nil {
		return Origin{}, fault.Errorf(fault.Invalid, "the source %q is not written as commit=…&branch=…&dirty=true", shorten(text))
	}
	o := Origin{Commit: q.Get("commit"), Branch: q.Get("branch"), Dirty: q.Get("dirty") == "true"}
	if !commitForm.MatchString(o.Commit) {
		return Origin{}, fault.Errorf(fault.Invalid, "the source's commit %q is not the name of one", shorten(o.Commit))
	}
	if len(o.Branch) > longest || !utf8.ValidString(o.Branch) || strings.ContainsFunc(o.Branch, unicode.IsControl) {
		return Origin{}, fault.Errorf(fault.Invalid, "the source's branch is not the name of one")
	}
	return o, nil
}

// Query writes what ParseOrigin reads; empty where nothing is known.
func (o Origin) Query() string {
	if o.Commit == "" {
		return ""
	}
	q := url.Values{"commit": {o.Commit}}
	if o.Branch != "" {
		q.Set("branch", o.Branch)
	}
	if o.Dirty {
		q.Set("dirty", "true")
	}
	return q.Encode()
}
