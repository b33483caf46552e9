package storageapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// maxBatch is how many calls one batch may hold, as in the original.
const maxBatch = 100

// batch serves several calls in one request, one after the other.
func (a *api) batch(w http.ResponseWriter, c *call) error {
	if c.Method != http.MethodPost {
		return method(c, nil)
	}
	b, err := boundary(c.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := multipart.NewReader(io.LimitReader(c.Body, 10<<20), b)
	var out bytes.Buffer
	answer := multipart.NewWriter(&out)
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fault.Errorf(fault.Invalid, "the batch broke off: %w", err)
		}
		if n == maxBatch {
			return fault.Errorf(fault.Invalid, "a batch holds at most %d calls", maxBatch)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return fault.Errorf(fault.Invalid, "the batch broke off: %w", err)
		}
		// The request line of a part often has no version, and no length of the body.
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		fields := strings.Fields(string(line))
		if len(fields) == 2 {
			fields = append(fields, "HTTP/1.1")
		}
		head := strings.Join(fields, " ") + "\r\n"
		inner, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(rest))))
		if err != nil {
			return fault.Errorf(fault.Invalid, "call %d of the batch is not an HTTP request: %w", n+1, err)
		}
		if strings.HasPrefix(inner.URL.Path, "/batch") {
			return fault.Errorf(fault.Invalid, "call %d of the batch is a batch", n+1)
		}
		if inner.Host == "" || inner.URL.Host == "" {
			inner.Host = c.Host
		}
		inner = inner.WithContext(c.Context())
		if inner.ContentLength <= 0 {
			if i := bytes.Index(rest, []byte("\r\n\r\n")); i >= 0 {
				inner.Body = io.NopCloser(bytes.NewReader(bytes.TrimRight(rest[i+4:], "\r\n")))
			}
		}
		rec := httptest.NewRecorder()
		if !strings.HasPrefix(inner.URL.Path, "/storage/v1/") || inner.URL.Query().Get("alt") == "media" {
			err = fault.Errorf(fault.Invalid, "%s %s cannot be in a batch, which is for calls of the JSON API without content", inner.Method, inner.URL.Path)
		} else {
			err = a.route(rec, inner)
		}
		if err != nil {
			a.refuse(rec, inner, err)
		}
		h := textproto.MIMEHeader{"Content-Type": {"application/http"}}
		if id := part.Header.Get("Content-ID"); id != "" {
			h.Set("Content-ID", "<response-"+strings.TrimPrefix(id, "<"))
			if !strings.HasSuffix(h.Get("Content-ID"), ">") {
				h.Set("Content-ID", h.Get("Content-ID")+">")
			}
		}
		pw, err := answer.CreatePart(h)
		if err != nil {
			return err
		}
		fmt.Fprintf(pw, "HTTP/1.1 %d %s\r\n", rec.Code, http.StatusText(rec.Code))
		rec.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
		_ = rec.Header().Write(pw)
		_, _ = io.WriteString(pw, "\r\n")
		_, _ = pw.Write(rec.Body.Bytes())
	}
	if err := answer.Close(); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+answer.Boundary())
	_, _ = w.Write(out.Bytes())
	return nil
}
