package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, WriteBufferSize: 256 << 10, ReadBufferSize: 256 << 10}}

// block is content that no disk shortens.
var block = func() []byte {
	b := make([]byte, 1<<20)
	x := uint64(0x9E3779B97F4A7C15)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}()

// stream gives n bytes out of the block.
type stream struct{ n int64 }

func (s *stream) Read(p []byte) (int, error) {
	if s.n == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), s.n)], block)
	s.n -= int64(n)
	return n, nil
}

func (s *server) upload(name string, body io.Reader, size int64) error {
	method, path := s.put(name)
	req, err := http.NewRequest(method, s.url(path), body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	return s.done(client.Do(req))
}

// resumable uploads as gcloud and gsutil do: a session, then all in one request.
func (s *server) resumable(name string, body io.Reader, size int64) error {
	resp, err := client.Post(s.url("/upload/storage/v1/b/"+bucketName+"/o?uploadType=resumable&name="+name), "application/json", nil)
	if err := s.done(resp, err); err != nil {
		return err
	}
	req, err := http.NewRequest("PUT", resp.Header.Get("Location"), body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	return s.done(client.Do(req))
}

func (s *server) done(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s %.300s", s.name, resp.Status, b)
	}
	return err
}

func (s *server) download(name string, size int64) error {
	resp, err := client.Get(s.url(s.get(name)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 256<<10))
	if err != nil || n != size || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d of %d bytes, %s, %w", s.name, n, size, resp.Status, err)
	}
	return nil
}

func (s *server) remove(name string) error {
	req, err := http.NewRequest("DELETE", s.url("/storage/v1/b/"+bucketName+"/o/"+name), nil)
	if err != nil {
		return err
	}
	return s.done(client.Do(req))
}

// clock takes the time of n calls that workers share.
func clock(workers, n int, call func(i int) error) (time.Duration, error) {
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, workers)
	start := time.Now()
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := call(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-errs:
		return took, err
	default:
		return took, nil
	}
}

func (s *server) putMany(workers, n int, body []byte, name func(i int) string) (time.Duration, error) {
	return clock(workers, n, func(i int) error { return s.upload(name(i), bytes.NewReader(body), int64(len(body))) })
}

// copyFiles copies a file n times, and flushes each copy.
func copyFiles(dir string, workers, n int) (time.Duration, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, block, 0o600); err != nil {
		return 0, err
	}
	return clock(workers, n, func(i int) error {
		from, err := os.Open(source)
		if err != nil {
			return err
		}
		defer from.Close()
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(f, from); err != nil {
			return err
		}
		return f.Sync()
	})
}
