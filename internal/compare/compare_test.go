package compare_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/compare"
)

// sdist writes a source archive; names are given with their content in turn.
func sdist(t testing.TB, name string, files ...string) compare.Archive {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if w.Close() != nil || z.Close() != nil {
		t.Fatal("close")
	}
	return put(t, name, b.Bytes())
}

func wheel(t testing.TB, name string, files ...string) compare.Archive {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return put(t, name, b.Bytes())
}

func put(t testing.TB, name string, b []byte) compare.Archive {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return compare.Archive{Name: name, Path: path}
}

func read(t testing.TB, archives ...compare.Archive) []compare.File {
	t.Helper()
	files, err := compare.Read(archives)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func names(list []compare.FileChange) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Status+" "+c.Name)
	}
	return out
}

func TestCodeIsComparedFileByFile(t *testing.T) {
	a := read(t, sdist(t, "trainer-0.1.tar.gz", "trainer-0.1/PKG-INFO", "Version: 0.1", "trainer-0.1/trainer/task.py", "a\nb\nc\n", "trainer-0.1/trainer/old.py", "x\n",
		"trainer-0.1/trainer/same.py", "s", "trainer-0.1/data.bin", "\x00\x01", "trainer-0.1/../../evil.py", "1\n"))
	b := read(t, sdist(t, "trainer-0.2.tar.gz", "trainer-0.2/PKG-INFO", "Version: 0.2", "trainer-0.2/trainer/task.py", "a\nB\nc\nd\n", "trainer-0.2/trainer/new.py", "y\n",
		"trainer-0.2/trainer/same.py", "s", "trainer-0.2/data.bin", "\x00\x02", "trainer-0.2/../../evil.py", "2\n"))
	r := compare.Compare(compare.Job{ID: "a", Code: a}, compare.Job{ID: "b", Code: b})
	want := []string{"changed ../../evil.py", "changed data.bin", "added trainer/new.py", "removed trainer/old.py", "changed trainer/task.py"}
	if got := names(r.Code); !slices.Equal(got, want) {
		t.Fatalf("differences are %q, want %q", got, want)
	}
	if c := r.Code[1]; !c.Binary || c.Diff != "" {
		t.Errorf("a binary file: %+v", c)
	}
	if c := r.Code[4]; c.Added != 2 || c.Removed != 1 || !strings.HasPrefix(c.Diff, "--- a/trainer/task.py\n+++ b/trainer/task.py\n@@") || !strings.Contains(c.Diff, "\n-b\n+B\n") {
		t.Errorf("task.py: %+v", c)
	}
	if c := r.Code[2]; c.Added != 1 || c.Removed != 0 || !strings.Contains(c.Diff, "+y") {
		t.Errorf("new.py: %+v", c)
	}
	if r.Same() {
		t.Error("they are said to be the same")
	}
}

func TestAWheelIsComparedWithASourceArchive(t *testing.T) {
	a := read(t, sdist(t, "t-0.1.tar.gz", "t-0.1/t/task.py", "a\n"))
	b := read(t, wheel(t, "t-0.1-py3-none-any.whl", "t/task.py", "a\n", "t-0.1.dist-info/RECORD", "r", "t-0.1.dist-info/METADATA", "m\n"))
	r := compare.Compare(compare.Job{Code: a}, compare.Job{Code: b})
	if got := names(r.Code); !slices.Equal(got, []string{"added t-0.1.dist-info/METADATA"}) {
		t.Errorf("differences are %q", got)
	}
}

func TestSeveralPackagesAreToldApart(t *testing.T) {
	one, two := sdist(t, "one-1.tar.gz", "one-1/setup.py", "1"), sdist(t, "two-1.tar.gz", "two-1/setup.py", "2")
	other := sdist(t, "two-2.tar.gz", "two-2/setup.py", "3")
	r := compare.Compare(compare.Job{Code: read(t, one, two)}, compare.Job{Code: read(t, one, other)})
	if got := names(r.Code); !slices.Equal(got, []string{"changed two: setup.py"}) {
		t.Errorf("differences are %q", got)
	}
}

func TestLargeFilesAreComparedByDigest(t *testing.T) {
	large := strings.Repeat("x\n", compare.MaxText)
	a, b := read(t, sdist(t, "t-1.tar.gz", "t-1/l", large)), read(t, sdist(t, "t-1.tar.gz", "t-1/l", large+"y"))
	if r := compare.Compare(compare.Job{Code: a}, compare.Job{Code: a}); len(r.Code) != 0 {
		t.Errorf("the same: %+v", r.Code)
	}
	if r := compare.Compare(compare.Job{Code: a}, compare.Job{Code: b}); len(r.Code) != 1 || !r.Code[0].Binary {
		t.Errorf("another: %+v", r.Code)
	}
}

func TestArgumentsAreComparedFlagByFlag(t *testing.T) {
	a := compare.Job{Args: []string{"--lr=0.1", "--epochs", "3", "--verbose", "--shift", "-2", "train", "--tag", "x", "--tag=y", "--same=1"}}
	b := compare.Job{Args: []string{"--epochs=4", "--shift=-3", "--lr", "0.1", "test", "--tag=x", "--same", "1", "--empty="}}
	want := []compare.Change{{"--empty", "", `""`}, {"--epochs", "3", "4"}, {"--shift", "-2", "-3"}, {"--tag", "x, y", "x"}, {"--verbose", "(given)", ""}}
	r := compare.Compare(a, b)
	var got []compare.Change
	for _, c := range r.Arguments {
		if strings.HasPrefix(c.Name, "--") {
			got = append(got, c)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if first := r.Arguments[len(r.Arguments)-1]; first != (compare.Change{Name: "argument 1", A: "train", B: "test"}) {
		t.Errorf("arguments by place: %+v", r.Arguments)
	}
}

func TestEnvironmentsResultsAndTimes(t *testing.T) {
	a := compare.Job{Python: "3.11.7", Packages: []string{"six==1.15.0", "toolz==1.0", "trainer==0.1 sha256:aa"}, Result: map[string]string{"state": "FAILED"}, Times: map[string]time.Duration{"run": 1500 * time.Millisecond}}
	b := compare.Job{Python: "3.12.1", Packages: []string{"six==1.16.0", "trainer==0.1 sha256:bb"}, Result: map[string]string{"state": "SUCCEEDED"}, Times: map[string]time.Duration{"run": 2 * time.Second}}
	r := compare.Compare(a, b)
	if d := cmp.Diff([]compare.Change{{"python", "3.11.7", "3.12.1"}, {"six", "1.15.0", "1.16.0"}, {"toolz", "1.0", ""}}, r.Environment); d != "" {
		t.Errorf("environment (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]compare.Change{{"run", "1.5s", "2s"}}, r.Times); d != "" {
		t.Errorf("times (-want +got):\n%s", d)
	}
	a.Packages = nil
	if r := compare.Compare(a, b); len(r.Environment) != 0 || !r.Same() {
		t.Errorf("with an environment that is not known: %+v", r)
	}
}

func FuzzArguments(f *testing.F) {
	f.Add("--a=1\n--b\n-2\nx", "--a\n1")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := compare.Job{Args: strings.Split(a, "\n")}, compare.Job{Args: strings.Split(b, "\n")}
		if r := compare.Compare(x, x); len(r.Arguments) != 0 {
			t.Errorf("%q differs from itself: %+v", a, r.Arguments)
		}
		there, back := compare.Compare(x, y).Arguments, compare.Compare(y, x).Arguments
		for i, c := range there {
			if back[i] != (compare.Change{Name: c.Name, A: c.B, B: c.A}) {
				t.Errorf("%q to %q is %+v, and back %+v", a, b, there, back)
			}
		}
	})
}
