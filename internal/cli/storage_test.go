package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/client"
)

func TestRanges(t *testing.T) {
	for text, want := range map[string][2]int64{
		"0-0": {0, 1}, "2-4": {2, 3}, "2-": {2, 8}, "-3": {7, 3}, "-99": {0, 10}, "8-99": {8, 2}, "10-": {0, 0}, "99-100": {0, 0}, "-0": {10, 0},
	} {
		var r rangeValue
		if err := r.Set(text); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if offset, length := r.of(10); length != want[1] || length > 0 && offset != want[0] {
			t.Errorf("%s of 10 bytes is %d bytes from %d, want %v", text, length, offset, want)
		}
	}
	for _, text := range []string{"", "-", "5", "a-b", "4-2", "--1", "1--2", "99999999999999999999-"} {
		var r rangeValue
		if err := r.Set(text); err == nil {
			t.Errorf("%q is taken as %+v", text, r)
		}
	}
}

func FuzzRange(f *testing.F) {
	for _, text := range []string{"0-", "1-2", "-5", "--", "9223372036854775807-"} {
		f.Add(text, int64(10))
	}
	f.Fuzz(func(t *testing.T, text string, size int64) {
		var r rangeValue
		if size < 0 || r.Set(text) != nil {
			return
		}
		if offset, length := r.of(size); offset < 0 || length < 0 || offset+length > size {
			t.Errorf("%q of %d bytes is %d bytes from %d", text, size, length, offset)
		}
	})
}

func FuzzLocation(f *testing.F) {
	for _, text := range []string{"gs://b/o", "gs://b", "gs://b/o#12", "gs://b/#1", "gs:/b", "x", "-", "gs://b/a//b", "gs://b/\n#7"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLocation(text)
		if err != nil || !l.remote() || l.Generation != 0 {
			return
		}
		again, err := parseLocation(l.String())
		if err != nil || again != l {
			t.Errorf("%q is %+v, and that is %+v, %v", text, l, again, err)
		}
	})
}

// FuzzNamesStayInside: whatever an object is called, what is written for it is
// below the folder.
func FuzzNamesStayInside(f *testing.F) {
	for _, name := range []string{"a", "a/b", "../x", "/lead", "a//b", ".", "..", "a/../../b", "a/", "", "a\\..\\b", "\x00"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		it := ofObject(&client.Object{Bucket: "b", Name: name, Size: 1}, "")
		if !fits(it) {
			return
		}
		to := filepath.Join("root", filepath.FromSlash(name))
		if rel, err := filepath.Rel("root", to); err != nil || !filepath.IsLocal(rel) || rel == "." || path.Join("root", name) != under(place{Name: "root"}, name) {
			t.Errorf("%q is written to %s", name, to)
		}
	})
}

func TestLevels(t *testing.T) {
	var objects []*client.Object
	for _, name := range []string{"a/", "a/b", "a/b//c", "a/d/e/f", "z"} {
		objects = append(objects, &client.Object{Bucket: "b", Name: name})
	}
	var got []string
	var walk func(l *level)
	walk = func(l *level) {
		line := l.url() + ":"
		for _, o := range l.objects {
			line += " " + o.Name
		}
		got = append(got, line)
		for _, b := range l.below {
			walk(b)
		}
	}
	walk(levels("b", "", objects))
	want := []string{"gs://b/: z", "gs://b/a/: a/ a/b", "gs://b/a/b/:", "gs://b/a/b//: a/b//c", "gs://b/a/d/:", "gs://b/a/d/e/: a/d/e/f"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFactsSayWhatChanges(t *testing.T) {
	f := facts{given: map[string]*textValue{"contentType": {given: true, text: "text/x"}}, update: pairsValue{"a": "2", "n": "3"}, remove: listValue{"b"}}
	got := f.of(map[string]string{"a": "1", "b": "1", "c": "1"})
	want := client.Changes{"contentType": "text/x", "metadata": map[string]any{"a": "2", "b": nil, "c": "1", "n": "3"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f = facts{clearCustom: true}
	if diff := cmp.Diff(client.Changes{"metadata": map[string]any{"a": nil}}, f.of(map[string]string{"a": "1"})); diff != "" {
		t.Error(diff)
	}
}

// TestStorageOutputIsWhatGcloudPrints runs the unmodified gcloud and ours
// against the same store and compares what goes to standard output.
func TestStorageOutputIsWhatGcloudPrints(t *testing.T) {
	gcloud := os.Getenv("GCLOUD")
	if gcloud == "" {
		var err error
		if gcloud, err = exec.LookPath("gcloud"); err != nil {
			t.Skip("SKIPPED: no gcloud on PATH and none named by GCLOUD; nothing was compared with it")
		}
	}
	if testing.Short() {
		t.Skip("SKIPPED: gcloud takes seconds to start")
	}
	s := newShop(t)
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"a.txt": "hello\n", "tree/b.txt": "b\n", "tree/sub/c.txt": "c\n"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.must(t, "cp", "-r", "a.txt", "tree", "gs://box")
	env := append(os.Environ(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="+s.URL+"/storage/v1/", "CLOUDSDK_AUTH_DISABLE_CREDENTIALS=True", "CLOUDSDK_CORE_PROJECT=local",
		"CLOUDSDK_CONFIG="+t.TempDir(), "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1")
	for _, line := range []string{
		"ls -l -r gs://box",
		"ls -L gs://box/tree",
		"du -c -r gs://box",
		"hash --hex a.txt gs://box/a.txt",
		"cat -r -3 gs://box/a.txt",
		"objects describe gs://box/a.txt",
		"buckets describe gs://box",
	} {
		args := strings.Fields(line)
		cmd := exec.CommandContext(t.Context(), gcloud, append([]string{"storage"}, args...)...)
		cmd.Env = env
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		want, err := cmd.Output()
		if err != nil {
			t.Errorf("gcloud storage %s: %v: %s", line, err, stderr.String())
			continue
		}
		if diff := cmp.Diff(string(want), s.must(t, args...)); diff != "" {
			t.Errorf("%s (-gcloud +ours)\n%s", line, diff)
		}
	}
}
