package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a peer that is spoken to over HTTP.
type server struct {
	name string
	addr string
	cmd  *exec.Cmd
	put  func(name string) (method, path string)
	get  func(name string) (path string)
}

// the bucket that everything is put into
const bucketName = "bench"

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// launch starts a server and waits until it answers.
func launch(name string, command func(addr string) *exec.Cmd) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &server{name: name, addr: addr, cmd: command(addr)}
	var said bytes.Buffer
	s.cmd.Stderr = &said
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			return s, c.Close()
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("%s does not answer: %s", name, said.String())
		}
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

func (s *server) url(path string) string { return "http://" + s.addr + path }

// storage adds how the JSON API is spoken, and makes the bucket.
func (s *server) storage() error {
	s.put = func(name string) (string, string) {
		return "POST", "/upload/storage/v1/b/" + bucketName + "/o?uploadType=media&name=" + url.QueryEscape(name)
	}
	s.get = func(name string) string {
		return "/storage/v1/b/" + bucketName + "/o/" + url.PathEscape(name) + "?alt=media"
	}
	resp, err := http.Post(s.url("/storage/v1/b?project=local"), "application/json", strings.NewReader(`{"name":"`+bucketName+`"}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s makes no bucket: %s", s.name, resp.Status)
	}
	return nil
}

func startYard(dir string) (*server, error) {
	s, err := launch("trainyard", func(addr string) *exec.Cmd {
		cmd := exec.Command(*yard, "serve", "--listen", addr, "--data-dir", filepath.Join(dir, "yard"))
		cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"))
		return cmd
	})
	if err != nil {
		return nil, err
	}
	return s, s.storage()
}

func startPlain(dir string) (*server, error) {
	root := filepath.Join(dir, "plain")
	s, err := launch("plain PUT", func(addr string) *exec.Cmd {
		return exec.Command(os.Args[0], "-plain-dir", root, "-plain-addr", addr)
	})
	if err != nil {
		return nil, err
	}
	s.put = func(name string) (string, string) { return "PUT", "/" + url.PathEscape(name) }
	s.get = func(name string) string { return "/" + url.PathEscape(name) }
	return s, nil
}

func startEmulator(dir string) (*server, error) {
	s, err := launch("fake-gcs-server", func(addr string) *exec.Cmd {
		host, port, _ := net.SplitHostPort(addr)
		return exec.Command(*emulator, "-scheme", "http", "-host", host, "-port", port, "-public-host", addr,
			"-backend", "filesystem", "-filesystem-root", filepath.Join(dir, "emulator"), "-log-level", "error")
	})
	if err != nil {
		return nil, err
	}
	return s, s.storage()
}

// memory is what the server's process holds: its own, now, and the most of all
// pages since the last call.
func (s *server) memory() (anonymous, peak int64, err error) {
	proc := "/proc/" + strconv.Itoa(s.cmd.Process.Pid)
	b, err := os.ReadFile(proc + "/status")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		_, _ = fmt.Sscanf(line, "RssAnon: %d kB", &anonymous)
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &peak)
	}
	return anonymous << 10, peak << 10, os.WriteFile(proc+"/clear_refs", []byte("5"), 0)
}

// servePlain is the least that an HTTP server can do for a durable PUT: a new
// file, flushed, renamed, and its folder flushed.
func servePlain(addr, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	put := func(r *http.Request, path string) (err error) {
		f, err := os.CreateTemp(dir, "new-")
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(f, r.Body); err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), os.Rename(f.Name(), path)); err != nil {
			return err
		}
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer d.Close()
		return d.Sync()
	}
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := filepath.Join(dir, url.PathEscape(r.URL.Path))
		if r.Method != http.MethodPut {
			http.ServeFile(w, r, path)
		} else if err := put(r, path); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
}
