package storageapi

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

type xmlContents struct {
	Key            string
	Generation     int64
	MetaGeneration int64
	LastModified   string
	ETag           string
	Size           int64
	StorageClass   string
}

type xmlPrefix struct{ Prefix string }

// xmlQuery reads what both forms of a listing take. Keys are escaped in the
// answer where the client asks for it: XML cannot carry every name.
func xmlQuery(c *call) (q bucket.Query, limit int, encode func(string) string, err error) {
	limit, encode = 1000, func(s string) string { return s }
	n, err := number(c.q, "max-keys")
	switch {
	case err != nil:
		return q, 0, nil, err
	case n != nil && *n < 0:
		return q, 0, nil, fault.Errorf(fault.Invalid, "parameter max-keys is %d", *n)
	case n != nil:
		limit = int(min(*n, 1000))
	}
	switch e := c.q.Get("encoding-type"); e {
	case "":
	case "url":
		plain := strings.NewReplacer("+", "%20", "%2F", "/")
		encode = func(s string) string { return plain.Replace(url.QueryEscape(s)) }
	default:
		return q, 0, nil, fault.Errorf(fault.Invalid, "encoding-type is %q; url is known", e)
	}
	return bucket.Query{Prefix: c.q.Get("prefix"), Delimiter: c.q.Get("delimiter"), Max: limit}, limit, encode, nil
}

// after is where a listing goes on after a marker: behind all that is under it
// when it is a prefix that was given out.
func after(marker string, q bucket.Query) string {
	if q.Delimiter != "" && strings.HasSuffix(marker, q.Delimiter) && strings.HasPrefix(marker, q.Prefix) && len(marker) > len(q.Prefix) {
		b := []byte(marker)
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] < 0xff {
				b[i]++
				return string(b[:i+1])
			}
		}
	}
	return marker + "\x00"
}

// xmlList lists in one of two forms: with markers, which are names, or with
// list-type=2, whose tokens are ours.
func (a *api) xmlList(w http.ResponseWriter, c *call) error {
	q, limit, encode, err := xmlQuery(c)
	if err != nil {
		return err
	}
	second := c.q.Get("list-type") == "2"
	if t := c.q.Get("list-type"); t != "" && !second {
		return fault.Errorf(fault.Invalid, "list-type is %q; 2 is known", t)
	}
	if second {
		q.Token = c.q.Get("continuation-token")
		if s := c.q.Get("start-after"); s != "" {
			q.StartOffset = after(s, q)
		}
	} else if m := c.q.Get("marker"); m != "" {
		q.StartOffset = after(m, q)
	}
	page, err := a.page(c, q, limit)
	if err != nil {
		return err
	}
	v := struct {
		XMLName               xml.Name
		Name, Prefix          string
		Marker                *string
		NextMarker            string `xml:",omitempty"`
		ContinuationToken     string `xml:",omitempty"`
		StartAfter            string `xml:",omitempty"`
		Delimiter             string `xml:",omitempty"`
		EncodingType          string `xml:",omitempty"`
		MaxKeys               int    `xml:",omitempty"`
		KeyCount              *int   `xml:",omitempty"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []xmlContents
		CommonPrefixes        []xmlPrefix
	}{
		XMLName: xml.Name{Space: listSpace, Local: "ListBucketResult"},
		Name:    c.bucket, Prefix: encode(q.Prefix), Delimiter: encode(q.Delimiter), EncodingType: c.q.Get("encoding-type"), MaxKeys: limit, IsTruncated: page.Next != "",
	}
	last := ""
	for _, o := range page.Objects {
		v.Contents = append(v.Contents, xmlContents{encode(o.Name), o.Generation, o.Metageneration, stamp(o.Updated), entityTag(o), o.Size, o.StorageClass})
		last = max(last, o.Name)
	}
	for _, p := range page.Prefixes {
		v.CommonPrefixes = append(v.CommonPrefixes, xmlPrefix{encode(p)})
		last = max(last, p)
	}
	if second {
		count := len(page.Objects) + len(page.Prefixes)
		v.KeyCount, v.ContinuationToken, v.StartAfter, v.NextContinuationToken = &count, q.Token, encode(c.q.Get("start-after")), page.Next
	} else {
		marker := encode(c.q.Get("marker"))
		v.Marker = &marker
		if v.IsTruncated {
			v.NextMarker = encode(last)
		}
	}
	return writeXML(w, http.StatusOK, v)
}

// page is a listing's page; one of no keys is empty and complete.
func (a *api) page(c *call, q bucket.Query, limit int) (bucket.Page, error) {
	if limit == 0 {
		_, err := a.Store.Bucket(c.Context(), c.bucket)
		return bucket.Page{}, err
	}
	return a.Store.List(c.Context(), c.bucket, q)
}

// xmlVersions lists noncurrent objects too. It goes on from a name and a
// generation.
func (a *api) xmlVersions(w http.ResponseWriter, c *call) error {
	q, limit, encode, err := xmlQuery(c)
	if err != nil {
		return err
	}
	from, err := generation(c.q, "generation-marker")
	if err != nil {
		return err
	}
	marker := c.q.Get("marker")
	if marker == "" {
		marker = c.q.Get("key-marker")
	}
	q.Versions = true
	switch {
	case marker != "" && from != 0:
		q.StartOffset = marker // those of the name that were given are left out below
	case marker != "":
		q.StartOffset = after(marker, q)
	}
	type version struct {
		xmlContents
		IsLatest    bool
		DeletedTime string `xml:",omitempty"`
	}
	v := struct {
		XMLName              xml.Name
		Name, Prefix         string
		NextMarker           string `xml:",omitempty"`
		NextGenerationMarker string `xml:",omitempty"`
		IsTruncated          bool
		Version              []version
		CommonPrefixes       []xmlPrefix
	}{XMLName: xml.Name{Space: listSpace, Local: "ListVersionsResult"}, Name: c.bucket, Prefix: encode(q.Prefix)}
	last, lastGeneration := "", int64(0)
	for limit > 0 {
		page, err := a.page(c, q, limit)
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if o.Name == marker && o.Generation <= from {
				continue
			}
			e := version{xmlContents: xmlContents{encode(o.Name), o.Generation, o.Metageneration, stamp(o.Updated), entityTag(o), o.Size, o.StorageClass}, IsLatest: o.Deleted.IsZero()}
			if !o.Deleted.IsZero() {
				e.DeletedTime = stamp(o.Deleted)
			}
			v.Version = append(v.Version, e)
			if o.Name >= last {
				last, lastGeneration = o.Name, o.Generation
			}
		}
		for _, p := range page.Prefixes {
			v.CommonPrefixes = append(v.CommonPrefixes, xmlPrefix{encode(p)})
			if p >= last {
				last, lastGeneration = p, 0
			}
		}
		if page.Next == "" || len(v.Version)+len(v.CommonPrefixes) > 0 {
			if v.IsTruncated = page.Next != ""; v.IsTruncated {
				v.NextMarker = encode(last)
				if lastGeneration != 0 {
					v.NextGenerationMarker = strconv.FormatInt(lastGeneration, 10)
				}
			}
			break
		}
		q.Token = page.Next // all of the page was given before
	}
	return writeXML(w, http.StatusOK, v)
}

// xmlFact tells one fact of a bucket.
func (a *api) xmlFact(w http.ResponseWriter, c *call) error {
	b, err := a.Store.Bucket(c.Context(), c.bucket)
	if err != nil {
		return err
	}
	if c.q.Has("location") {
		return writeXML(w, http.StatusOK, struct {
			XMLName xml.Name `xml:"LocationConstraint"`
			Value   string   `xml:",chardata"`
		}{Value: strings.ToUpper(b.Location)})
	}
	v := struct {
		XMLName xml.Name `xml:"VersioningConfiguration"`
		Status  string   `xml:",omitempty"`
	}{}
	if b.Versioning {
		v.Status = "Enabled"
	}
	return writeXML(w, http.StatusOK, v)
}

// xmlCreate makes a bucket.
func (a *api) xmlCreate(w http.ResponseWriter, c *call) error {
	var body struct {
		XMLName            xml.Name `xml:"CreateBucketConfiguration"`
		LocationConstraint string
		StorageClass       string
	}
	if c.ContentLength != 0 {
		if err := readXML(c.Body, &body); err != nil {
			return err
		}
	}
	b := bucket.Bucket{Name: c.bucket, Project: a.Project, Location: body.LocationConstraint, StorageClass: strings.ToUpper(body.StorageClass)}
	if p := c.Header.Get("X-Goog-Project-Id"); p != "" {
		b.Project = p
	}
	if err := checkClass(b.StorageClass); err != nil {
		return err
	}
	_, err := a.Store.CreateBucket(c.Context(), b)
	return err
}
