package pyenv

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// Index says where packages come from, as pip's settings have it. Settings of
// uv win over it where uv installs.
type Index struct {
	URL         string // empty: the public index
	Extra       []string
	FindLinks   []string // folders that are there, and addresses
	NoIndex     bool
	Constraints []string // files that say which versions may be
	CA          string   // file of certificates
	ClientCert  string   // file with certificate and key
	Trusted     []string
	Netrc       string // file of passwords
	Keyring     bool   // the command keyring has passwords
	Proxy       string // address, over those of the environment

	uvOwn bool   // uv has settings of its own for where packages come from
	uvSum string // of those settings
}

// PublicIndex is where packages come from when nothing else is said.
const PublicIndex = "https://pypi.org/simple"

// IndexFrom reads the settings as pip does: the environment over PIP_CONFIG_FILE
// over the user's files over the machine's. Files that cannot be read do not count.
func IndexFrom(environ []string, home string) Index {
	o := pipOptions(environ, home)
	x := Index{
		URL:         o.get("index-url"),
		Extra:       strings.Fields(o.get("extra-index-url")),
		NoIndex:     truth(o.get("no-index")),
		Constraints: strings.Fields(cmp.Or(lookup(environ, "UV_CONSTRAINT"), o.get("constraint"))),
		CA:          cmp.Or(o.get("cert"), lookup(environ, "REQUESTS_CA_BUNDLE"), lookup(environ, "SSL_CERT_FILE"), lookup(environ, "CURL_CA_BUNDLE")),
		ClientCert:  o.get("client-cert"),
		Trusted:     strings.Fields(o.get("trusted-host")),
		Netrc:       cmp.Or(lookup(environ, "NETRC"), filepath.Join(home, ".netrc")),
		Keyring:     o.get("keyring-provider") == "subprocess" || lookup(environ, "UV_KEYRING_PROVIDER") == "subprocess",
		Proxy:       o.get("proxy"),
	}
	for _, f := range strings.Fields(o.get("find-links")) {
		if strings.Contains(f, "://") {
			x.FindLinks = append(x.FindLinks, f)
		} else if info, err := os.Stat(f); err == nil && info.IsDir() {
			x.FindLinks = append(x.FindLinks, f)
		}
	}
	x.uvSettings(environ, home)
	return x
}

// ofIndex finds in a uv.toml that it says where packages come from.
var ofIndex = pattern.New(`(?m)^\s*(index-url|extra-index-url|index|find-links|no-index|default-index|\[\[index\]\])\s*(=|$)`)

func (x *Index) uvSettings(environ []string, home string) {
	sum := sha256.New()
	for _, name := range []string{"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"} {
		if v := lookup(environ, name); v != "" {
			x.uvOwn = true
			sum.Write([]byte(name + "=" + redactURLs(v) + "\n"))
		}
	}
	for _, name := range []string{"UV_FIND_LINKS", "UV_EXCLUDE_NEWER", "UV_PRERELEASE", "UV_RESOLUTION", "UV_OVERRIDE", "UV_TORCH_BACKEND", "UV_INDEX_STRATEGY", "UV_NO_BINARY", "UV_NO_BUILD"} {
		if v := lookup(environ, name); v != "" {
			sum.Write([]byte(name + "=" + redactURLs(v) + "\n"))
		}
	}
	files := []string{"/etc/uv/uv.toml", filepath.Join(cmp.Or(lookup(environ, "XDG_CONFIG_HOME"), filepath.Join(home, ".config")), "uv", "uv.toml")}
	if f := lookup(environ, "UV_CONFIG_FILE"); f != "" {
		files = []string{f}
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			x.uvOwn = x.uvOwn || ofIndex.Match(b)
			sum.Write([]byte(redactURLs(string(b))))
		}
	}
	x.uvSum = hex.EncodeToString(sum.Sum(nil))
}

// material is what an environment's key takes from the settings: no secret,
// since a new password does not change what is installed.
func (x Index) material() []string {
	list := []string{"url=" + redactURLs(x.URL), "uv=" + x.uvSum}
	for _, e := range x.Extra {
		list = append(list, "extra="+redactURLs(e))
	}
	for _, f := range x.FindLinks {
		list = append(list, "links="+redactURLs(f))
	}
	if x.NoIndex {
		list = append(list, "no-index")
	}
	for _, f := range x.Constraints {
		b, err := os.ReadFile(f)
		if err != nil {
			b = []byte(f) // an address, or a mistake that the installer tells
		}
		sum := sha256.Sum256(b)
		list = append(list, "constraint="+hex.EncodeToString(sum[:]))
	}
	return list
}

// addresses are the indexes in the order they are asked.
func (x Index) addresses() []string {
	if x.NoIndex {
		return nil
	}
	return append([]string{cmp.Or(x.URL, PublicIndex)}, x.Extra...)
}

// options are pip's settings by their long names.
type options map[string]string

func (o options) get(name string) string { return o[name] }

func pipOptions(environ []string, home string) options {
	o := options{}
	own := lookup(environ, "PIP_CONFIG_FILE")
	if own != os.DevNull {
		config := cmp.Or(lookup(environ, "XDG_CONFIG_HOME"), filepath.Join(home, ".config"))
		files := []string{"/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/Library/Application Support/pip/pip.conf",
			filepath.Join(home, ".pip", "pip.conf"), filepath.Join(home, "Library", "Application Support", "pip", "pip.conf"),
			filepath.Join(config, "pip", "pip.conf")}
		if own != "" {
			files = append(files, own)
		}
		var all []options // per file: its install section over its global one
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil {
				all = append(all, parsePipConf(string(b)))
			}
		}
		for _, section := range []string{"global.", "install."} {
			for _, file := range all {
				for k, v := range file {
					if name, ok := strings.CutPrefix(k, section); ok {
						o[name] = v
					}
				}
			}
		}
	}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		if name, ok := strings.CutPrefix(k, "PIP_"); ok && v != "" {
			o[strings.ReplaceAll(strings.ToLower(name), "_", "-")] = v
		}
	}
	return o
}

// parsePipConf reads the ini dialect of pip: keys "section.name", values
// continued on indented lines.
func parsePipConf(text string) options {
	o := options{}
	section, last := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		bare := strings.TrimSpace(line)
		switch {
		case bare == "" || bare[0] == '#' || bare[0] == ';':
		case bare[0] == '[' && bare[len(bare)-1] == ']':
			section, last = strings.TrimSpace(bare[1:len(bare)-1]), ""
		case (line[0] == ' ' || line[0] == '\t') && last != "":
			o[last] = strings.TrimSpace(o[last] + "\n" + bare)
		default:
			at := strings.IndexAny(bare, "=:")
			if at < 0 {
				last = ""
				continue
			}
			name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(bare[:at])), "_", "-")
			last = section + "." + name
			o[last] = strings.TrimSpace(bare[at+1:])
		}
	}
	return o
}

func truth(s string) bool {
	return slices.Contains([]string{"1", "true", "yes", "on", "t", "y"}, strings.ToLower(s))
}
