package storageapi

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// entityTag is an object's tag in the XML API: the MD5 in hexadecimal, as
// readers of that API expect; a composite has none and shows its etag.
func entityTag(o bucket.Object) string {
	if o.MD5 != nil {
		return fmt.Sprintf(`"%x"`, o.MD5)
	}
	return `"` + etag(o) + `"`
}

// hashes is the x-goog-hash of an object.
func hashes(o bucket.Object) string {
	var sums []string
	if !o.Unsummed {
		sums = append(sums, "crc32c="+crcText(o.CRC32C))
	}
	if o.MD5 != nil {
		sums = append(sums, "md5="+base64.StdEncoding.EncodeToString(o.MD5))
	}
	return strings.Join(sums, ",")
}

// tell puts what is known of a stored object in the headers of an answer.
func tell(h http.Header, o bucket.Object) {
	h.Set("X-Goog-Generation", strconv.FormatInt(o.Generation, 10))
	h.Set("X-Goog-Metageneration", strconv.FormatInt(o.Metageneration, 10))
	h.Set("X-Goog-Storage-Class", o.StorageClass)
	h.Set("X-Goog-Stored-Content-Length", strconv.FormatInt(o.Size, 10))
	encoding := o.ContentEncoding
	if encoding == "" {
		encoding = "identity"
	}
	h.Set("X-Goog-Stored-Content-Encoding", encoding)
	if sums := hashes(o); sums != "" {
		h.Set("X-Goog-Hash", sums)
	}
	h.Set("ETag", entityTag(o))
}

// media sends content, whole or a range, over the JSON and the XML API.
func (a *api) media(w http.ResponseWriter, c *call) error {
	gen, err := generation(c.q, "generation")
	if err != nil {
		return err
	}
	cond, err := c.conditions()
	if err != nil {
		return err
	}
	o, err := a.Store.Stat(c.Context(), c.bucket, c.name, gen, cond)
	if err != nil {
		return err
	}
	h := w.Header()
	tell(h, o)
	if !isXML(c.Request) {
		h.Set("ETag", etag(o))
	}
	h.Set("Last-Modified", o.Updated.UTC().Format(http.TimeFormat))
	for k, v := range o.Metadata {
		h.Set("X-Goog-Meta-"+k, v)
	}
	if o.Components > 0 {
		h.Set("X-Goog-Component-Count", strconv.Itoa(o.Components))
	}
	contentType := o.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	for name, v := range map[string]string{
		"Content-Type": contentType, "Content-Disposition": o.ContentDisposition, "Content-Language": o.ContentLanguage, "Cache-Control": o.CacheControl,
	} {
		if v != "" {
			h.Set(name, v)
		}
	}
	c.dressed(h)
	if err := c.freshObject(o); err != nil {
		return err
	}

	unpack := o.ContentEncoding == "gzip" && !accepts(c.Header, "gzip") && !strings.Contains(o.CacheControl, "no-transform")
	offset, length, partial := int64(0), o.Size, false
	if unpack {
		// Nobody knows the length of what comes out, and a range would be one of
		// something else.
		h.Set("Vary", "Accept-Encoding")
	} else {
		h.Set("Accept-Ranges", "bytes")
		asked := c.Header.Get("Range")
		if c.Method == http.MethodHead {
			asked = "" // ranges are of GET
		}
		if offset, length, partial, err = byteRange(asked, o.Size); err != nil {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", o.Size))
			return err
		}
	}
	if c.Method == http.MethodHead {
		if !unpack {
			sizes(h, o, offset, length, partial)
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}
	_, body, err := a.Store.Open(c.Context(), c.bucket, c.name, o.Generation, offset, length, bucket.Conditions{})
	if err != nil {
		return err
	}
	defer body.Close()
	if unpack {
		return gunzip(w, body)
	}
	sizes(h, o, offset, length, partial)
	if partial {
		w.WriteHeader(http.StatusPartialContent)
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

func sizes(h http.Header, o bucket.Object, offset, length int64, partial bool) {
	if o.ContentEncoding != "" {
		h.Set("Content-Encoding", o.ContentEncoding)
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	if partial {
		h.Del("X-Goog-Hash") // of the whole; old clients take it for the part's
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+length-1, o.Size))
	}
}

// dressed lets a URL say how a browser is to take the content.
func (c *call) dressed(h http.Header) {
	for _, name := range []string{"Content-Disposition", "Content-Type"} {
		if v := c.q.Get("response-" + strings.ToLower(name)); v != "" {
			h.Set(name, v)
		}
	}
}

var (
	notModified = &responded{kind{http.StatusNotModified, "notModified"}, "not modified"}
	unmet       = &responded{kind{http.StatusPreconditionFailed, "conditionNotMet"}, "At least one of the pre-conditions you specified did not hold."}
)

// freshObject is fresh for an object; both forms of its tag are known.
func (c *call) freshObject(o bucket.Object) error {
	return c.fresh(o.Updated, strings.Trim(entityTag(o), `"`), etag(o))
}

// fresh checks HTTP's own conditions on a read, in the order that HTTP gives
// them.
func (c *call) fresh(updated time.Time, tags ...string) error {
	tagged := func(header string) bool {
		for _, tag := range strings.Split(header, ",") {
			tag = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
			if tag == "*" || slices.Contains(tags, tag) {
				return true
			}
		}
		return false
	}
	// Seconds are all that the header has.
	updated = updated.UTC().Truncate(time.Second)
	since := func(header string) (time.Time, bool) {
		t, err := http.ParseTime(c.Header.Get(header))
		return t, err == nil
	}
	if match := c.Header.Get("If-Match"); match != "" {
		if !tagged(match) {
			return unmet
		}
	} else if t, ok := since("If-Unmodified-Since"); ok && updated.After(t) {
		return unmet
	}
	if match := c.Header.Get("If-None-Match"); match != "" {
		if tagged(match) {
			return notModified
		}
	} else if t, ok := since("If-Modified-Since"); ok && !updated.After(t) {
		return notModified
	}
	return nil
}

// accepts tells whether a client takes a content coding.
func accepts(h http.Header, coding string) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.TrimSpace(name)
		if name != "*" && !strings.EqualFold(name, coding) {
			continue
		}
		q := strings.TrimPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if strings.Trim(q, "0.") == "" && q != "" {
			return false
		}
		return true
	}
	return false
}

// gunzip sends stored gzip content unpacked, to a client that does not take it
// packed.
func gunzip(w http.ResponseWriter, body io.Reader) error {
	z, err := gzip.NewReader(body)
	if err != nil {
		return fault.Errorf(fault.Invalid, "the object says it is gzip, but is not: %w", err)
	}
	w.Header().Set("Warning", `214 UploadServer gunzipped`)
	w.Header().Del("X-Goog-Hash") // of the packed content
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, z); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// byteRange reads a Range header with one range. What is not understood is as
// good as absent, as HTTP wants it.
func byteRange(header string, size int64) (offset, length int64, partial bool, err error) {
	whole := func() (int64, int64, bool, error) { return 0, size, false, nil }
	spec, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return whole()
	}
	number := func(s string) (int64, bool) {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && !slices.Contains([]byte("+-"), s[0])
	}
	unsatisfiable := &responded{kind{416, "requestedRangeNotSatisfiable"}, fmt.Sprintf("Request range not satisfiable: %s of %d bytes", header, size)}
	if first == "" {
		n, ok := number(last)
		switch {
		case !ok:
			return whole()
		case n == 0 || size == 0:
			return 0, 0, false, unsatisfiable
		}
		n = min(n, size)
		return size - n, n, true, nil
	}
	from, ok := number(first)
	if !ok {
		return whole()
	}
	to := size - 1
	if last != "" {
		if to, ok = number(last); !ok || to < from {
			return whole()
		}
		to = min(to, size-1)
	}
	if from >= size {
		return 0, 0, false, unsatisfiable
	}
	return from, to - from + 1, true, nil
}
