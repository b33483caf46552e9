// Package signurl makes and checks signed URLs, version 4, of the XML API: a URL
// that says in its query who allows which request until when, and proves it with
// a signature over method, path, query and the headers it names. Whoever has the
// URL may make that request, and no other.
package signurl

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

const (
	algorithm = "GOOG4-RSA-SHA256"
	stampForm = "20060102T150405Z"
	unsigned  = "UNSIGNED-PAYLOAD"

	// MaxDuration is how long a signed URL may be good.
	MaxDuration = 7 * 24 * time.Hour
)

// Key is an account's key, as service-account files have it.
type Key struct {
	Email   string
	Private *rsa.PrivateKey
}

// ParseKey reads a service-account file.
func ParseKey(file []byte) (Key, error) {
	var v struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
	}
	if err := json.Unmarshal(file, &v); err != nil {
		return Key{}, fault.Errorf(fault.Invalid, "not the JSON of a service account: %w", err)
	}
	block, _ := pem.Decode([]byte(v.Key))
	if block == nil || v.Email == "" {
		return Key{}, fault.Errorf(fault.Invalid, "not the file of a service account: it needs client_email and private_key")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if private, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return Key{}, fault.Errorf(fault.Invalid, "the private_key of %s is not understood: %w", v.Email, err)
		}
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return Key{}, fault.Errorf(fault.Invalid, "the private_key of %s is not an RSA key", v.Email)
	}
	return Key{v.Email, key}, nil
}

// Request is what a signed URL allows.
type Request struct {
	Endpoint       string // http://host:port
	Method         string
	Bucket, Object string // Object empty for the bucket
	Header         map[string]string
	Query          map[string]string
	Region         string // auto when empty
	Duration       time.Duration
}

// Sign makes the URL.
func (k Key) Sign(r Request, now time.Time) (string, error) {
	end, err := url.Parse(r.Endpoint)
	switch {
	case err != nil || end.Host == "":
		return "", fault.Errorf(fault.Invalid, "endpoint %q is not an address such as http://127.0.0.1:8450", r.Endpoint)
	case r.Duration < time.Second || r.Duration > MaxDuration:
		return "", fault.Errorf(fault.Invalid, "a signed URL is good for 1 second to 7 days, not for %s", r.Duration)
	case r.Bucket == "":
		return "", fault.Errorf(fault.Invalid, "a signed URL needs a bucket")
	}
	path := "/" + escape(r.Bucket, "")
	if r.Object != "" {
		path += "/" + escape(r.Object, "/")
	}
	region := r.Region
	if region == "" {
		region = "auto"
	}
	headers := map[string]string{"host": end.Host}
	for name, value := range r.Header {
		headers[strings.ToLower(name)] = squeeze(value)
	}
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	now = now.UTC()
	scope := now.Format("20060102") + "/" + region + "/storage/goog4_request"
	query := map[string]string{}
	for name, value := range r.Query {
		query[name] = value
	}
	for name, value := range map[string]string{
		"X-Goog-Algorithm": algorithm, "X-Goog-Credential": k.Email + "/" + scope, "X-Goog-Date": now.Format(stampForm),
		"X-Goog-Expires": strconv.FormatInt(int64(r.Duration/time.Second), 10), "X-Goog-SignedHeaders": strings.Join(names, ";"),
	} {
		query[name] = value
	}
	var pairs []pair
	for name, value := range query {
		pairs = append(pairs, pair{escape(name, ""), escape(value, "")})
	}
	payload := unsigned
	if sum, ok := headers["x-goog-content-sha256"]; ok {
		payload = sum
	}
	c := canonical{method: r.Method, path: path, query: join(pairs), names: names, headers: headers, payload: payload}
	sum := sha256.Sum256([]byte(c.toSign(query["X-Goog-Date"], scope)))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.Private, crypto.SHA256, sum[:])
	if err != nil {
		return "", fault.Errorf(fault.Internal, "sign the URL: %w", err)
	}
	return end.Scheme + "://" + end.Host + path + "?" + c.query + "&X-Goog-Signature=" + hex.EncodeToString(signature), nil
}

// canonical is a request in the one form that is signed.
type canonical struct {
	method, path, query string
	names               []string
	headers             map[string]string
	payload             string
}

func (c canonical) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", c.method, c.path, c.query)
	for _, name := range c.names {
		fmt.Fprintf(&b, "%s:%s\n", strings.ToLower(name), c.headers[name])
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(c.names, ";"), c.payload)
	return b.String()
}

func (c canonical) toSign(stamp, scope string) string {
	sum := sha256.Sum256([]byte(c.String()))
	return algorithm + "\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
}

// pair is a parameter of a query, escaped.
type pair struct{ name, value string }

// join sorts by name; what has the same name keeps its order.
func join(pairs []pair) string {
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = p.name + "=" + p.value
	}
	return strings.Join(parts, "&")
}

// escape leaves only unreserved characters, and those of keep, as they are.
func escape(s, keep string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

// squeeze makes a header's value what is signed of it.
func squeeze(value string) string { return strings.Join(strings.Fields(value), " ") }

// Claimed tells a request that brings a signature in its query, of any kind and
// whether or not it is a good one.
func Claimed(r *http.Request) bool {
	for _, part := range strings.Split(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		switch name = strings.ToLower(name); name {
		case "x-goog-signature", "x-goog-algorithm", "x-goog-credential", "x-amz-signature", "x-amz-algorithm", "googleaccessid", "awsaccesskeyid":
			return true
		}
	}
	return false
}
