package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestUnmodifiedGsutilOverTLS drives gsutil, which speaks nothing but TLS, with
// the configuration that the server leaves for it.
func TestUnmodifiedGsutilOverTLS(t *testing.T) {
	t.Parallel()
	gsutil := os.Getenv("GSUTIL")
	if gsutil == "" {
		gsutil, _ = exec.LookPath("gsutil")
	}
	if gsutil == "" {
		t.Skip("SKIPPED: there is no gsutil on PATH and GSUTIL is not set")
	}
	y := newYard(t)
	dir := t.TempDir()
	// What the machine's own gcloud is told to trust would win over the file.
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=") })
	env = append(env, "BOTO_CONFIG="+filepath.Join(y.dir, "tls", "boto"), "CLOUDSDK_CONFIG="+filepath.Join(dir, ".config"), "CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true", "CLOUDSDK_CORE_PASS_CREDENTIALS_TO_GSUTIL=false", "HOME="+dir)
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), gsutil, args...)
		cmd.Dir, cmd.Env = dir, env
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("gsutil %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), said.String())
		}
		return out.String()
	}
	is := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	large := make([]byte, 9<<20)
	_, _ = rand.Read(large)
	for name, text := range map[string]string{"a.txt": "hello\n", "tree/b.txt": "b", "tree/sub/c.txt": "c", "back/there": "", "large": string(large)} {
		write(t, filepath.Join(dir, name), text)
	}
	run("mb", "gs://made")
	run("cp", "a.txt", "large", "gs://made/x/")
	is("cat -r", run("cat", "-r", "1-2", "gs://made/x/a.txt"), "el")
	// A composite of parts that are sent at once, and read at once.
	run("-o", "GSUtil:parallel_composite_upload_threshold=1M", "-o", "GSUtil:parallel_composite_upload_component_size=3M", "cp", "large", "gs://made/composite")
	run("-m", "-o", "GSUtil:sliced_object_download_threshold=1M", "-o", "GSUtil:sliced_object_download_component_size=2M", "cp", "gs://made/composite", "gs://made/x/large", "back")
	for _, name := range []string{"composite", "large"} {
		if b, err := os.ReadFile(filepath.Join(dir, "back", name)); err != nil || !bytes.Equal(b, large) {
			t.Errorf("back/%s: %d bytes of %d, %v", name, len(b), len(large), err)
		}
	}
	run("-m", "cp", "-r", "tree", "gs://made")
	run("mv", "gs://made/x/a.txt", "gs://made/y.txt")
	run("rsync", "-r", "tree", "gs://made/sync")
	if err := os.Remove(filepath.Join(dir, "tree", "b.txt")); err != nil {
		t.Fatal(err)
	}
	run("-m", "rsync", "-r", "-d", "tree", "gs://made/sync")
	is("after rsync -d", run("ls", "gs://made/sync/**"), "gs://made/sync/sub/c.txt\n")
	run("compose", "gs://made/y.txt", "gs://made/sync/sub/c.txt", "gs://made/joined")
	is("compose", run("cat", "gs://made/joined"), "hello\nc")
	run("setmeta", "-h", "Content-Type:text/x", "-h", "x-goog-meta-k:v", "gs://made/y.txt")
	stat := run("stat", "gs://made/y.txt")
	for _, want := range []string{"text/x", "k:", "Hash (md5):", "Content-Length:"} {
		if !strings.Contains(stat, want) {
			t.Errorf("stat does not say %q:\n%s", want, stat)
		}
	}
	if du := run("du", "-s", "gs://made/sync"); !strings.HasPrefix(du, "1 ") {
		t.Errorf("du: %q", du)
	}

	// A URL that gsutil signs with the server's own account.
	lines := strings.Split(strings.TrimSpace(run("signurl", "-d", "10m", filepath.Join(y.dir, "tls", "service-account.json"), "gs://made/y.txt")), "\n")
	url := lines[len(lines)-1]
	url = url[strings.LastIndexByte(url, '\t')+1:]
	pem, err := os.ReadFile(filepath.Join(y.dir, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	for u, want := range map[string]int{url: 200, url + "0": 400} {
		res, err := client.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want || want == 200 && string(body) != "hello\n" {
			t.Errorf("GET %s: %s %s", u, res.Status, body)
		}
	}
	run("-m", "rm", "-r", "gs://made")
}
