package pack

import (
	"path"

	"github.com/trainyard/trainyard/internal/pattern"
)

// large is from where on a file in an archive is worth a word.
const large = 50 << 20

// secrets are files that ought not to be in an archive, by their names.
var secrets = pattern.New(`(?i)^(\.env(\..+)?|\.netrc|_netrc|\.pypirc|\.boto|\.pgpass|\.htpasswd|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12|pfx|keystore|jks|ppk)|.*(service[-_]?account|credentials?)[^/]*\.json|application_default_credentials\.json|kubeconfig|\.dockercfg|secrets?\.(ya?ml|json|toml|ini))$`)

// public are files whose names only look like it: examples, certificates.
var public = pattern.New(`(?i)(^\.env\.(example|sample|template)|\.pub|(^|[-_.])(ca|cacert|certs?|chain|fullchain|bundle|roots?)\.pem)$`)

// look warns of what people do not mean to ship.
func (r *Result) look() {
	for _, a := range r.Archives {
		for _, f := range a.Files {
			base := path.Base(f.Path)
			switch {
			case secrets.MatchString(base) && !public.MatchString(base):
				r.warn("%s in %s looks like a secret; leave it out with a .trainyardignore", a.inside(f.Path), a.Name)
			case f.Size > large:
				r.warn("%s in %s has %d MiB; data of that size is better copied to gs:// once, and its address given as an argument", a.inside(f.Path), a.Name, f.Size>>20)
			}
		}
	}
	var asked []string
	for _, s := range r.Skipped {
		if s.Asked {
			asked = append(asked, s.Path+" ("+s.Why+")")
		}
	}
	switch n := len(asked); {
	case n == 1:
		r.warn("left out: %s; a line with ! in a .trainyardignore takes it back", asked[0])
	case n > 1:
		r.warn("%d files and folders are left out, such as %s; trainyard package --list shows them all, and lines with ! in a .trainyardignore take them back", n, asked[0])
	}
}
