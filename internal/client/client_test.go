package client

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestAnswersBecomeFaults(t *testing.T) {
	for _, tt := range []struct {
		code       int
		body       string
		kind       fault.Kind
		msg, hint  string
		violations int
	}{
		{400, `{"error":{"code":400,"message":"Field: region Error: x","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"region","description":"x"}]}]}}`, fault.Invalid, "Field: region Error: x", "", 1},
		{400, `{"error":{"code":400,"message":"no","status":"FAILED_PRECONDITION"}}`, fault.Precondition, "no", "", 0},
		{401, `{"error":{"code":401,"message":"who?","status":"UNAUTHENTICATED"}}`, fault.Denied, "who?", "TRAINYARD_TOKEN_FILE", 0},
		{403, `{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}`, fault.Denied, "no", "", 0},
		{404, `{"error":{"code":404,"message":"gone","status":"NOT_FOUND"}}`, fault.NotFound, "gone", "", 0},
		{404, `<html>nginx</html>`, fault.NotFound, "answered 404: Not Found", "is it a Trainyard server", 0},
		{409, `{"error":{"code":409,"message":"twice","status":"ALREADY_EXISTS"}}`, fault.Conflict, "twice", "", 0},
		{412, `{"error":{"code":412,"message":"changed"}}`, fault.Precondition, "changed", "", 0},
		{429, `{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}`, fault.Exhausted, "quota", "", 0},
		{500, `{"error":{"code":500,"message":"internal error","status":"INTERNAL"}}`, fault.Internal, "internal error", "", 0},
		{507, `{"error":{"code":507,"message":"the disk is full"}}`, fault.Full, "the disk is full", "", 0},
	} {
		calls := 0
		c := dial(t, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.WriteHeader(tt.code)
			_, _ = io.WriteString(w, tt.body)
		})
		_, err := c.Get(t.Context(), "p", "j")
		if !fault.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.msg) || !strings.Contains(fault.HintOf(err), tt.hint) {
			t.Errorf("%d: %v (%v, hint %q), want %v %q, hint %q", tt.code, err, fault.KindOf(err), fault.HintOf(err), tt.kind, tt.msg, tt.hint)
		}
		if calls != 1 {
			t.Errorf("%d was asked %d times", tt.code, calls)
		}
	}
}

func TestOnlyWhatIsUnavailableIsAskedAgainAndWithTheSameRequestID(t *testing.T) {
	var ids []string
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		ids = append(ids, r.Header.Get("X-Trainyard-Request-Id"))
		if got := r.Header.Get("Authorization") + " " + r.Header.Get("User-Agent"); got != "Bearer sesame test/1" {
			t.Errorf("the request came with %q", got)
		}
		switch len(ids) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler)
		default:
			w.Header().Add("X-Trainyard-Warning", "one")
			w.Header().Add("X-Trainyard-Warning", "two")
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(body)
		}
	})
	j, warnings, err := c.Create(t.Context(), "p", json.RawMessage(`{"jobId":"j","unknown":1}`), "r1")
	if err != nil || j.JobId != "j" || string(j.Raw) != `{"jobId":"j","unknown":1}` || !cmp.Equal(warnings, []string{"one", "two"}) {
		t.Errorf("Create = %+v, %q, %v", j, warnings, err)
	}
	if !cmp.Equal(ids, []string{"r1", "r1", "r1"}) {
		t.Errorf("request ids were %q", ids)
	}
}

// TestASilentServerIsWaitedForOnce, and what the caller says of it is said.
func TestASilentServerIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1); <-end }))
	defer s.Close()
	defer close(end)
	c, err := New(Options{Endpoint: s.URL, HTTP: &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 50 * time.Millisecond}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Server(t.Context()); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("Server = %v", err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, fault.Errorf(fault.Unavailable, "too late"))
	defer cancel()
	if _, err := c.Server(ctx); err == nil || err.Error() != "too late" {
		t.Errorf("Server = %v", err)
	}
}

func TestNoServerIsSaidAtOnceAndWithWhatToDo(t *testing.T) {
	c, err := New(Options{Endpoint: "http://127.0.0.1:1/"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), "p", "j")
	if !fault.Is(err, fault.Unavailable) || err.Error() != "no server answers at http://127.0.0.1:1" || fault.HintOf(err) != "start one with: trainyard server start" {
		t.Errorf("Get = %v (hint %q)", err, fault.HintOf(err))
	}
	if _, err := New(Options{Endpoint: "127.0.0.1:1"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("New without a scheme = %v", err)
	}
}

// drive takes uploads apart as the storage API does: multipart in one request,
// resumable in several.
func drive(t *testing.T, stored *bytes.Buffer, requests *int, spoil func(n int) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*requests++
		if spoil(*requests) {
			// Google's library uses its buffer again while the transport of a
			// request that was answered early may still read from it.
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		switch q := r.URL.Query(); {
		case q.Get("uploadType") == "multipart":
			_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
			parts := multipart.NewReader(r.Body, params["boundary"])
			var meta struct{ Crc32c string }
			p, err := parts.NextPart()
			if err != nil {
				t.Error(err)
				return
			}
			_ = json.NewDecoder(p).Decode(&meta)
			p, err = parts.NextPart()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(stored, p)
			sums := NewSums(true)
			_, _ = sums.Write(stored.Bytes())
			if meta.Crc32c != sums.CRC32C() {
				t.Errorf("the digest sent is %q", meta.Crc32c)
			}
		case q.Get("uploadType") == "resumable":
			w.Header().Set("Location", "http://"+r.Host+"/session")
			return
		default:
			var from, to int64
			body, _ := io.ReadAll(r.Body)
			if n, _ := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/", &from, &to); n == 2 {
				stored.Truncate(int(from))
			}
			stored.Write(body)
			if strings.HasSuffix(r.Header.Get("Content-Range"), "/*") {
				w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", to))
				w.Header().Set("X-Http-Status-Code-Override", "308")
				return
			}
		}
		sum := md5.Sum(stored.Bytes())
		fmt.Fprintf(w, `{"name":"o","bucket":"b","size":"%d","md5Hash":%q}`, stored.Len(), base64.StdEncoding.EncodeToString(sum[:]))
	}
}

func TestUploadsArriveWhole(t *testing.T) {
	for _, size := range []int{0, 1, chunk, chunk + 1, 3*chunk + 7} {
		for _, spoil := range []bool{false, true} {
			var stored bytes.Buffer
			requests := 0
			c := dial(t, drive(t, &stored, &requests, func(n int) bool { return spoil && n == min(2, size/chunk+1) }))
			want := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
			var last int64
			o, err := c.Upload(t.Context(), "b", "o", bytes.NewReader(want), UploadOptions{Progress: func(n int64) { last = n }})
			if err != nil || !bytes.Equal(stored.Bytes(), want) || int(o.Size) != size || last != int64(size) {
				t.Errorf("size %d, spoiled %t: %v, stored %d bytes, progress %d", size, spoil, err, stored.Len(), last)
			}
			if size <= chunk && !spoil && requests != 1 {
				t.Errorf("size %d took %d requests", size, requests)
			}
		}
	}
}

func TestAnUploadThatIsStoredOtherwiseIsAnError(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, `{"name":"o","bucket":"b","size":"2","md5Hash":"AAAA"}`)
	})
	if _, err := c.Upload(t.Context(), "b", "o", strings.NewReader("xyz"), UploadOptions{}); !fault.Is(err, fault.Internal) {
		t.Errorf("Upload = %v", err)
	}
}

func TestAFullDiskIsNotAskedAgain(t *testing.T) {
	requests := 0
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.WriteHeader(http.StatusInsufficientStorage)
		fmt.Fprint(w, `{"error":{"code":507,"message":"the disk is full"}}`)
	})
	if _, err := c.Upload(t.Context(), "b", "o", strings.NewReader("xyz"), UploadOptions{}); !fault.Is(err, fault.Full) || requests != 1 {
		t.Errorf("Upload = %v after %d requests", err, requests)
	}
}
