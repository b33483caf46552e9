package server

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// maxQuery is the longest query that may come as a body.
const maxQuery = 1 << 20

// overriding are the methods that a POST may stand for.
var overriding = []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete}

// asMeant undoes what a client's library did to a request of a JSON API for the
// way only: Java's cannot send PATCH and packs every body, and Python's sends an
// address that is long as a body. It is not for the XML API, where a packed body
// is what is to be stored.
func asMeant(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
			unpacked, err := gzip.NewReader(r.Body)
			if err != nil {
				Refuse(w, fault.Invalid, "Content-Encoding is gzip, but the body is not: "+err.Error())
				return
			}
			r.Header.Del("Content-Encoding")
			r.Body, r.ContentLength = io.NopCloser(unpacked), -1
		}
		if method := r.Header.Get("X-HTTP-Method-Override"); method != "" && r.Method == http.MethodPost {
			if r = overridden(w, r, strings.ToUpper(method)); r == nil {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// overridden is the request that a POST stands for; nil when it was refused.
func overridden(w http.ResponseWriter, r *http.Request, method string) *http.Request {
	if method == http.MethodPost {
		return r
	}
	if !slices.Contains(overriding, method) {
		Refuse(w, fault.Invalid, "X-HTTP-Method-Override is "+method+"; it can be "+strings.Join(overriding, ", "))
		return nil
	}
	r = r.Clone(r.Context())
	r.Method = method
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return r
	}
	query, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil {
		Refuse(w, fault.Invalid, "the query that was sent as a body cannot be read: "+err.Error())
		return nil
	}
	if r.URL.RawQuery != "" && len(query) > 0 {
		r.URL.RawQuery += "&"
	}
	r.URL.RawQuery += string(query)
	r.Header.Del("Content-Type")
	r.Body, r.ContentLength = http.NoBody, 0
	return r
}
