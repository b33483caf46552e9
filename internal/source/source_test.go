package source

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// repo makes a repository with two commits, a tag on the first, and a branch.
func repo(t *testing.T) (dir, first, second string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("SKIPPED: no git on PATH")
	}
	dir = filepath.Join(t.TempDir(), "models")
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("jobs/trainer/task.py", "one")
	run("init", "--quiet", "--initial-branch", "main")
	run("add", ".")
	run("commit", "--quiet", "-m", "one")
	run("tag", "v1.0")
	first = run("rev-parse", "HEAD")
	write("jobs/trainer/task.py", "two")
	run("commit", "--quiet", "-am", "two")
	run("branch", "feature/x")
	return dir, first, run("rev-parse", "HEAD")
}

func TestACommitIsFetchedByAnyName(t *testing.T) {
	dir, first, second := repo(t)
	for ref, want := range map[string]string{"": second, "@main": second, "@v1.0": first, "@feature/x": second, "@" + first: first, "@" + first[:10]: first} {
		spec := "git+file://" + dir + ref + "#egg=x&subdirectory=jobs/trainer"
		if !Is(spec) || Name(spec) != "models" {
			t.Errorf("%s: Is %t, Name %q", spec, Is(spec), Name(spec))
		}
		got, err := Fetch(t.Context(), Options{Spec: spec, Into: t.TempDir(), Environ: os.Environ()})
		if err != nil || got.Commit != want {
			t.Errorf("%s: %+v, %v; want %s", spec, got, err, want)
			continue
		}
		text, err := os.ReadFile(filepath.Join(got.Dir, "task.py"))
		if wantText := map[string]string{first: "one", second: "two"}[want]; err != nil || string(text) != wantText {
			t.Errorf("%s: %q, %v", spec, text, err)
		}
	}
}

func TestWhatGitCannotBringIsExplained(t *testing.T) {
	dir, _, _ := repo(t)
	for spec, want := range map[string]string{
		"git+file://" + dir + "@mian":               "has no branch, tag or commit mian / did you mean main?",
		"git+file://" + dir + "@0123456789":         "has no commit 0123456789",
		"git+file://" + dir + "#subdirectory=gone":  "has no folder gone / it has: jobs",
		"git+file://" + dir + "#subdirectory=../..": "leads out of the sources",
		"git+file://" + dir + "-gone":               "does not appear to be a git repository",
		"git+file://" + dir + "@--upload-pack=x":    "is not a branch, a tag or a commit",
		"git+ext::sh -c id":                         "is not the address of a git repository",
		"git+https:///nowhere":                      "is not the address of a git repository",
		"git+ftp://u:hunter2@host/x":                "git+ftp://u:xxxxx@host/x",
		"git+http://u:hunter2@127.0.0.1:1/x.git":    "git fetch failed",
	} {
		_, err := Fetch(t.Context(), Options{Spec: spec, Into: t.TempDir(), Environ: os.Environ()})
		said := ""
		if err != nil {
			said = err.Error() + " / " + fault.HintOf(err)
		}
		if !strings.Contains(said, want) || strings.Contains(said, "hunter2") {
			t.Errorf("%s: %s; want %q", spec, said, want)
		}
	}
	if _, err := Fetch(t.Context(), Options{Spec: "git+file://" + dir, Into: t.TempDir(), Environ: []string{"PATH=" + t.TempDir()}}); err == nil || !strings.Contains(fault.HintOf(err), "install git") {
		t.Errorf("without git: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Fetch(ctx, Options{Spec: "git+file://" + dir, Into: t.TempDir(), Environ: os.Environ()}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// tarball writes an archive of members; those without a type are files.
func tarball(t *testing.T, members ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range members {
		data := []byte("x")
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sources.tar.gz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// files are what lies below a folder.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAGitServerThatNeverAnswersIsGivenUp(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("SKIPPED: no git on PATH")
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	defer silent.CloseClientConnections() // of what a git that was killed left
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := Fetch(ctx, Options{Spec: "git+" + silent.URL + "/x.git", Into: t.TempDir(), Environ: os.Environ(), Patience: time.Second})
	if err == nil || !strings.Contains(err.Error(), "too slow") {
		t.Errorf("%v; want that it is too slow", err)
	}
}

func TestArchivesAreUnpacked(t *testing.T) {
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o700} }
	for _, tt := range []struct {
		name, want string
		members    []tar.Header
	}{
		{"one folder for all, as of hosting services", "trainer/__init__.py trainer/run", []tar.Header{{Name: "pax", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "0"}},
			dir("app-main/"), {Name: "app-main/trainer/__init__.py"}, {Name: "./app-main/trainer/run", Mode: 0o4755}}},
		{"the package itself", "trainer/__init__.py trainer/task.py", []tar.Header{{Name: "trainer/__init__.py"}, {Name: "trainer/task.py"}}},
		{"links inside", "b.py sub/c.py trainer.py", []tar.Header{{Name: "b.py"}, {Name: "trainer.py", Typeflag: tar.TypeSymlink, Linkname: "b.py"}, {Name: "sub/c.py", Typeflag: tar.TypeSymlink, Linkname: "../b.py"}}},
	} {
		got, err := Fetch(t.Context(), Options{Spec: tarball(t, tt.members...), Into: t.TempDir()})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if have := strings.Join(files(t, got.Dir), " "); have != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, have, tt.want)
		}
		if info, err := os.Stat(filepath.Join(got.Dir, "trainer/run")); err == nil && info.Mode() != 0o755 {
			t.Errorf("%s: mode %v", tt.name, info.Mode())
		}
	}
}

func TestWhatAnArchiveMustNotHaveIsRefusedByName(t *testing.T) {
	for name, members := range map[string][]tar.Header{
		`"../evil.py", which leads out`:           {{Name: "../evil.py"}},
		`"a/../../evil.py", which leads out`:      {{Name: "a/../../evil.py"}},
		`"/etc/evil", which is an absolute path`:  {{Name: "/etc/evil"}},
		`"a\\b.py", which is not a name`:          {{Name: `a\b.py`}},
		`"l", which is a link out of the archive`: {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../etc/passwd"}},
		`"m", which is a link out of the archive`: {{Name: "m", Typeflag: tar.TypeSymlink, Linkname: "/etc"}},
		`"h", which is a hard link, to "a"`:       {{Name: "a"}, {Name: "h", Typeflag: tar.TypeLink, Linkname: "a"}},
		`"null", which is neither a file`:         {{Name: "null", Typeflag: tar.TypeChar}},
		`"sda", which is neither a file`:          {{Name: "sda", Typeflag: tar.TypeBlock}},
		`"pipe", which is neither a file`:         {{Name: "pipe", Typeflag: tar.TypeFifo}},
		`"./a.py", which is in it twice`:          {{Name: "a.py"}, {Name: "./a.py"}},
		`"f/x.py", which lies behind what is no`:  {{Name: "f"}, {Name: "f/x.py"}},
	} {
		archive, into := tarball(t, members...), filepath.Join(t.TempDir(), "into")
		if err := os.Mkdir(into, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := Fetch(t.Context(), Options{Spec: archive, Into: into})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Fetch = %v, want %s", err, name)
		}
		if beside := files(t, filepath.Dir(into)); len(beside) > 0 && !strings.HasPrefix(beside[0], "into/") {
			t.Errorf("%s: left %q", name, beside)
		}
	}
}

func TestAZipIsUnpackedAndRefusedAlike(t *testing.T) {
	write := func(names ...string) string {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, n := range names {
			h := &zip.FileHeader{Name: n}
			h.SetMode(0o644)
			n, link, ok := strings.Cut(n, " -> ")
			if ok {
				h.Name = n
				h.SetMode(0o777 | os.ModeSymlink)
			}
			f, err := w.CreateHeader(h)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte(link)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(t.TempDir(), "s.ZIP")
		if err := os.WriteFile(p, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	got, err := Fetch(t.Context(), Options{Spec: write("app/a.py", "app/b.py -> a.py", "app/c/d.py"), Into: t.TempDir()})
	if err != nil || strings.Join(files(t, got.Dir), " ") != "a.py b.py c/d.py" {
		t.Errorf("%v, %v", files(t, got.Dir), err)
	}
	for _, bad := range []string{"../x.py", "/x.py", "l -> ../../x", `..\x.py`} {
		if _, err := Fetch(t.Context(), Options{Spec: write(bad), Into: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "has a member") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	broken := filepath.Join(t.TempDir(), "b.tar.gz")
	if err := os.WriteFile(broken, []byte("no"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(t.Context(), Options{Spec: broken, Into: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "cannot be unpacked") {
		t.Errorf("broken: %v", err)
	}
}

// FuzzUnpack: whatever an archive has, nothing is written beside its folder.
func FuzzUnpack(f *testing.F) {
	f.Add("../a", "b", byte(tar.TypeReg))
	f.Add("a/b", "../..", byte(tar.TypeSymlink))
	f.Fuzz(func(t *testing.T, name, link string, kind byte) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range []tar.Header{{Name: name, Linkname: link, Typeflag: kind}, {Name: name + "/x", Typeflag: tar.TypeReg}, {Name: link, Typeflag: tar.TypeReg}} {
			if w.WriteHeader(&h) != nil {
				return
			}
		}
		top := t.TempDir()
		into := filepath.Join(top, "into")
		if err := os.Mkdir(into, 0o700); err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(top, "a.tar")
		if err := os.WriteFile(p, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = unpack(p, p, into)
		entries, err := os.ReadDir(top)
		if err != nil || len(entries) != 2 {
			t.Errorf("%v, %v", entries, err)
		}
	})
}
