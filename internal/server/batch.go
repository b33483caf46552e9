package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// The most calls that one batch may hold, as in the original, and bytes.
const (
	maxBatch     = 100
	maxBatchBody = 10 << 20
)

// batches are where clients send them: to the whole API, or to one's own path.
var batches = []string{"/batch", "/batch/", "/batch/storage/v1", "/batch/ml/v1"}

// batch serves several calls in one request, one after the other.
func batch(o *Options) http.Handler {
	inner := logged(o.Log, asMeant(http.HandlerFunc(o.batched)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !slices.Contains(batches, r.URL.Path) {
			nothing(w, r)
			return
		}
		var out bytes.Buffer
		answer := multipart.NewWriter(&out)
		if err := answerAll(inner, r, answer); err != nil {
			Refuse(w, fault.KindOf(err), err.Error())
			return
		}
		w.Header().Set("Content-Type", "multipart/mixed; boundary="+answer.Boundary())
		_, _ = w.Write(out.Bytes())
	})
}

// batched is what a batch may call: what answers at once, and with JSON.
func (o *Options) batched(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	switch {
	case strings.HasPrefix(path, "/storage/v1/") && r.URL.Query().Get("alt") != "media":
		o.Storage.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/v1/projects/") && !own(r.Method, path):
		o.ML.ServeHTTP(w, r)
	default:
		Refuse(w, fault.Invalid, r.Method+" "+r.URL.Path+" cannot be in a batch, which is for calls of the storage and ml JSON APIs without content")
	}
}

func answerAll(inner http.Handler, r *http.Request, answer *multipart.Writer) error {
	// Some clients put the boundary in single quotes, which the RFC does not know.
	_, params, err := mime.ParseMediaType(strings.ReplaceAll(r.Header.Get("Content-Type"), "'", `"`))
	if err != nil || params["boundary"] == "" {
		return fault.Errorf(fault.Invalid, "Content-Type %q names no boundary", r.Header.Get("Content-Type"))
	}
	parts := multipart.NewReader(io.LimitReader(r.Body, maxBatchBody), params["boundary"])
	for n := 1; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return answer.Close()
		}
		var text []byte
		if err == nil {
			text, err = io.ReadAll(part)
		}
		if err != nil {
			return fault.Errorf(fault.Invalid, "the batch broke off: %w", err)
		}
		if n > maxBatch {
			return fault.Errorf(fault.Invalid, "a batch holds at most %d calls", maxBatch)
		}
		c, err := parseCall(text, r)
		if err != nil {
			return fault.Errorf(fault.Invalid, "call %d of the batch is not an HTTP request: %w", n, err)
		}
		rec := httptest.NewRecorder()
		inner.ServeHTTP(rec, c)
		if err := writeAnswer(answer, part.Header.Get("Content-ID"), rec); err != nil {
			return err
		}
	}
}

// parseCall reads a call, whose request line often has no version, whose headers
// no empty line behind them, and whose body no length.
func parseCall(text []byte, outer *http.Request) (*http.Request, error) {
	line, rest, _ := bytes.Cut(append(text, "\r\n\r\n"...), []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) == 2 {
		fields = append(fields, "HTTP/1.1")
	}
	head := strings.Join(fields, " ") + "\r\n"
	r := bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(rest)))
	c, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	if c.Host == "" || c.URL.Host == "" {
		c.Host = outer.Host
	}
	if c.ContentLength <= 0 {
		body, _ := io.ReadAll(r) // from memory
		c.Body = io.NopCloser(bytes.NewReader(bytes.TrimRight(body, "\r\n")))
	}
	return c.WithContext(outer.Context()), nil
}

func writeAnswer(answer *multipart.Writer, id string, rec *httptest.ResponseRecorder) error {
	h := textproto.MIMEHeader{"Content-Type": {"application/http"}}
	if id != "" {
		h.Set("Content-ID", "<response-"+strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")+">")
	}
	w, err := answer.CreatePart(h)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", rec.Code, http.StatusText(rec.Code))
	rec.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
	_ = rec.Header().Write(w)
	_, _ = io.WriteString(w, "\r\n")
	_, _ = w.Write(rec.Body.Bytes())
	return nil
}
