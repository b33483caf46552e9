package agent

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	disks "github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/server"
	"github.com/trainyard/trainyard/internal/server/storageapi"
)

// block is written again and again: what is measured is not the source.
var block = make([]byte, 1<<20)

type blocks struct{ left int64 }

func (b *blocks) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), b.left)], block)
	b.left -= int64(n)
	return n, nil
}

// BenchmarkWayOut writes and reads 256 MiB as TensorFlow does, by TLS and the
// proxy, the relay and the server, to and from the disk.
func BenchmarkWayOut(b *testing.B) {
	const size = 256 << 20
	log := slog.New(slog.DiscardHandler)
	data := b.TempDir()
	objects, err := disks.Open(b.Context(), data+"/gs", log)
	if err != nil {
		b.Fatal(err)
	}
	defer objects.Close()
	if _, err := objects.CreateBucket(b.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		b.Fatal(err)
	}
	storage := storageapi.New(storageapi.Options{Store: objects, Project: "p", Log: log})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: server.New(server.Options{Storage: storage, Log: log})}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	if err := WriteFile(data+"/server.json", fmt.Appendf(nil, `{"endpoint":"http://%s"}`, l.Addr()), false); err != nil {
		b.Fatal(err)
	}
	a := &agent{Options: Options{Log: log, Environ: os.Environ()}, dir: Folder(b.TempDir()), task: &Task{DataDir: data, Token: "job.x"}}
	if a.relay, err = openRelay(b.Context(), data, "job.x", log); err != nil {
		b.Fatal(err)
	}
	if a.out, err = a.openWayOut(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer a.out.close()
	go a.relay.serve()
	defer a.relay.close()

	bundle, err := os.ReadFile(a.out.bundle)
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	proxy, err := url.Parse(a.out.proxy.URL())
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	do := func(method, url string, body io.Reader, header ...string) *http.Response {
		req, err := http.NewRequestWithContext(b.Context(), method, url, body)
		if err != nil {
			b.Fatal(err)
		}
		if body != nil {
			req.ContentLength = size
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if resp.StatusCode >= 300 {
			text, _ := io.ReadAll(resp.Body)
			b.Fatalf("%s %s: %s %s", method, url, resp.Status, text)
		}
		return resp
	}
	var wrote, read time.Duration
	buf := make([]byte, 64<<10)
	for b.Loop() {
		began := time.Now()
		resp := do("POST", "https://www.googleapis.com/upload/storage/v1/b/box/o?uploadType=resumable&name=x", nil)
		_ = resp.Body.Close()
		_ = do("PUT", resp.Header.Get("Location"), &blocks{size}, "Content-Range", fmt.Sprintf("bytes 0-%d/%d", size-1, size)).Body.Close()
		wrote += time.Since(began)
		began = time.Now()
		for at := 0; at < size; at += 16 << 20 {
			resp := do("GET", "https://storage.googleapis.com/box/x", nil, "Range", fmt.Sprintf("bytes=%d-%d", at, at+(16<<20)-1))
			for {
				if _, err := resp.Body.Read(buf); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
			_ = resp.Body.Close()
		}
		read += time.Since(began)
	}
	b.ReportMetric(size*float64(b.N)/1e6/wrote.Seconds(), "written-MB/s")
	b.ReportMetric(size*float64(b.N)/1e6/read.Seconds(), "read-MB/s")
}
