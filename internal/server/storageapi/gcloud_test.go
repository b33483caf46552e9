package storageapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// workplace is a folder in which a command line of Google's runs.
type workplace struct {
	t       *testing.T
	dir     string
	command []string
	env     []string
}

// tool finds a command line, or skips the test.
func tool(t *testing.T, variable, name string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path, _ = exec.LookPath(name)
	}
	if path == "" {
		t.Skipf("SKIPPED: there is no %s on PATH and %s is not set", name, variable)
	}
	return path
}

// write makes files; random ones have a size instead of a text.
func (p *workplace) write(files map[string]string, random map[string]int) {
	p.t.Helper()
	for name, n := range random {
		b := make([]byte, n)
		_, _ = rand.Read(b)
		if err := os.WriteFile(filepath.Join(p.dir, name), b, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	for name, text := range files {
		path := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// run runs one command, which must succeed, and gives its standard output.
func (p *workplace) run(args ...string) string {
	p.t.Helper()
	command := append(append([]string(nil), p.command...), args...)
	cmd := exec.CommandContext(context.WithoutCancel(p.t.Context()), command[0], command[1:]...)
	cmd.Dir, cmd.Env = p.dir, p.env
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out.String(), said.String())
	}
	return out.String()
}

func (p *workplace) same(a, b string) {
	p.t.Helper()
	x, err := os.ReadFile(filepath.Join(p.dir, a))
	y, other := os.ReadFile(filepath.Join(p.dir, b))
	if err != nil || other != nil || !bytes.Equal(x, y) {
		p.t.Errorf("%s and %s differ: %d and %d bytes, %v, %v", a, b, len(x), len(y), err, other)
	}
}

func (p *workplace) says(out string, want ...string) {
	p.t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			p.t.Errorf("no %q in\n%s", w, out)
		}
	}
}

// TestGcloudStorage drives the unmodified gcloud storage through its verbs.
func TestGcloudStorage(t *testing.T) {
	gcloud := tool(t, "GCLOUD", "gcloud")
	s := serve(t)
	dir := t.TempDir()
	p := &workplace{t, dir, []string{gcloud, "storage"}, append(os.Environ(), "CLOUDSDK_CONFIG="+dir+"/.config", "CLOUDSDK_CORE_PROJECT=demo", "CLOUDSDK_CORE_DISABLE_PROMPTS=1",
		"CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true", "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="+s.URL+"/storage/v1/")}
	p.write(map[string]string{"a.txt": "hello\n", "tree/b.txt": "b", "tree/sub/c.txt": "c", "back/there": "", "lifecycle.json": `{"rule":[{"action":{"type":"Delete"},"condition":{"age":30}}]}`}, map[string]int{"nine": 9 << 20})
	p.run("buckets", "create", "gs://made", "--location=us-east1")
	p.run("buckets", "update", "gs://made", "--update-labels=a=b", "--versioning", "--lifecycle-file=lifecycle.json")
	p.says(p.run("buckets", "describe", "gs://made"), "a: b", "versioning_enabled: true", "age: 30", "location: US-EAST1")
	p.run("buckets", "update", "gs://made", "--no-versioning", "--clear-lifecycle")
	p.run("cp", "a.txt", "nine", "gs://made/x/")
	if got := p.run("cat", "gs://made/x/a.txt", "-r", "1-2"); got != "el" {
		t.Errorf("cat -r: %q", got)
	}
	// Sliced downloads and composites, which gcloud makes of large files.
	few := p.env
	p.env = append(few, "CLOUDSDK_STORAGE_SLICED_OBJECT_DOWNLOAD_THRESHOLD=1M", "CLOUDSDK_STORAGE_SLICED_OBJECT_DOWNLOAD_COMPONENT_SIZE=2M",
		"CLOUDSDK_STORAGE_PARALLEL_COMPOSITE_UPLOAD_ENABLED=True", "CLOUDSDK_STORAGE_PARALLEL_COMPOSITE_UPLOAD_THRESHOLD=1M", "CLOUDSDK_STORAGE_PARALLEL_COMPOSITE_UPLOAD_COMPONENT_SIZE=3M",
		"CLOUDSDK_STORAGE_RESUMABLE_THRESHOLD=1M") // of parts that it sends at once, it forgets to remove the remains
	p.run("cp", "nine", "gs://made/composite")
	p.run("cp", "gs://made/composite", "gs://made/x/nine", "back/")
	p.same("nine", "back/composite")
	p.same("nine", "back/nine")
	p.env = few
	p.says(p.run("objects", "describe", "gs://made/composite"), "component_count: 4")
	p.run("cp", "-r", "tree", "gs://made")
	p.says(p.run("ls", "-l", "-r", "gs://made/**"), "gs://made/tree/sub/c.txt", "TOTAL: 5 objects")
	p.run("mv", "gs://made/x/a.txt", "gs://made/y.txt")
	p.run("rsync", "-r", "tree", "gs://made/sync")
	if err := os.Remove(filepath.Join(dir, "tree/b.txt")); err != nil {
		t.Fatal(err)
	}
	p.run("rsync", "-r", "--delete-unmatched-destination-objects", "tree", "gs://made/sync")
	if got := p.run("ls", "gs://made/sync/**"); got != "gs://made/sync/sub/c.txt\n" {
		t.Errorf("after rsync: %q", got)
	}
	p.says(p.run("du", "-s", "gs://made/sync"), "1 ")
	p.says(p.run("hash", "gs://made/y.txt"), "md5_hash: "+md5Text("hello\n"))
	p.run("objects", "compose", "gs://made/y.txt", "gs://made/sync/sub/c.txt", "gs://made/joined")
	if got := p.run("cat", "gs://made/joined"); got != "hello\nc" {
		t.Errorf("compose: %q", got)
	}
	p.run("objects", "update", "gs://made/y.txt", "--custom-metadata=k=v", "--content-type=text/x")
	p.says(p.run("objects", "list", "gs://made/y*"), "content_type: text/x", "k: v")
	p.run("rm", "-r", "gs://made")
}
