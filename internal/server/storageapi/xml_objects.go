package storageapi

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// described is what the headers of a request say of the object that it makes.
func (c *call) described() (put bucket.PutOptions, err error) {
	h := c.Header
	put.Bucket, put.Name, put.Size = c.bucket, c.name, -1
	put.ContentType, put.ContentDisposition, put.ContentLanguage = h.Get("Content-Type"), h.Get("Content-Disposition"), h.Get("Content-Language")
	put.ContentEncoding, put.CacheControl = contentEncoding(h), h.Get("Cache-Control")
	put.StorageClass = strings.ToUpper(h.Get("X-Goog-Storage-Class"))
	if err := checkClass(put.StorageClass); err != nil {
		return put, err
	}
	if h.Get("X-Goog-Object-Lock-Mode") != "" || h.Get("X-Goog-Custom-Time") != "" {
		return put, fault.Errorf(fault.Invalid, "objects have no custom time and no locks on this server")
	}
	for k, v := range h {
		if name, ok := strings.CutPrefix(strings.ToLower(k), "x-goog-meta-"); ok && name != "" {
			if put.Metadata == nil {
				put.Metadata = map[string]string{}
			}
			put.Metadata[name] = strings.Join(v, ",")
		}
	}
	if put.Conditions, err = c.conditions(); err != nil {
		return put, err
	}
	switch match := h.Get("If-None-Match"); {
	case match == "*":
		none := int64(0)
		put.Conditions.GenerationMatch = &none
	case match != "" || h.Get("If-Match") != "":
		return put, fault.Errorf(fault.Invalid, "a write takes of HTTP's conditions only If-None-Match: *; use x-goog-if-generation-match")
	}
	return put, headers(&put, h)
}

// contentEncoding is the stored one: aws-chunked and the like are of the
// transfer.
func contentEncoding(h http.Header) string {
	if v := h.Get("Content-Encoding"); !strings.EqualFold(v, "identity") {
		return v
	}
	return ""
}

func (a *api) room(need int64) error {
	if a.Room == nil || need <= 0 {
		return nil
	}
	return a.Room(need)
}

func (a *api) xmlPut(w http.ResponseWriter, c *call) error {
	put, err := c.described()
	if err != nil {
		return err
	}
	put.Size = c.ContentLength
	if err := a.room(c.ContentLength); err != nil {
		return err
	}
	o, err := a.Store.Put(c.Context(), put, c.Body)
	if err != nil {
		return err
	}
	tell(w.Header(), o)
	return nil
}

// xmlResumable begins a session as the JSON API does; what follows is the same.
func (a *api) xmlResumable(w http.ResponseWriter, c *call) error {
	put, err := c.described()
	if err != nil {
		return err
	}
	id, err := a.Store.StartUpload(c.Context(), put)
	if err != nil {
		return err
	}
	w.Header().Set("Location", base(c.Request)+c.URL.EscapedPath()+"?"+url.Values{"upload_id": {id}}.Encode())
	w.Header().Set("X-GUploader-UploadID", id)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// xmlCopy copies from /BUCKET/OBJECT, named by a header and escaped.
func (a *api) xmlCopy(w http.ResponseWriter, c *call) error {
	put, err := c.described()
	if err != nil {
		return err
	}
	from, err := url.PathUnescape(strings.TrimPrefix(c.Header.Get("X-Goog-Copy-Source"), "/"))
	src := bucket.Source{}
	src.Bucket, src.Name, _ = strings.Cut(from, "/")
	if err != nil || src.Bucket == "" || src.Name == "" {
		return fault.Errorf(fault.Invalid, "x-goog-copy-source is %q, not /BUCKET/OBJECT, escaped", c.Header.Get("X-Goog-Copy-Source"))
	}
	q := url.Values{}
	for header, name := range map[string]string{
		"X-Goog-Copy-Source-Generation": "generation", "X-Goog-Copy-Source-If-Generation-Match": "ifGenerationMatch", "X-Goog-Copy-Source-If-Metageneration-Match": "ifMetagenerationMatch",
	} {
		if v := c.Header.Get(header); v != "" {
			q.Set(name, v)
		}
	}
	if src.Generation, err = generation(q, "generation"); err != nil {
		return err
	}
	if src.Conditions, err = conditions(q, ""); err != nil {
		return err
	}
	override := false
	switch directive := c.Header.Get("X-Goog-Metadata-Directive"); strings.ToUpper(directive) {
	case "", "COPY":
	case "REPLACE":
		override = true
	default:
		return fault.Errorf(fault.Invalid, "x-goog-metadata-directive is %q; COPY and REPLACE are known", directive)
	}
	o, err := a.copy(c, src, put, override)
	if err != nil {
		return err
	}
	tell(w.Header(), o)
	return writeXML(w, http.StatusOK, struct {
		XMLName            xml.Name `xml:"CopyObjectResult"`
		ETag, LastModified string
	}{ETag: entityTag(o), LastModified: stamp(o.Updated)})
}

func (a *api) xmlCompose(w http.ResponseWriter, c *call) error {
	var body struct {
		XMLName   xml.Name `xml:"ComposeRequest"`
		Component []struct {
			Name              string
			Generation        int64
			IfGenerationMatch *int64
		}
	}
	if err := readXML(c.Body, &body); err != nil {
		return err
	}
	put, err := c.described()
	if err != nil {
		return err
	}
	var sources []bucket.Source
	for _, p := range body.Component {
		sources = append(sources, bucket.Source{Bucket: c.bucket, Name: p.Name, Generation: p.Generation, Conditions: bucket.Conditions{GenerationMatch: p.IfGenerationMatch}})
	}
	o, err := a.Store.Compose(c.Context(), put, sources, false)
	if err != nil {
		return err
	}
	tell(w.Header(), o)
	return nil
}

// xmlDeleteMany deletes up to 1,000 objects, and says of each how it went.
func (a *api) xmlDeleteMany(w http.ResponseWriter, c *call) error {
	type named struct {
		Key       string
		VersionId string `xml:",omitempty"`
	}
	var body struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Object  []named
	}
	if err := readXML(c.Body, &body); err != nil {
		return err
	}
	if len(body.Object) == 0 || len(body.Object) > 1000 {
		return &responded{kind{http.StatusBadRequest, "MalformedXMLPayload"}, "a deletion names 1 to 1,000 objects"}
	}
	if _, err := a.Store.Bucket(c.Context(), c.bucket); err != nil {
		return err
	}
	type failed struct {
		named
		Code, Message string
	}
	answer := struct {
		XMLName xml.Name `xml:"DeleteResult"`
		Deleted []named
		Error   []failed
	}{}
	for _, o := range body.Object {
		gen, err := generation(url.Values{"VersionId": {o.VersionId}}, "VersionId")
		if err == nil {
			err = a.Store.Delete(c.Context(), c.bucket, o.Key, gen, bucket.Conditions{})
		}
		switch {
		case err == nil, fault.Is(err, fault.NotFound): // gone is what was asked for
			if !body.Quiet {
				answer.Deleted = append(answer.Deleted, o)
			}
		default:
			k := kinds[fault.KindOf(err)]
			code, msg := xmlCodes[k.reason], err.Error()
			if k.code == http.StatusInternalServerError {
				a.Log.Error("storage request failed", "method", "DELETE", "bucket", c.bucket, "object", o.Key, "err", err)
				code, msg = "InternalError", xmlMessages["InternalError"]
			}
			answer.Error = append(answer.Error, failed{o, code, msg})
		}
	}
	return writeXML(w, http.StatusOK, answer)
}
