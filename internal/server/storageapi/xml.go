package storageapi

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// isXML tells the XML API's requests, which have a bucket's name where the JSON
// API has one of these words.
func isXML(r *http.Request) bool {
	segment, _, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	switch segment {
	case "storage", "upload", "resumable", "download":
		return false
	}
	return true
}

// xml serves /BUCKET and /BUCKET/OBJECT. The path is a name as it is, but for
// its escapes.
func (a *api) xml(w http.ResponseWriter, c *call, path string) error {
	first, rest, _ := strings.Cut(path, "/")
	var err error
	if c.bucket, err = url.PathUnescape(first); err == nil {
		c.name, err = url.PathUnescape(rest)
	}
	if err != nil {
		return fault.Errorf(fault.Invalid, "the path is not escaped rightly: %w", err)
	}
	verbs := a.xmlObject(w, c)
	known := objectParts
	if c.name == "" {
		verbs, known = a.xmlBucket(w, c), bucketParts
	}
	for _, part := range subresources {
		if c.q.Has(part) && !known[c.Method+" "+part] {
			return &responded{kind{http.StatusNotImplemented, "NotImplemented"}, c.Method + " with ?" + part + " is not available on this server"}
		}
	}
	return method(c, verbs)
}

// subresources are parameters that make a request one about something else than
// the object or the list: one that is not known must not be taken for that.
var subresources = []string{
	"acl", "billing", "compose", "cors", "customPlacementConfig", "defaultObjectAcl", "delete", "encryption", "encryptionConfig", "lifecycle", "location", "logging", "notification",
	"policy", "publicAccessBlock", "requestPayment", "restore", "retention", "legal-hold", "storageClass", "tagging", "uploads", "versioning", "website",
}

var (
	bucketParts = map[string]bool{"GET uploads": true, "GET location": true, "GET versioning": true, "POST delete": true}
	objectParts = map[string]bool{"POST uploads": true, "PUT compose": true}
)

func (a *api) xmlBucket(w http.ResponseWriter, c *call) map[string]func() error {
	return map[string]func() error{
		http.MethodGet: func() error {
			switch {
			case c.q.Has("uploads"):
				return a.xmlUploads(w, c)
			case c.q.Has("location") || c.q.Has("versioning"):
				return a.xmlFact(w, c)
			case c.q.Has("versions"):
				return a.xmlVersions(w, c)
			}
			return a.xmlList(w, c)
		},
		http.MethodHead: func() error {
			_, err := a.Store.Bucket(c.Context(), c.bucket)
			return err
		},
		http.MethodPut:    func() error { return a.xmlCreate(w, c) },
		http.MethodDelete: func() error { return a.removeBucket(w, c, bucket.Conditions{}) },
		http.MethodPost: func() error {
			if c.q.Has("delete") {
				return a.xmlDeleteMany(w, c)
			}
			return fault.Errorf(fault.Invalid, "uploads by HTML forms are not available on this server; PUT the object")
		},
	}
}

func (a *api) xmlObject(w http.ResponseWriter, c *call) map[string]func() error {
	id := c.q.Get("uploadId")
	session := c.q.Get("upload_id")
	return map[string]func() error{
		http.MethodGet: func() error {
			if id != "" {
				return a.xmlParts(w, c, id)
			}
			return a.media(w, c)
		},
		http.MethodHead: func() error { return a.media(w, c) },
		http.MethodDelete: func() error {
			switch {
			case id != "":
				return a.xmlAbort(w, c, id)
			case session != "":
				return a.session(w, c, session)
			}
			return a.remove(w, c)
		},
		http.MethodPost: func() error {
			switch {
			case c.q.Has("uploads"):
				return a.xmlInitiate(w, c)
			case id != "":
				return a.xmlComplete(w, c, id)
			case session != "":
				return a.session(w, c, session)
			case strings.EqualFold(c.Header.Get("X-Goog-Resumable"), "start"):
				return a.xmlResumable(w, c)
			}
			return fault.Errorf(fault.Invalid, "POST to an object begins an upload: send x-goog-resumable: start, or the parameter uploads")
		},
		http.MethodPut: func() error {
			switch {
			case id != "":
				return a.xmlPart(w, c, id)
			case session != "":
				return a.session(w, c, session)
			case c.q.Has("compose"):
				return a.xmlCompose(w, c)
			case c.Header.Get("X-Goog-Copy-Source") != "":
				return a.xmlCopy(w, c)
			}
			return a.xmlPut(w, c)
		},
	}
}

// Namespaces of answers: of the listings, and of uploads in parts.
const (
	listSpace   = "http://doc.s3.amazonaws.com/2006-03-01"
	uploadSpace = "http://s3.amazonaws.com/doc/2006-03-01/"
)

func writeXML(w http.ResponseWriter, code int, v any) error {
	b, err := xml.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	w.WriteHeader(code)
	_, _ = w.Write(append([]byte(xml.Header), b...))
	return nil
}

// maxXML bounds a body that is parsed: 10,000 parts with room to spare.
const maxXML = 4 << 20

// readXML parses the body of a request.
func readXML(r io.Reader, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, maxXML+1))
	switch {
	case err != nil:
		return fault.Errorf(fault.Invalid, "the body broke off: %w", err)
	case len(b) > maxXML:
		return &responded{kind{http.StatusBadRequest, "MaxMessageLengthExceeded"}, "Your request was too big."}
	}
	if err := xml.Unmarshal(b, v); err != nil {
		return &responded{kind{http.StatusBadRequest, "MalformedXMLPayload"}, "The XML you provided was not well-formed or did not validate: " + err.Error()}
	}
	return nil
}

// xmlCodes are the XML API's words for the JSON API's reasons. Reasons that
// begin with a capital are the XML API's own.
var xmlCodes = map[string]string{
	"invalid": "InvalidArgument", "required": "InvalidArgument", "forbidden": "AccessDenied", "methodNotAllowed": "MethodNotAllowed", "conflict": "Conflict",
	"conditionNotMet": "PreconditionFailed", "requestedRangeNotSatisfiable": "InvalidRange", "insufficientStorage": "InsufficientStorage",
	"rateLimitExceeded": "SlowDown", "backendError": "ServiceUnavailable",
}

// xmlMessages are what the original says; what exactly is wrong is then in the
// details.
var xmlMessages = map[string]string{
	"NoSuchKey":               "The specified key does not exist.",
	"NoSuchBucket":            "The specified bucket does not exist.",
	"NoSuchUpload":            "The requested upload was not found.",
	"PreconditionFailed":      "At least one of the pre-conditions you specified did not hold.",
	"InvalidArgument":         "Invalid argument.",
	"InvalidRange":            "The requested range cannot be satisfied.",
	"BadDigest":               "The Content-MD5 or x-goog-hash you specified did not match what was received.",
	"BucketNotEmpty":          "The bucket you tried to delete was not empty.",
	"AccessDenied":            "Access denied.",
	"ExpiredToken":            "Invalid argument.", // as the original has it
	"SignatureDoesNotMatch":   "Access denied.",
	"MalformedSecurityHeader": "Your request has a malformed header.",
	"InternalError":           "We encountered an internal error. Please try again.",
}

// xmlCode finds the code for an error.
func (a *api) xmlCode(r *http.Request, k kind, err error) string {
	bucketName, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case k.code == http.StatusInternalServerError:
		return "InternalError"
	case errors.Is(err, bucket.ErrPart):
		return "InvalidPart"
	case errors.Is(err, bucket.ErrPartOrder):
		return "InvalidPartOrder"
	case errors.Is(err, bucket.ErrChecksum):
		return "BadDigest"
	case k.code == http.StatusConflict && name == "" && r.Method == http.MethodDelete:
		return "BucketNotEmpty"
	case k.code == http.StatusConflict && name == "" && r.Method == http.MethodPut:
		return "BucketNameUnavailable"
	case k.reason != "notFound":
		if code, ok := xmlCodes[k.reason]; ok {
			return code
		}
		return k.reason
	}
	if _, err := a.Store.Bucket(r.Context(), bucketName); err != nil || name == "" {
		return "NoSuchBucket"
	}
	if q := r.URL.Query(); q.Has("uploadId") || q.Has("upload_id") {
		return "NoSuchUpload"
	}
	return "NoSuchKey"
}

func (a *api) writeXMLError(w http.ResponseWriter, r *http.Request, k kind, err error, msg string) {
	code := a.xmlCode(r, k, err)
	if r.Method == http.MethodHead {
		w.WriteHeader(k.code)
		return
	}
	v := struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
		Details string `xml:",omitempty"`
	}{Code: code, Message: msg}
	if m, ok := xmlMessages[code]; ok && m != msg {
		v.Message, v.Details = m, strings.TrimPrefix(msg, m+" ")
	}
	_ = writeXML(w, k.code, v)
}
