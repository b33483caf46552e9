package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/buckettest"
)

// TestCrashedServersKeepObjects kills the server at random moments of
// overwrites, resumable uploads, composes, moves and deletes.
func TestCrashedServersKeepObjects(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.mustRun("storage", "buckets", "create", "gs://crash")
	var ledger buckettest.Ledger
	steps := 0
	for range max(1, kills(t)*4/5) {
		s := &remote{base: y.url()}
		acknowledged := make(chan struct{}, 100)
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				err := buckettest.Write(t.Context(), s, "crash", w, false, rand.New(rand.NewPCG(rand.Uint64(), uint64(w))), ledger.Begin,
					func(w int, step buckettest.Step) { ledger.Done(w, step); acknowledged <- struct{}{} })
				if refused, ok := errors.AsType[*refusal](err); ok {
					t.Errorf("writer %d: %v", w, refused)
				}
			})
		}
		go func() { writers.Wait(); close(acknowledged) }()
		left := 1 + rand.N(30)
		for range acknowledged {
			steps++
			if left--; left == 0 {
				time.AfterFunc(rand.N(5*time.Millisecond), func() { _ = y.cmd.Process.Kill() })
			}
		}
		y.kill()
		s.client.CloseIdleConnections()
		y.start()
		if err := ledger.Check(t.Context(), &remote{base: y.url()}, "crash"); err != nil {
			t.Fatalf("after %d steps: %v", steps, err)
		}
	}
	t.Logf("%d steps were acknowledged", steps)

	// What was cut off goes when it has aged; nothing else does.
	y.stop()
	age(t, filepath.Join(y.dir, "gs", "content"))
	y.start()
	for deadline := time.Now().Add(20 * time.Second); ; {
		page, err := (&remote{base: y.url()}).List(t.Context(), "crash", bucket.Query{})
		if err != nil {
			t.Fatal(err)
		}
		n := age(t, filepath.Join(y.dir, "gs", "content"))
		if n == len(page.Objects) && n == ledger.Objects() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d content files for %d objects; the ledger has %d", n, len(page.Objects), ledger.Objects())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// TestAStalledUploadHarmsNobody holds uploads in the middle of their bodies:
// others go on, the server stops within its grace, and of the stalled ones
// nothing is left but the session that may go on.
func TestAStalledUploadHarmsNobody(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	s := &remote{base: y.url()}
	y.mustRun("storage", "buckets", "create", "gs://stall")
	o := bucket.PutOptions{}
	o.Bucket, o.Name = "stall", "session"
	session, err := s.StartUpload(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	stalled := make(chan error, 2)
	var bodies []*io.PipeWriter
	sent := bytes.Repeat([]byte("b"), 4<<20) // more than sockets hold
	for method, path := range map[string]string{
		"POST": y.url() + "/upload/storage/v1/b/stall/o?uploadType=media&name=media",
		"PUT":  session,
	} {
		body, w := io.Pipe()
		bodies = append(bodies, w)
		go func() {
			req, _ := http.NewRequestWithContext(t.Context(), method, path, body)
			req.ContentLength = 64 << 20
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				resp.Body.Close()
				err = &refusal{status: resp.Status}
			}
			stalled <- err
		}()
		if _, err := w.Write(sent); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		o.Name = fmt.Sprintf("quick%d", i)
		if _, err := s.Put(t.Context(), o, strings.NewReader("quick")); err != nil {
			t.Fatal(err)
		}
	}
	if took := y.stop(); took > 10*time.Second {
		t.Errorf("the server took %s to stop", took)
	}
	for _, w := range bodies { // the client's own goroutines wait for them
		w.CloseWithError(io.ErrUnexpectedEOF)
	}
	for range bodies {
		if err := <-stalled; err == nil {
			t.Error("a stalled upload was acknowledged")
		}
	}
	if n := age(t, filepath.Join(y.dir, "gs", "content")); n != 20 {
		t.Errorf("%d content files are left for 20 objects", n)
	}
	y.start()
	page, err := s.List(t.Context(), "stall", bucket.Query{})
	if err != nil || len(page.Objects) != 20 {
		t.Errorf("%d objects, %v", len(page.Objects), err)
	}
	st, err := s.UploadStatus(t.Context(), session)
	if err != nil || st.Received == 0 || st.Received > int64(len(sent)) {
		t.Fatalf("the session is at %d bytes, %v", st.Received, err)
	}
	whole := bytes.Repeat([]byte("b"), len(sent)+1)
	if st, err = s.Upload(t.Context(), session, st.Received, int64(len(whole)), bytes.NewReader(whole[st.Received:])); err != nil || st.Object == nil || st.Object.Size != int64(len(whole)) {
		t.Errorf("the session goes on: %+v, %v", st, err)
	}
}

// TestAServerWithoutItsIndexSaysSo damages the index of objects: the start
// ends soon, and says which file and what to do.
func TestAServerWithoutItsIndexSaysSo(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	o := bucket.PutOptions{}
	o.Bucket, o.Name = "trainyard-default", "x"
	if _, err := (&remote{base: y.url()}).Put(t.Context(), o, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	y.stop()
	index := filepath.Join(y.dir, "gs", "index.db")
	if err := os.WriteFile(index, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	err := y.tryStart()
	took := time.Since(begin)
	y.cmd = nil
	if said := y.out.String(); err == nil || took > 10*time.Second || !strings.Contains(said, index) || !strings.Contains(said, "hint: ") {
		t.Errorf("after %s: %v; it said %s", took, err, said)
	}
}

// remote is a server's storage over the JSON API, as far as a Ledger needs it.
type remote struct {
	bucket.Store
	base   string
	client http.Client
}

// refusal is an answer that is an error.
type refusal struct{ status, body string }

func (r *refusal) Error() string { return r.status + " " + r.body }

// call sends a request; what it is answered with goes to answer, where that is
// not nil.
func (r *remote) call(ctx context.Context, method, path string, body io.Reader, header http.Header, answer any) (*http.Response, error) {
	if strings.HasPrefix(path, "/") {
		path = r.base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("X-GUploader-No-308", "yes")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, &refusal{resp.Status, string(b)}
	}
	if raw, ok := answer.(*[]byte); ok {
		*raw = b
	} else if answer != nil && len(b) > 0 {
		return resp, json.Unmarshal(b, answer)
	}
	return resp, nil
}

// resource is an object as the JSON API shows it.
type resource struct {
	Name, Size, MD5Hash, CRC32C string
}

func (r resource) object() (o bucket.Object, err error) {
	o.Name = r.Name
	o.Size, err = strconv.ParseInt(r.Size, 10, 64)
	sum, wrong := base64.StdEncoding.DecodeString(r.CRC32C)
	if err != nil || wrong != nil || len(sum) != 4 {
		return o, fmt.Errorf("object %+v is not understood", r)
	}
	o.CRC32C = uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	if r.MD5Hash != "" {
		o.MD5, err = base64.StdEncoding.DecodeString(r.MD5Hash)
	}
	return o, err
}

func objectPath(b, name string) string {
	return "/storage/v1/b/" + b + "/o/" + url.PathEscape(name)
}

func (r *remote) Put(ctx context.Context, o bucket.PutOptions, body io.Reader) (bucket.Object, error) {
	_, err := r.call(ctx, "POST", "/upload/storage/v1/b/"+o.Bucket+"/o?uploadType=media&name="+url.QueryEscape(o.Name), body, nil, nil)
	return o.Object, err
}

func (r *remote) Delete(ctx context.Context, b, name string, _ int64, _ bucket.Conditions) error {
	_, err := r.call(ctx, "DELETE", objectPath(b, name), nil, nil, nil)
	return err
}

func (r *remote) Move(ctx context.Context, from bucket.Source, name string, _ bucket.Conditions) (bucket.Object, error) {
	_, err := r.call(ctx, "POST", objectPath(from.Bucket, from.Name)+"/moveTo/o/"+url.PathEscape(name), nil, nil, nil)
	return bucket.Object{}, err
}

func (r *remote) Compose(ctx context.Context, o bucket.PutOptions, sources []bucket.Source, deleteSources bool) (bucket.Object, error) {
	type source struct {
		Name string `json:"name"`
	}
	list := make([]source, len(sources))
	for i, s := range sources {
		list[i].Name = s.Name
	}
	b, err := json.Marshal(map[string]any{"sourceObjects": list, "deleteSourceObjects": deleteSources})
	if err != nil {
		return o.Object, err
	}
	_, err = r.call(ctx, "POST", objectPath(o.Bucket, o.Name)+"/compose", bytes.NewReader(b), nil, nil)
	return o.Object, err
}

func (r *remote) List(ctx context.Context, b string, q bucket.Query) (page bucket.Page, err error) {
	var answer struct{ Items []resource }
	if _, err := r.call(ctx, "GET", "/storage/v1/b/"+b+"/o?prefix="+url.QueryEscape(q.Prefix), nil, nil, &answer); err != nil {
		return page, err
	}
	for _, item := range answer.Items {
		o, err := item.object()
		if err != nil {
			return page, err
		}
		page.Objects = append(page.Objects, o)
	}
	return page, nil
}

func (r *remote) Open(ctx context.Context, b, name string, _, _, _ int64, _ bucket.Conditions) (bucket.Object, io.ReadCloser, error) {
	var content []byte
	_, err := r.call(ctx, "GET", objectPath(b, name)+"?alt=media", nil, nil, &content)
	return bucket.Object{}, io.NopCloser(bytes.NewReader(content)), err
}

func (r *remote) StartUpload(ctx context.Context, o bucket.PutOptions) (string, error) {
	resp, err := r.call(ctx, "POST", "/upload/storage/v1/b/"+o.Bucket+"/o?uploadType=resumable&name="+url.QueryEscape(o.Name), nil, nil, nil)
	if err != nil {
		return "", err
	}
	return resp.Header.Get("Location"), nil
}

func (r *remote) Upload(ctx context.Context, id string, offset, total int64, body io.Reader) (bucket.UploadState, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return bucket.UploadState{}, err
	}
	span, of := fmt.Sprintf("%d-%d", offset, offset+int64(len(b))-1), "*"
	if total >= 0 {
		of = strconv.FormatInt(total, 10)
	}
	if len(b) == 0 {
		span = "*"
	}
	return r.session(ctx, id, "bytes "+span+"/"+of, bytes.NewReader(b))
}

func (r *remote) UploadStatus(ctx context.Context, id string) (bucket.UploadState, error) {
	return r.session(ctx, id, "bytes */*", nil)
}

func (r *remote) session(ctx context.Context, id, span string, body io.Reader) (st bucket.UploadState, err error) {
	var item resource
	resp, err := r.call(ctx, "PUT", id, body, http.Header{"Content-Range": {span}}, &item)
	if err != nil {
		return st, err
	}
	if item.Name != "" {
		o, err := item.object()
		st.Object, st.Received = &o, o.Size
		return st, err
	}
	if last, ok := strings.CutPrefix(resp.Header.Get("Range"), "bytes=0-"); ok {
		st.Received, err = strconv.ParseInt(last, 10, 64)
		st.Received++
	}
	return st, err
}

// age makes files look old, and tells how many there are.
func age(t *testing.T, dir string) (n int) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err == nil {
			n++
			err = os.Chtimes(path, old, old)
		}
		if errors.Is(err, fs.ErrNotExist) { // swept meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
