package storageapi

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

func (a *api) objects(w http.ResponseWriter, c *call) error {
	return method(c, map[string]func() error{
		http.MethodGet: func() error { return a.list(w, c) },
	})
}

func (a *api) list(w http.ResponseWriter, c *call) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	q := bucket.Query{
		Prefix: c.q.Get("prefix"), Delimiter: c.q.Get("delimiter"), Token: c.q.Get("pageToken"), Max: limit,
		StartOffset: c.q.Get("startOffset"), EndOffset: c.q.Get("endOffset"), MatchGlob: c.q.Get("matchGlob"),
	}
	// There are no folders beside the prefixes, and nothing is deleted softly.
	var folders, softDeleted bool
	for name, to := range map[string]*bool{"includeTrailingDelimiter": &q.IncludeTrailingDelimiter, "versions": &q.Versions, "includeFoldersAsPrefixes": &folders, "softDeleted": &softDeleted} {
		if *to, err = c.flag(name); err != nil {
			return err
		}
	}
	switch {
	case softDeleted:
		return fault.Errorf(fault.Invalid, "parameter softDeleted: soft deletion is not available on this server; buckets can keep versions")
	case c.q.Get("filter") != "":
		return fault.Errorf(fault.Invalid, "parameter filter is not available on this server")
	case q.MatchGlob != "" && q.Delimiter != "" && q.Delimiter != "/":
		return fault.Errorf(fault.Invalid, "parameter matchGlob goes with the delimiter / only, not with %q", q.Delimiter)
	}
	page, err := a.Store.List(c.Context(), c.bucket, q)
	if err != nil {
		return err
	}
	answer := struct {
		Kind     string   `json:"kind"`
		Next     string   `json:"nextPageToken,omitempty"`
		Prefixes []string `json:"prefixes,omitempty"`
		Items    []object `json:"items,omitempty"`
	}{"storage#objects", page.Next, page.Prefixes, nil}
	for _, o := range page.Objects {
		answer.Items = append(answer.Items, renderObject(c.Request, o))
	}
	return a.write(w, c, answer)
}

func (a *api) object(w http.ResponseWriter, c *call) error {
	update := func(replace bool) func() error {
		return func() error { return a.update(w, c, replace) }
	}
	return method(c, map[string]func() error{
		http.MethodGet: func() error {
			if c.q.Get("alt") == "media" {
				return a.media(w, c)
			}
			gen, err := generation(c.q, "generation")
			if err != nil {
				return err
			}
			cond, err := conditions(c.q, "")
			if err != nil {
				return err
			}
			o, err := a.Store.Stat(c.Context(), c.bucket, c.name, gen, cond)
			if err != nil {
				return err
			}
			return a.write(w, c, renderObject(c.Request, o))
		},
		http.MethodHead:   func() error { return a.media(w, c) },
		http.MethodPatch:  update(false),
		http.MethodPut:    update(true),
		http.MethodDelete: func() error { return a.remove(w, c) },
	})
}

func (a *api) remove(w http.ResponseWriter, c *call) error {
	gen, err := generation(c.q, "generation")
	if err != nil {
		return err
	}
	cond, err := conditions(c.q, "")
	if err != nil {
		return err
	}
	if err := a.Store.Delete(c.Context(), c.bucket, c.name, gen, cond); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) update(w http.ResponseWriter, c *call, replace bool) error {
	var m metadata
	if err := decode(c.Body, &m); err != nil {
		return err
	}
	cond, err := conditions(c.q, "")
	if err != nil {
		return err
	}
	gen, err := generation(c.q, "generation")
	if err != nil {
		return err
	}
	o, err := a.Store.Update(c.Context(), c.bucket, c.name, gen, bucket.Attrs{
		ContentType: m.ContentType, ContentEncoding: m.ContentEncoding, ContentDisposition: m.ContentDisposition,
		ContentLanguage: m.ContentLanguage, CacheControl: m.CacheControl, Metadata: m.Metadata, Replace: replace,
	}, cond)
	if err != nil {
		return err
	}
	return a.write(w, c, renderObject(c.Request, o))
}

// media sends content, whole or a range, over the JSON and the XML API.
func (a *api) media(w http.ResponseWriter, c *call) error {
	gen, err := generation(c.q, "generation")
	if err != nil {
		return err
	}
	cond, err := conditions(c.q, "")
	if err != nil {
		return err
	}
	o, err := a.Store.Stat(c.Context(), c.bucket, c.name, gen, cond)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("X-Goog-Generation", strconv.FormatInt(o.Generation, 10))
	h.Set("X-Goog-Metageneration", strconv.FormatInt(o.Metageneration, 10))
	h.Set("X-Goog-Storage-Class", o.StorageClass)
	h.Set("X-Goog-Stored-Content-Length", strconv.FormatInt(o.Size, 10))
	encoding := o.ContentEncoding
	if encoding == "" {
		encoding = "identity"
	}
	h.Set("X-Goog-Stored-Content-Encoding", encoding)
	var sums []string
	if !o.Unsummed {
		sums = append(sums, "crc32c="+crcText(o.CRC32C))
	}
	if o.MD5 != nil {
		sums = append(sums, "md5="+base64.StdEncoding.EncodeToString(o.MD5))
		h.Set("ETag", fmt.Sprintf(`"%x"`, o.MD5))
	} else {
		h.Set("ETag", `"`+etag(o)+`"`)
	}
	if len(sums) > 0 {
		h.Set("X-Goog-Hash", strings.Join(sums, ","))
	}
	h.Set("Last-Modified", o.Updated.UTC().Format(http.TimeFormat))
	for k, v := range o.Metadata {
		h.Set("X-Goog-Meta-"+k, v)
	}
	for name, v := range map[string]string{"Content-Disposition": o.ContentDisposition, "Content-Language": o.ContentLanguage, "Cache-Control": o.CacheControl} {
		if v != "" {
			h.Set(name, v)
		}
	}
	contentType := o.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	h.Set("Content-Type", contentType)
	if match := c.Header.Get("If-None-Match"); match != "" && match == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}

	offset, length, partial, err := byteRange(c.Header.Get("Range"), o.Size)
	if err != nil {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", o.Size))
		return err
	}
	_, body, err := a.Store.Open(c.Context(), c.bucket, c.name, o.Generation, offset, length, bucket.Conditions{})
	if err != nil {
		return err
	}
	defer body.Close()
	if o.ContentEncoding == "gzip" && !strings.Contains(c.Header.Get("Accept-Encoding"), "gzip") && c.Method != http.MethodHead {
		return gunzip(w, body)
	}
	if o.ContentEncoding != "" {
		h.Set("Content-Encoding", o.ContentEncoding)
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	code := http.StatusOK
	if partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+length-1, o.Size))
		code = http.StatusPartialContent
	}
	w.WriteHeader(code)
	if c.Method == http.MethodHead {
		return nil
	}
	if n, err := io.Copy(w, body); err != nil || n != length {
		// The header is out: cutting the connection is the only way to say that
		// this is not all.
		if c.Context().Err() == nil {
			a.Log.Error("sending an object ended early", "bucket", c.bucket, "object", c.name, "sent", n, "of", length, "err", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// byteRange reads a Range header with one range. What is not understood is as
// good as absent, as HTTP wants it.
func byteRange(header string, size int64) (offset, length int64, partial bool, err error) {
	spec, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, size, false, nil
	}
	unsatisfiable := &responded{kind{416, "requestedRangeNotSatisfiable"}, fmt.Sprintf("Request range not satisfiable: %s of %d bytes", header, size)}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			return 0, size, false, nil
		}
		if n <= 0 || size == 0 {
			return 0, 0, false, unsatisfiable
		}
		n = min(n, size)
		return size - n, n, true, nil
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 {
		return 0, size, false, nil
	}
	to := size - 1
	if last != "" {
		if to, err = strconv.ParseInt(last, 10, 64); err != nil || to < from {
			return 0, size, false, nil
		}
		to = min(to, size-1)
	}
	if from >= size {
		return 0, 0, false, unsatisfiable
	}
	return from, to - from + 1, true, nil
}

// objectVerb serves copyTo, rewriteTo, moveTo and compose.
func (a *api) objectVerb(w http.ResponseWriter, c *call) error {
	if c.rest[0] == "iam" || c.rest[0] == "acl" {
		return fault.Errorf(fault.Invalid, "access policies of objects are not available on this server")
	}
	if c.Method != http.MethodPost {
		return method(c, nil)
	}
	cond, err := conditions(c.q, "")
	if err != nil {
		return err
	}
	srcCond, err := conditions(c.q, "ifSource")
	if err != nil {
		return err
	}
	gen, err := generation(c.q, "sourceGeneration")
	if err != nil {
		return err
	}
	if c.rest[0] == "compose" {
		return a.compose(w, c, cond)
	}
	src := bucket.Source{Bucket: c.bucket, Name: c.name, Generation: gen, Conditions: srcCond}
	if c.rest[0] == "moveTo" {
		o, err := a.Store.Move(c.Context(), src, strings.Join(c.rest[2:], "/"), cond)
		if err != nil {
			return err
		}
		return a.write(w, c, renderObject(c.Request, o))
	}
	var m metadata
	if err := decode(c.Body, &m); err != nil {
		return err
	}
	put := bucket.PutOptions{Conditions: cond}
	if err := m.put(&put); err != nil {
		return err
	}
	put.Bucket, put.Name = c.rest[2], strings.Join(c.rest[4:], "/")
	// An empty body, or one that only repeats names, keeps the source's facts.
	override := m.ContentType != nil || m.Metadata != nil || m.ContentEncoding != nil || m.CacheControl != nil || m.ContentDisposition != nil || m.ContentLanguage != nil
	o, err := a.Store.Copy(c.Context(), src, put, override)
	if err != nil {
		return err
	}
	if c.rest[0] == "copyTo" {
		return a.write(w, c, renderObject(c.Request, o))
	}
	size := strconv.FormatInt(o.Size, 10)
	return a.write(w, c, map[string]any{"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size, "done": true, "resource": renderObject(c.Request, o)})
}

func (a *api) compose(w http.ResponseWriter, c *call, cond bucket.Conditions) error {
	var body struct {
		Destination   metadata `json:"destination"`
		SourceObjects []struct {
			Name                string     `json:"name"`
			Generation          jsonNumber `json:"generation"`
			ObjectPreconditions *struct {
				IfGenerationMatch *jsonNumber `json:"ifGenerationMatch"`
			} `json:"objectPreconditions"`
		} `json:"sourceObjects"`
		DeleteSourceObjects bool `json:"deleteSourceObjects"`
	}
	if err := decode(c.Body, &body); err != nil {
		return err
	}
	put := bucket.PutOptions{Conditions: cond}
	if err := body.Destination.put(&put); err != nil {
		return err
	}
	// gcloud repeats the facts of the first source, with its checksums, which are
	// not those of the whole.
	put.WantMD5, put.WantCRC32C = nil, nil
	put.Bucket, put.Name = c.bucket, c.name
	var sources []bucket.Source
	for _, s := range body.SourceObjects {
		src := bucket.Source{Bucket: c.bucket, Name: s.Name, Generation: int64(s.Generation)}
		if p := s.ObjectPreconditions; p != nil && p.IfGenerationMatch != nil {
			n := int64(*p.IfGenerationMatch)
			src.Conditions.GenerationMatch = &n
		}
		sources = append(sources, src)
	}
	o, err := a.Store.Compose(c.Context(), put, sources, body.DeleteSourceObjects)
	if err != nil {
		return err
	}
	return a.write(w, c, renderObject(c.Request, o))
}

// jsonNumber is an int64 that JSON carries as a string or a number.
type jsonNumber int64

func (n *jsonNumber) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*n = jsonNumber(v)
	return err
}
