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
