package storageapi

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

func isXML(r *http.Request) bool {
	segment, _, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	switch segment {
	case "storage", "upload", "resumable", "download", "batch":
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
	if c.name == "" {
		return method(c, map[string]func() error{
			http.MethodGet: func() error { return a.xmlList(w, c) },
			http.MethodHead: func() error {
				_, err := a.Store.Bucket(c.Context(), c.bucket)
				return err
			},
		})
	}
	return method(c, map[string]func() error{
		http.MethodGet:  func() error { return a.media(w, c) },
		http.MethodHead: func() error { return a.media(w, c) },
		http.MethodDelete: func() error {
			return a.remove(w, c)
		},
		http.MethodPut: func() error {
			put := bucket.PutOptions{}
			put.Bucket, put.Name, put.Size = c.bucket, c.name, c.ContentLength
			put.ContentType, put.ContentEncoding, put.CacheControl = c.Header.Get("Content-Type"), c.Header.Get("Content-Encoding"), c.Header.Get("Cache-Control")
			for k, v := range c.Header {
				if name, ok := strings.CutPrefix(strings.ToLower(k), "x-goog-meta-"); ok {
					if put.Metadata == nil {
						put.Metadata = map[string]string{}
					}
					put.Metadata[name] = strings.Join(v, ",")
				}
			}
			if err := headers(&put, c.Header); err != nil {
				return err
			}
			if a.Room != nil && c.ContentLength > 0 {
				if err := a.Room(c.ContentLength); err != nil {
					return err
				}
			}
			o, err := a.Store.Put(c.Context(), put, c.Body)
			if err != nil {
				return err
			}
			w.Header().Set("X-Goog-Hash", "crc32c="+crcText(o.CRC32C))
			w.Header().Set("ETag", `"`+etag(o)+`"`)
			return nil
		},
	})
}

func (a *api) xmlList(w http.ResponseWriter, c *call) error {
	limit, err := number(c.q, "max-keys")
	if err != nil {
		return err
	}
	q := bucket.Query{Prefix: c.q.Get("prefix"), Delimiter: c.q.Get("delimiter"), Token: c.q.Get("continuation-token"), StartOffset: c.q.Get("start-after")}
	if limit != nil {
		q.Max = int(min(max(*limit, 1), 1000))
	}
	if marker := c.q.Get("marker"); marker != "" {
		q.StartOffset = marker + "\x00"
	}
	page, err := a.Store.List(c.Context(), c.bucket, q)
	if err != nil {
		return err
	}
	type contents struct {
		Key            string
		Generation     int64
		MetaGeneration int64
		LastModified   string
		ETag           string
		Size           int64
	}
	type prefix struct{ Prefix string }
	v := struct {
		XMLName               xml.Name `xml:"http://doc.s3.amazonaws.com/2006-03-01 ListBucketResult"`
		Name, Prefix          string
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []contents
		CommonPrefixes        []prefix
	}{Name: c.bucket, Prefix: q.Prefix, IsTruncated: page.Next != "", NextContinuationToken: page.Next}
	for _, o := range page.Objects {
		v.Contents = append(v.Contents, contents{o.Name, o.Generation, o.Metageneration, stamp(o.Updated), `"` + etag(o) + `"`, o.Size})
	}
	for _, p := range page.Prefixes {
		v.CommonPrefixes = append(v.CommonPrefixes, prefix{p})
	}
	return writeXML(w, http.StatusOK, v)
}

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

var xmlCodes = map[int]string{400: "InvalidArgument", 403: "AccessDenied", 404: "NoSuchKey", 405: "MethodNotAllowed", 409: "Conflict", 412: "PreconditionFailed", 416: "InvalidRange", 507: "InsufficientStorage"}

func writeXMLError(w http.ResponseWriter, r *http.Request, k kind, msg string) {
	code := xmlCodes[k.code]
	switch {
	case k.code == 404 && strings.Contains(msg, "bucket"):
		code = "NoSuchBucket"
	case code == "":
		code = "InternalError"
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(k.code)
		return
	}
	_ = writeXML(w, k.code, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: msg})
}
