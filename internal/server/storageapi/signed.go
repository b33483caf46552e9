package storageapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/signurl"
)

// Proves tells a request that brings its own permission, which this API checks
// whoever sends it: a signed URL, or the address of an upload session that one
// may have begun, whose id nobody can guess. Such a request needs no token.
func Proves(r *http.Request) bool {
	if !isXML(r) {
		return false
	}
	return signurl.Claimed(r) || isSession(r)
}

// isSession tells requests that xml hands to session and to nothing else.
func isSession(r *http.Request) bool {
	if r.Method != http.MethodPut && r.Method != http.MethodPost && r.Method != http.MethodDelete {
		return false
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	q := r.URL.Query()
	return name != "" && len(q) == 1 && q.Get("upload_id") != ""
}

// verify checks the signature of a signed URL.
func (a *api) verify(r *http.Request) error {
	switch {
	case a.URLs == nil:
		return fault.Errorf(fault.Denied, "signed URLs are not available on this server")
	case !isXML(r):
		return fault.Errorf(fault.Invalid, "signed URLs are of the form /BUCKET/OBJECT; %s is of the JSON API, which takes no signature", r.URL.Path)
	}
	err := a.URLs.Verify(r)
	if e, ok := errors.AsType[*signurl.Refusal](err); ok {
		return &responded{kind{e.Status, e.Code}, e.Error()}
	}
	return err
}
