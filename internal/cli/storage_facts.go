package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/trainyard/trainyard/internal/client"
)

// pairsValue is a flag of the form KEY=VALUE,… that may be repeated.
type pairsValue map[string]string

func (p *pairsValue) String() string { return labelsText(*p) }
func (p *pairsValue) Type() string   { return "KEY=VALUE,..." }

func (p *pairsValue) Set(text string) error {
	if *p == nil {
		*p = pairsValue{}
	}
	for _, item := range splitList(text) {
		k, v, ok := strings.Cut(item, "=")
		if !ok || k == "" {
			return wrong("Bad syntax for dict arg: [%s]. Write KEY=VALUE.", item)
		}
		(*p)[k] = v
	}
	return nil
}

// labelsText writes pairs as they are given to a flag.
func labelsText(pairs map[string]string) string { l := labelsValue(pairs); return l.String() }

// facts are the flags that say what an object is, besides its content.
type facts struct {
	given          map[string]*textValue // by the name on the wire
	cleared        map[string]*bool
	custom, update pairsValue
	remove         listValue
	clearCustom    bool
}

// factNames are the flags and what they set.
var factNames = map[string]string{
	"content-type": "contentType", "content-encoding": "contentEncoding", "content-disposition": "contentDisposition",
	"content-language": "contentLanguage", "cache-control": "cacheControl",
}

func (f *facts) register(fs *pflag.FlagSet, clear bool) {
	f.given, f.cleared = map[string]*textValue{}, map[string]*bool{}
	for flag, name := range factNames {
		f.given[name] = &textValue{}
		fs.Var(f.given[name], flag, "the object's "+map[string]string{
			"content-type": "media type; found by the file's name otherwise", "content-encoding": "encoding, as gzip", "content-disposition": "presentation",
			"content-language": "language", "cache-control": "caching",
		}[flag])
		if clear {
			f.cleared[name] = fs.Bool("clear-"+flag, false, "remove it")
		}
	}
	fs.Var(&f.custom, "custom-metadata", "facts of your own, in place of all there are")
	fs.Var(&f.update, "update-custom-metadata", "facts of your own to add or change")
	fs.Var(&f.remove, "remove-custom-metadata", "keys of facts of your own to remove")
	fs.BoolVar(&f.clearCustom, "clear-custom-metadata", false, "remove all facts of your own")
}

func (f *facts) check() error {
	for flag, name := range factNames {
		if c := f.cleared[name]; c != nil && *c && f.given[name].given {
			return usagef("argument --clear-%s: At most one of --%s | --clear-%s can be specified.", flag, flag, flag)
		}
	}
	n := 0
	for _, given := range []bool{f.custom != nil, f.clearCustom, f.update != nil || f.remove != nil} {
		if given {
			n++
		}
	}
	if n > 1 {
		return usagef("argument --custom-metadata: At most one of --clear-custom-metadata | --custom-metadata | --remove-custom-metadata --update-custom-metadata can be specified.")
	}
	return nil
}

// of is what to change of an object with this metadata so far.
func (f *facts) of(has map[string]string) client.Changes {
	c := client.Changes{}
	for name, v := range f.given {
		if v.given {
			c[name] = v.text
		}
	}
	for name, clear := range f.cleared {
		if *clear {
			c[name] = ""
		}
	}
	want := maps.Clone(has)
	switch {
	case f.custom != nil:
		want = maps.Clone(f.custom)
	case f.clearCustom:
		want = nil
	case f.update != nil || f.remove != nil:
		if want == nil {
			want = map[string]string{}
		}
		maps.Copy(want, f.update)
		maps.DeleteFunc(want, func(k, _ string) bool { return slices.Contains(f.remove, k) })
	default:
		return c
	}
	keys := map[string]any{}
	for k := range has {
		keys[k] = nil // says that it goes
	}
	for k, v := range want {
		keys[k] = v
	}
	c["metadata"] = keys
	return c
}

// upload is the facts of something new.
func (f *facts) upload() client.UploadOptions {
	var o client.UploadOptions
	for name, to := range map[string]*string{"contentType": &o.ContentType, "contentEncoding": &o.ContentEncoding, "contentDisposition": &o.ContentDisposition, "contentLanguage": &o.ContentLanguage, "cacheControl": &o.CacheControl} {
		*to = f.given[name].text
	}
	o.Metadata = maps.Clone(f.custom)
	if o.Metadata == nil {
		o.Metadata = maps.Clone(f.update)
	}
	return o
}

// conditionFlags are the flags for what must be there.
type conditionFlags struct{ generation, metageneration int64 }

func (f *conditionFlags) register(fs *pflag.FlagSet) {
	fs.Int64Var(&f.generation, "if-generation-match", -1, "only if this is the generation of what is there; 0 for nothing there")
	fs.Int64Var(&f.metageneration, "if-metageneration-match", -1, "only if this is the metageneration of what is there")
	for _, name := range []string{"if-generation-match", "if-metageneration-match"} {
		fs.Lookup(name).DefValue = "0"
	}
}

func (f *conditionFlags) conditions() (c client.Conditions) {
	if f.generation >= 0 {
		c.Generation = &f.generation
	}
	if f.metageneration >= 0 {
		c.Metageneration = &f.metageneration
	}
	return c
}
