package signurl

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Refusal says why a signed URL is not good, in the words of the XML API.
type Refusal struct {
	Status        int
	Code, Message string
	Details       string
}

func (r *Refusal) Error() string {
	if r.Details == "" {
		return r.Message
	}
	return r.Message + " " + r.Details
}

func malformed(format string, args ...any) *Refusal {
	return &Refusal{http.StatusBadRequest, "InvalidArgument", "Invalid argument.", fmt.Sprintf(format, args...)}
}

// Verifier checks signed URLs.
type Verifier struct {
	Public *rsa.PublicKey
	// Known reports whether an account has that key.
	Known func(email string) bool
	Now   func() time.Time // nil for time.Now
}

// skew is how far a client's clock may be ahead.
const skew = 15 * time.Minute

// harmless are headers that may come without being signed, unlike all others
// that begin with x-goog: they ask for nothing.
var harmless = []string{"x-goog-hash", "x-goog-api-client", "x-goog-gcs-idempotency-token", "x-goog-user-project"}

// Verify checks the signature in a request's query. Where the signature is over
// the content too, the body is checked while it is read. The error is a
// *Refusal.
func (v *Verifier) Verify(r *http.Request) error {
	p, pairs, err := parse(r.URL.RawQuery)
	if err != nil {
		return err
	}
	email, scope, ok := strings.Cut(p["x-goog-credential"], "/")
	at, dateErr := time.Parse(stampForm, p["x-goog-date"])
	seconds, expiresErr := strconv.ParseInt(p["x-goog-expires"], 10, 32)
	parts := strings.Split(scope, "/")
	switch {
	case p["x-goog-algorithm"] != algorithm:
		return malformed("X-Goog-Algorithm is %q; %s is known", p["x-goog-algorithm"], algorithm)
	case !ok || len(parts) != 4 || parts[2] != "storage" || parts[3] != "goog4_request":
		return malformed("X-Goog-Credential is not of the form EMAIL/DATE/REGION/storage/goog4_request")
	case dateErr != nil || parts[0] != at.Format("20060102"):
		return malformed("X-Goog-Date is not of the form YYYYMMDDTHHMMSSZ, or not of the credential's day")
	case expiresErr != nil || seconds < 1 || seconds > int64(MaxDuration/time.Second):
		return malformed("X-Goog-Expires is %q, not 1 to %d seconds", p["x-goog-expires"], MaxDuration/time.Second)
	case !v.Known(email):
		return &Refusal{http.StatusForbidden, "AccessDenied", "Access denied.", email + " is not an account of this server"}
	}
	names := strings.Split(p["x-goog-signedheaders"], ";")
	headers, err := signedHeaders(r, names)
	if err != nil {
		return err
	}
	signature, err := hex.DecodeString(p["x-goog-signature"])
	if err != nil {
		return malformed("X-Goog-Signature is not hexadecimal")
	}
	payload := unsigned
	if slices.Contains(names, "x-goog-content-sha256") {
		payload = headers["x-goog-content-sha256"]
	}
	c := canonical{names: names, headers: headers, payload: payload}
	if !v.matches(r, c, pairs, p["x-goog-date"], scope, signature) {
		return &Refusal{http.StatusForbidden, "SignatureDoesNotMatch", "Access denied.", "The request signature we calculated does not match the signature you provided. Check the key, the method, the headers and that the URL was not changed."}
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	end := at.Add(time.Duration(seconds) * time.Second)
	switch {
	case now().After(end):
		return &Refusal{http.StatusBadRequest, "ExpiredToken", "Invalid argument.", "The provided token has expired. Request signature expired at: " + end.Format("2006-01-02T15:04:05+00:00")}
	case now().Add(skew).Before(at):
		return &Refusal{http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large.", "the URL is good from " + at.Format(time.RFC3339) + " on"}
	}
	if payload != unsigned {
		r.Body = &hashed{ReadCloser: r.Body, hash: sha256.New(), want: payload}
	}
	return nil
}

// parse reads what is about the signature, by its name in lower case, and all
// other parameters as they came.
func parse(raw string) (p map[string]string, others []pair, err error) {
	p = map[string]string{}
	for _, part := range strings.Split(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			return nil, nil, malformed("the query is not escaped rightly")
		}
		text, err := url.QueryUnescape(value)
		if err != nil {
			return nil, nil, malformed("the query is not escaped rightly")
		}
		switch lower := strings.ToLower(plain); lower {
		case "x-goog-algorithm", "x-goog-credential", "x-goog-date", "x-goog-expires", "x-goog-signedheaders", "x-goog-signature":
			if _, twice := p[lower]; twice {
				return nil, nil, malformed("%s is there twice", plain)
			}
			p[lower] = text
			if lower == "x-goog-signature" {
				continue
			}
		case "googleaccessid", "awsaccesskeyid", "x-amz-algorithm", "x-amz-signature":
			return nil, nil, malformed("signed URLs of this kind are not available on this server; sign with version 4 (%s)", algorithm)
		}
		others = append(others, pair{name, value})
	}
	for _, name := range []string{"x-goog-algorithm", "x-goog-credential", "x-goog-date", "x-goog-expires", "x-goog-signedheaders", "x-goog-signature"} {
		if p[name] == "" {
			return nil, nil, malformed("a signed URL needs %s", name)
		}
	}
	return p, others, nil
}

// signedHeaders are the values of the headers that are signed. The host must be
// among them, and every header that means something to storage.
func signedHeaders(r *http.Request, names []string) (map[string]string, error) {
	bad := func(name, details string) error {
		return &Refusal{http.StatusBadRequest, "MalformedSecurityHeader", "Your request has a malformed header.", name + ": " + details}
	}
	if !slices.Contains(names, "host") {
		return nil, bad("host", "Header must be among the signed headers.")
	}
	values := map[string]string{}
	for _, name := range names {
		switch lower := strings.ToLower(name); {
		case lower == "host":
		case lower == "content-length" && r.ContentLength >= 0:
			values[name] = strconv.FormatInt(r.ContentLength, 10)
		default:
			list, ok := r.Header[http.CanonicalHeaderKey(name)]
			if !ok {
				return nil, bad(name, "Header was included in signedheaders, but not in the request.")
			}
			values[name] = squeeze(strings.Join(list, ","))
		}
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-goog-") && !slices.Contains(harmless, lower) && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, lower) }) {
			return nil, bad(lower, "Header was included in the request, but not in signedheaders.")
		}
	}
	return values, nil
}

// matches tries the forms in which clients write the same request.
func (v *Verifier) matches(r *http.Request, c canonical, pairs []pair, stamp, scope string, signature []byte) bool {
	methods := []string{r.Method}
	if r.Method == http.MethodHead {
		methods = append(methods, http.MethodGet) // who may read may look
	}
	normal := make([]pair, len(pairs))
	for i, p := range pairs {
		name, _ := url.QueryUnescape(p.name) // parse has done it
		value, _ := url.QueryUnescape(p.value)
		normal[i] = pair{escape(name, ""), escape(value, "")}
	}
	queries := distinct(join(normal), join(slices.Clone(pairs)))
	for _, host := range hosts(r) {
		c.headers["host"] = host
		paths := []string{escape(r.URL.Path, "/"), r.URL.EscapedPath()}
		// BUCKET.HOST/OBJECT, which a proxy has put in the other form.
		bucket, object, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if ok && strings.HasPrefix(host, bucket+".") {
			paths = append(paths, "/"+escape(object, "/"))
		}
		for _, c.path = range distinct(paths...) {
			for _, c.query = range queries {
				for _, c.method = range methods {
					sum := sha256.Sum256([]byte(c.toSign(stamp, scope)))
					if rsa.VerifyPKCS1v15(v.Public, crypto.SHA256, sum[:], signature) == nil {
						return true
					}
				}
			}
		}
	}
	return false
}

// hosts are names that the request was sent to. Some clients sign the port, some
// do not.
func hosts(r *http.Request) []string {
	var all []string
	for _, h := range []string{r.Host, r.Header.Get("X-Forwarded-Host")} {
		if h == "" {
			continue
		}
		all = append(all, h)
		if name, _, err := net.SplitHostPort(h); err == nil {
			all = append(all, name)
		}
	}
	return distinct(all...)
}

func distinct(list ...string) []string {
	var all []string
	for _, s := range list {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// ErrContent is what a body gives that is not the one that was signed.
var ErrContent = errors.New("the content is not the one that was signed")

// hashed is a body whose checksum is signed.
type hashed struct {
	io.ReadCloser
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
	want string
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	_, _ = h.hash.Write(p[:n])
	if err == io.EOF && !strings.EqualFold(hex.EncodeToString(h.hash.Sum(nil)), h.want) {
		return n, ErrContent
	}
	return n, err
}
