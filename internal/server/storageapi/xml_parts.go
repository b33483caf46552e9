package storageapi

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// xmlInitiate begins an upload in parts. The checksums of the whole are not
// known yet.
func (a *api) xmlInitiate(w http.ResponseWriter, c *call) error {
	put, err := c.described()
	if err != nil {
		return err
	}
	put.WantMD5, put.WantCRC32C = nil, nil
	id, err := a.Store.StartParts(c.Context(), put)
	if err != nil {
		return err
	}
	return writeXML(w, http.StatusOK, struct {
		XMLName               xml.Name
		Bucket, Key, UploadId string
	}{xml.Name{Space: uploadSpace, Local: "InitiateMultipartUploadResult"}, c.bucket, c.name, id})
}

func noUpload(id string) error {
	return fault.Errorf(fault.NotFound, "no upload in parts %s of this object", id)
}

// parts are those of an upload, which must be of the object that the URL names.
func (a *api) parts(c *call, id string) (bucket.PartUpload, []bucket.Part, error) {
	u, parts, err := a.Store.Parts(c.Context(), id)
	if err == nil && (u.Options.Bucket != c.bucket || u.Options.Name != c.name) {
		err = noUpload(id)
	}
	return u, parts, err
}

func partTag(p bucket.Part) string { return `"` + hex.EncodeToString(p.MD5) + `"` }

// xmlPart stores one part.
func (a *api) xmlPart(w http.ResponseWriter, c *call, id string) error {
	if c.Header.Get("X-Goog-Copy-Source") != "" {
		return &responded{kind{http.StatusNotImplemented, "NotImplemented"}, "a part that is copied from an object is not available on this server; send its bytes, or compose objects"}
	}
	n, err := number(c.q, "partNumber")
	if err != nil {
		return err
	}
	if n == nil || *n < 1 || *n > bucket.MaxParts {
		return fault.Errorf(fault.Invalid, "partNumber is %q, not a number from 1 to %d", c.q.Get("partNumber"), bucket.MaxParts)
	}
	if _, _, err := a.parts(c, id); err != nil {
		return err
	}
	var put bucket.PutOptions
	put.Size = c.ContentLength
	if err := headers(&put, c.Header); err != nil {
		return err
	}
	if err := a.room(c.ContentLength); err != nil {
		return err
	}
	p, err := a.Store.PutPart(c.Context(), id, int(*n), put, c.Body)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", partTag(p))
	w.Header().Set("X-Goog-Hash", "crc32c="+crcText(p.CRC32C)+",md5="+base64.StdEncoding.EncodeToString(p.MD5))
	return nil
}

// parsePartRefs reads the list of parts that completes an upload.
func parsePartRefs(c *call) ([]bucket.PartRef, error) {
	var body struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Part    []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := readXML(c.Body, &body); err != nil {
		return nil, err
	}
	refs := make([]bucket.PartRef, 0, len(body.Part))
	for _, p := range body.Part {
		sum, err := hex.DecodeString(strings.Trim(strings.TrimSpace(p.ETag), `"`))
		if err != nil || len(sum) != 16 {
			return nil, &fault.Error{Kind: fault.Invalid, Msg: "part " + p.ETag + " is not one that was stored: an ETag is 32 hexadecimal digits", Err: bucket.ErrPart}
		}
		refs = append(refs, bucket.PartRef{Number: p.PartNumber, MD5: sum})
	}
	return refs, nil
}

func (a *api) xmlComplete(w http.ResponseWriter, c *call, id string) error {
	refs, err := parsePartRefs(c)
	if err != nil {
		return err
	}
	// An upload that is complete is known to FinishParts only.
	switch u, _, err := a.Store.Parts(c.Context(), id); {
	case err != nil && !fault.Is(err, fault.NotFound):
		return err
	case err == nil && (u.Options.Bucket != c.bucket || u.Options.Name != c.name):
		return noUpload(id)
	case err == nil && len(refs) == 0:
		return &responded{kind{http.StatusBadRequest, "MalformedXMLPayload"}, "the list names no part"}
	}
	o, err := a.Store.FinishParts(c.Context(), id, refs)
	if err == nil && (o.Bucket != c.bucket || o.Name != c.name) {
		err = noUpload(id)
	}
	if err != nil {
		return err
	}
	tell(w.Header(), o)
	return writeXML(w, http.StatusOK, struct {
		XMLName                     xml.Name
		Location, Bucket, Key, ETag string
	}{xml.Name{Space: uploadSpace, Local: "CompleteMultipartUploadResult"}, base(c.Request) + c.URL.EscapedPath(), c.bucket, c.name, entityTag(o)})
}

func (a *api) xmlAbort(w http.ResponseWriter, c *call, id string) error {
	if _, _, err := a.parts(c, id); err != nil {
		return err
	}
	if err := a.Store.AbortParts(c.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// most reads a parameter that bounds how much an answer lists.
func most(c *call, name string) (int, error) {
	n, err := number(c.q, name)
	switch {
	case err != nil:
		return 0, err
	case n == nil:
		return 1000, nil
	case *n < 1:
		return 0, fault.Errorf(fault.Invalid, "parameter %s is %d; 1 to 1000 are allowed", name, *n)
	}
	return int(min(*n, 1000)), nil
}

// xmlParts lists the parts that are stored.
func (a *api) xmlParts(w http.ResponseWriter, c *call, id string) error {
	limit, err := most(c, "max-parts")
	if err != nil {
		return err
	}
	from, err := generation(c.q, "part-number-marker")
	if err != nil {
		return err
	}
	u, parts, err := a.parts(c, id)
	if err != nil {
		return err
	}
	type part struct {
		PartNumber         int
		LastModified, ETag string
		Size               int64
	}
	v := struct {
		XMLName               xml.Name
		Bucket, Key, UploadId string
		StorageClass          string
		PartNumberMarker      int64
		NextPartNumberMarker  int `xml:",omitempty"`
		MaxParts              int
		IsTruncated           bool
		Part                  []part
	}{XMLName: xml.Name{Space: uploadSpace, Local: "ListPartsResult"}, Bucket: c.bucket, Key: c.name, UploadId: id, StorageClass: u.Options.StorageClass, PartNumberMarker: from, MaxParts: limit}
	if v.StorageClass == "" {
		v.StorageClass = "STANDARD"
	}
	for _, p := range parts {
		if int64(p.Number) <= from {
			continue
		}
		if len(v.Part) == limit {
			v.IsTruncated = true
			break
		}
		v.Part = append(v.Part, part{p.Number, stamp(p.Updated), partTag(p), p.Size})
		v.NextPartNumberMarker = p.Number
	}
	return writeXML(w, http.StatusOK, v)
}

// xmlUploads lists the uploads in parts that are under way in a bucket.
func (a *api) xmlUploads(w http.ResponseWriter, c *call) error {
	limit, err := most(c, "max-uploads")
	if err != nil {
		return err
	}
	uploads, err := a.Store.PartUploads(c.Context(), c.bucket)
	if err != nil {
		return err
	}
	type upload struct{ Key, UploadId, StorageClass, Initiated string }
	prefix, delimiter, marker, idMarker := c.q.Get("prefix"), c.q.Get("delimiter"), c.q.Get("key-marker"), c.q.Get("upload-id-marker")
	v := struct {
		XMLName                           xml.Name
		Bucket, KeyMarker, UploadIdMarker string
		NextKeyMarker, NextUploadIdMarker string `xml:",omitempty"`
		Prefix, Delimiter                 string `xml:",omitempty"`
		MaxUploads                        int
		IsTruncated                       bool
		Upload                            []upload
		CommonPrefixes                    []xmlPrefix
	}{XMLName: xml.Name{Space: uploadSpace, Local: "ListMultipartUploadsResult"}, Bucket: c.bucket, KeyMarker: marker, UploadIdMarker: idMarker, Prefix: prefix, Delimiter: delimiter, MaxUploads: limit}
	for _, u := range uploads {
		name := u.Options.Name
		switch {
		case !strings.HasPrefix(name, prefix), name < marker, name == marker && (idMarker == "" || u.ID <= idMarker):
			continue
		}
		common := ""
		if i := strings.Index(name[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			common = name[:len(prefix)+i+len(delimiter)]
			if n := len(v.CommonPrefixes); common <= marker || n > 0 && v.CommonPrefixes[n-1].Prefix == common {
				continue
			}
		}
		if len(v.Upload)+len(v.CommonPrefixes) == limit {
			v.IsTruncated = true
			break
		}
		if common != "" {
			v.CommonPrefixes = append(v.CommonPrefixes, xmlPrefix{common})
			v.NextKeyMarker, v.NextUploadIdMarker = common, ""
			continue
		}
		class := u.Options.StorageClass
		if class == "" {
			class = "STANDARD"
		}
		v.Upload = append(v.Upload, upload{name, u.ID, class, stamp(u.Started)})
		v.NextKeyMarker, v.NextUploadIdMarker = name, u.ID
	}
	if !v.IsTruncated {
		v.NextKeyMarker, v.NextUploadIdMarker = "", ""
	}
	return writeXML(w, http.StatusOK, v)
}
