package storageapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// upload serves POST b/B/o with a body in one of three ways, and the requests
// of a resumable session.
func (a *api) upload(w http.ResponseWriter, c *call, rest string) error {
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || parts[0] != "b" || parts[2] != "o" {
		return notServed(c.Request)
	}
	var err error
	if c.bucket, err = url.PathUnescape(parts[1]); err != nil {
		return fault.Errorf(fault.Invalid, "the path is not escaped rightly: %w", err)
	}
	if id := c.q.Get("upload_id"); id != "" {
		return a.session(w, c, id)
	}
	if c.Method != http.MethodPost && c.Method != http.MethodPut {
		return method(c, nil)
	}
	put := bucket.PutOptions{}
	put.Size = -1
	if put.Conditions, err = conditions(c.q, ""); err != nil {
		return err
	}
	if err := headers(&put, c.Header); err != nil {
		return err
	}
	switch kind := c.q.Get("uploadType"); kind {
	case "media", "":
		put.Bucket, put.Name, put.ContentType = c.bucket, c.q.Get("name"), c.Header.Get("Content-Type")
		put.ContentEncoding = c.q.Get("contentEncoding")
		put.Size = c.ContentLength
		return a.put(w, c, put, c.Body)
	case "multipart":
		return a.multipart(w, c, put)
	case "resumable":
		return a.start(w, c, put)
	default:
		return fault.Errorf(fault.Invalid, "uploadType %q is not known; media, multipart and resumable are", kind)
	}
}

// named fills in what an upload is of: the query's name wins over the
// metadata's.
func (c *call) named(put *bucket.PutOptions, m *metadata) error {
	if err := m.put(put); err != nil {
		return err
	}
	put.Bucket, put.Name = c.bucket, c.q.Get("name")
	if put.Name == "" {
		put.Name = text(m.Name)
	}
	if put.Name == "" {
		return &responded{kind{400, "required"}, "Required: an object name, as the parameter name or in the metadata"}
	}
	return nil
}

func (a *api) put(w http.ResponseWriter, c *call, put bucket.PutOptions, body io.Reader) error {
	if err := a.room(c.ContentLength); err != nil {
		return err
	}
	o, err := a.Store.Put(c.Context(), put, body)
	if err != nil {
		return err
	}
	return a.write(w, c, renderObject(c.Request, o))
}

// boundary finds the boundary of a multipart body. gcloud puts it in single
// quotes, which the RFC does not know.
func boundary(contentType string) (string, error) {
	_, params, err := mime.ParseMediaType(contentType)
	b := params["boundary"]
	if err != nil || b == "" {
		_, b, _ = strings.Cut(contentType, "boundary=")
		b, _, _ = strings.Cut(b, ";")
		b = strings.TrimSpace(b)
	}
	if len(b) > 2 && (b[0] == '\'' && b[len(b)-1] == '\'' || b[0] == '"' && b[len(b)-1] == '"') {
		b = b[1 : len(b)-1]
	}
	if b == "" || len(b) > 200 {
		return "", fault.Errorf(fault.Invalid, "Content-Type %q names no boundary", contentType)
	}
	return b, nil
}

func (a *api) multipart(w http.ResponseWriter, c *call, put bucket.PutOptions) error {
	b, err := boundary(c.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := multipart.NewReader(c.Body, b)
	first, err := parts.NextRawPart()
	if err != nil {
		return fault.Errorf(fault.Invalid, "the multipart body has no first part: %w", err)
	}
	var m metadata
	if err := decode(first, &m); err != nil {
		return err
	}
	second, err := parts.NextRawPart()
	if err != nil {
		return fault.Errorf(fault.Invalid, "the multipart body has no second part: %w", err)
	}
	if err := c.named(&put, &m); err != nil {
		return err
	}
	if put.ContentType == "" {
		put.ContentType = second.Header.Get("Content-Type")
	}
	// The end of the content is the closing boundary: a body that is cut before
	// it gives an error, and nothing is committed.
	return a.put(w, c, put, &closing{second, parts})
}

// closing reads a part and insists that it is the last.
type closing struct {
	part  *multipart.Part
	parts *multipart.Reader
}

func (r *closing) Read(p []byte) (int, error) {
	n, err := r.part.Read(p)
	if err == io.EOF {
		if _, next := r.parts.NextRawPart(); next == nil {
			return n, fault.Errorf(fault.Invalid, "the multipart body has more than two parts")
		} else if next != io.EOF {
			return n, fault.Errorf(fault.Invalid, "the multipart body broke off: %w", next)
		}
	}
	return n, err
}

// start begins a resumable session.
func (a *api) start(w http.ResponseWriter, c *call, put bucket.PutOptions) error {
	var m metadata
	if err := decode(c.Body, &m); err != nil {
		return err
	}
	if err := c.named(&put, &m); err != nil {
		return err
	}
	if put.ContentType == "" {
		put.ContentType = c.Header.Get("X-Upload-Content-Type")
	}
	if s := c.Header.Get("X-Upload-Content-Length"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return fault.Errorf(fault.Invalid, "X-Upload-Content-Length is %q, not a number", s)
		}
		put.Size = n
	}
	id, err := a.Store.StartUpload(c.Context(), put)
	if err != nil {
		return err
	}
	q := url.Values{"uploadType": {"resumable"}, "upload_id": {id}, "name": {put.Name}}
	w.Header()["Location"] = []string{base(c.Request) + c.URL.EscapedPath() + "?" + q.Encode()}
	w.Header().Set("X-GUploader-UploadID", id)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// session serves a request of a resumable session: a chunk, a question, a
// cancel.
func (a *api) session(w http.ResponseWriter, c *call, id string) error {
	if c.Method == http.MethodDelete {
		if err := a.Store.CancelUpload(c.Context(), id); err != nil {
			return err
		}
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(499)
		return nil
	}
	if c.Method != http.MethodPut && c.Method != http.MethodPost {
		return method(c, nil)
	}
	r, err := parseContentRange(c.Header.Get("Content-Range"), c.ContentLength)
	if err != nil {
		return err
	}
	if !r.query && r.length >= 0 && c.ContentLength >= 0 && r.length != c.ContentLength {
		return fault.Errorf(fault.Invalid, "Content-Range is %q, but the body has %d bytes", c.Header.Get("Content-Range"), c.ContentLength)
	}
	body := &bucket.Promise{Reader: http.NoBody}
	if body.WantMD5, body.WantCRC32C, err = googHash(c.Header); err != nil {
		return err
	}
	var st bucket.UploadState
	if r.query {
		st, err = a.Store.UploadStatus(c.Context(), id)
		if err == nil && st.Object == nil && r.total >= 0 && st.Received == r.total {
			st, err = a.Store.Upload(c.Context(), id, st.Received, r.total, body)
		}
	} else {
		if err := a.room(c.ContentLength); err != nil {
			return err
		}
		body.Reader = c.Body
		if r.length >= 0 {
			body.Reader = &exact{c.Body, r.length}
		}
		st, err = a.Store.Upload(c.Context(), id, r.first, r.total, body)
		if err == nil && r.last && st.Object == nil {
			body.Reader = http.NoBody
			st, err = a.Store.Upload(c.Context(), id, st.Received, st.Received, body)
		}
		if fault.Is(err, fault.Precondition) && !errors.Is(err, bucket.ErrNotModified) && r.first > st.Received {
			err = &responded{kind{503, "backendError"}, err.Error()} // the client asks for the status and goes on
		}
	}
	if err != nil {
		return err
	}
	if st.Object != nil {
		if isXML(c.Request) {
			tell(w.Header(), *st.Object)
			return nil
		}
		return a.write(w, c, renderObject(c.Request, *st.Object))
	}
	if st.Received > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", st.Received-1))
	}
	w.Header().Set("X-GUploader-UploadID", id)
	w.Header().Set("Content-Length", "0")
	if c.Header.Get("X-GUploader-No-308") == "yes" {
		// Clients whose HTTP library would follow a 308 ask for it in a header.
		w.Header().Set("X-HTTP-Status-Code-Override", "308")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	w.WriteHeader(http.StatusPermanentRedirect) // 308, as the API means it: resume incomplete
	return nil
}

// exact reads n bytes and calls fewer a broken body.
type exact struct {
	r io.Reader
	n int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > e.n {
		p = p[:e.n]
	}
	n, err := e.r.Read(p)
	e.n -= int64(n)
	if err == io.EOF && e.n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// contentRange is a parsed Content-Range header of a session's request.
type contentRange struct {
	query  bool  // bytes */…: how far is it?
	last   bool  // the object ends where the body does, whatever its length
	first  int64 // offset of the body
	length int64 // of the body; -1 when not known
	total  int64 // of the object; -1 when not known
}

// parseContentRange reads "bytes 0-99/200", "bytes 0-99/*", "bytes 0-*/*" (all
// that there is), "bytes */200" and "bytes */*". Without the header the body is
// the whole object.
func parseContentRange(header string, contentLength int64) (contentRange, error) {
	if header == "" {
		return contentRange{length: contentLength, total: contentLength, last: contentLength < 0}, nil
	}
	bad := func() (contentRange, error) {
		return contentRange{}, fault.Errorf(fault.Invalid, "Content-Range %q is not of the form bytes FIRST-LAST/TOTAL", header)
	}
	spec, ok := strings.CutPrefix(header, "bytes ")
	if !ok {
		return bad()
	}
	span, total, ok := strings.Cut(strings.TrimSpace(spec), "/")
	if !ok {
		return bad()
	}
	r := contentRange{length: -1, total: -1}
	if total != "*" {
		n, err := strconv.ParseInt(total, 10, 64)
		if err != nil || n < 0 {
			return bad()
		}
		r.total = n
	}
	if span == "*" {
		r.query = true
		// "bytes */0" is also how an empty object is put.
		return r, nil
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return bad()
	}
	var err error
	if r.first, err = strconv.ParseInt(first, 10, 64); err != nil || r.first < 0 {
		return bad()
	}
	if last == "*" {
		r.last = r.total < 0
	} else {
		to, err := strconv.ParseInt(last, 10, 64)
		if err != nil || to < r.first-1 || r.total >= 0 && to >= r.total && r.total > 0 {
			return bad()
		}
		r.length = to - r.first + 1
	}
	return r, nil
}
