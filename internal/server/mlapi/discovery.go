package mlapi

import (
	_ "embed"
	"encoding/json"
	"maps"
	"net/http"

	"github.com/trainyard/trainyard/internal/fault"
)

// discoveryDocument is Google's, less the resources that are not served. A
// test holds it against the original and writes it anew with -update.
//
//go:embed discovery.json
var discoveryDocument []byte

func parseDiscovery() map[string]any {
	var d map[string]any
	if err := json.Unmarshal(discoveryDocument, &d); err != nil {
		panic("mlapi: the embedded discovery document: " + err.Error())
	}
	return d
}

// describe answers with the discovery document, whose addresses are this
// server's as the caller wrote them.
func (a *api) describe(r *http.Request) (any, error) {
	if v := r.URL.Query().Get("version"); v != "" && v != "v1" {
		return nil, fault.Errorf(fault.NotFound, "Version %s of the API is not served; v1 is.", v)
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	base := scheme + "://" + r.Host + "/"
	d := maps.Clone(a.discovery)
	d["rootUrl"], d["baseUrl"], d["mtlsRootUrl"] = base, base, base
	return d, nil
}
