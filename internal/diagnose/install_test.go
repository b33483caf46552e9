package diagnose

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/pyenv"
)

// packageIndex serves wheels; with a user it asks who is there, and with a
// digest it serves files that have another one.
type packageIndex struct {
	files  []pyenv.File
	user   bool
	digest string
}

func (x packageIndex) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if x.user {
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	page := ""
	for _, f := range x.files {
		project, _, _ := strings.Cut(f.Name, "-")
		if r.URL.Path == "/files/"+f.Name {
			http.ServeFile(w, r, f.Path)
			return
		}
		if r.URL.Path == "/simple/"+project+"/" {
			digest := f.SHA256
			if x.digest != "" {
				digest = x.digest
			}
			page += fmt.Sprintf(`<a href="/files/%s#sha256=%s">%s</a>`, f.Name, digest, f.Name)
		}
	}
	if page == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte(page))
}

func file(t *testing.T, name string, content []byte) pyenv.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return pyenv.File{Name: name, Path: path, SHA256: hex.EncodeToString(sum[:])}
}

// wheel is a wheel with one module. Headers are lines of its METADATA.
func wheel(t *testing.T, name, version, tag string, module string, headers ...string) pyenv.File {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	for _, f := range [][2]string{
		{name + ".py", module},
		{info + "METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s\n", name, version, strings.Join(headers, "\n"))},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: " + tag + "\n"},
		{info + "RECORD", fmt.Sprintf("%s.py,,\n%sMETADATA,,\n%sWHEEL,,\n%sRECORD,,\n", name, info, info, info)},
	} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f[0], Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(f[1]))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return file(t, fmt.Sprintf("%s-%s-%s.whl", name, version, tag), b.Bytes())
}

// sdist is a source archive with nothing but a setup.py.
func sdist(t *testing.T, setup string) pyenv.File {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	for _, f := range [][2]string{{"app-1.0/PKG-INFO", "Metadata-Version: 1.0\nName: app\nVersion: 1.0\n"}, {"app-1.0/setup.py", setup}} {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1]))}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(f[1]))
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return file(t, "app-1.0.tar.gz", b.Bytes())
}

// install is how the exit record of a job reads that needs these packages.
func install(t *testing.T, dir, installer, uv string, environ []string, packages []pyenv.File) *job.Exit {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	if environ == nil {
		environ = os.Environ()
	} else {
		home = t.TempDir()
	}
	o := pyenv.Options{Installer: installer, UV: uv, Environ: environ, Index: pyenv.IndexFrom(environ, home), Pythons: []string{interpreter(t, "")}, Log: slog.New(slog.DiscardHandler)}
	c, err := pyenv.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	env, err := c.Prepare(t.Context(), pyenv.Request{Packages: packages}, nil)
	if err == nil {
		env.Release()
		t.Fatal("it installs")
	}
	e := &job.Exit{Code: 1, Step: "environment", Message: err.Error() + "\n" + fault.HintOf(err)}
	if ie, ok := errors.AsType[*pyenv.InstallError](err); ok {
		e.Step, e.Code, e.Tail = strings.Replace(ie.Step, "build", "install", 1), max(1, ie.Code), strings.Split(strings.TrimRight(ie.Output, "\n"), "\n")
	}
	return e
}

type installation struct {
	name     string
	index    *packageIndex // nil: the machine's own
	packages []pyenv.File
	cause    string
	says     string
}

// by are the installers whose words are tested: pip takes its time, and says
// less than uv.
func (i installation) by() []string {
	if i.name == "two that contradict each other" || i.name == "a version that is not there" {
		return []string{"uv", "pip"}
	}
	return []string{"uv"}
}

func TestEveryCauseOfAnInstallationIsFound(t *testing.T) {
	any := "py3-none-any"
	app := func(requires ...string) pyenv.File {
		for i := range requires {
			requires[i] = "Requires-Dist: " + requires[i]
		}
		return wheel(t, "app", "1.0", any, "", requires...)
	}
	lib := func(version string, headers ...string) pyenv.File {
		return wheel(t, "lib", version, any, "", headers...)
	}
	uvs, err := pyenv.Open(t.TempDir(), pyenv.Options{Environ: os.Environ(), Index: pyenv.IndexFrom(os.Environ(), os.Getenv("HOME"))})
	if err != nil {
		t.Fatal(err)
	}
	uv, err := uvs.UV(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []installation{
		{"a name that nobody has", &packageIndex{}, []pyenv.File{app("no-such-package-of-anybody>=7")}, "no-version", "nothing that fits no-such-package-of-anybody"},
		{"a version that is not there", &packageIndex{files: []pyenv.File{lib("1.0")}}, []pyenv.File{app("lib==9.0")}, "no-version", "nothing that fits lib==9.0"},
		{"two that contradict each other", &packageIndex{files: []pyenv.File{lib("1.0"), lib("2.0")}}, []pyenv.File{app("lib==1.0"), wheel(t, "other", "2.0", any, "", "Requires-Dist: lib==2.0")},
			"conflict", "app 1.0 requires lib==1.0, and other 2.0 requires lib==2.0"},
		{"two dependencies that contradict each other", &packageIndex{files: []pyenv.File{lib("1.0"), lib("2.0"), wheel(t, "left", "1.0", any, "", "Requires-Dist: lib==1.0"), wheel(t, "right", "1.0", any, "", "Requires-Dist: lib==2.0")}},
			[]pyenv.File{app("left", "right")}, "conflict", "The requirements contradict each other"},
		{"a pin for another Python", &packageIndex{files: []pyenv.File{lib("1.0", "Requires-Python: >=3.99")}}, []pyenv.File{app("lib==1.0")}, "python-version", "does not serve this version of Python; it wants >=3.99."},
		{"no wheel for this Python", &packageIndex{files: []pyenv.File{wheel(t, "lib", "1.0", "cp27-cp27mu-manylinux1_x86_64", "")}}, []pyenv.File{app("lib==1.0")}, "no-wheel", "lib==1.0 has no wheel for this Python"},
		{"a password", &packageIndex{user: true}, []pyenv.File{app("lib")}, "index-denied", "refuses access"},
		{"another digest", &packageIndex{files: []pyenv.File{lib("1.0")}, digest: strings.Repeat("ab", 32)}, []pyenv.File{app("lib")}, "hash", "whose digest is not the one"},
		{"a damaged archive", nil, []pyenv.File{file(t, "junk-1.0.tar.gz", []byte("junk"))}, "damaged-package", "junk-1.0.tar.gz is no package"},
		{"a file that is not packed", nil, []pyenv.File{sdist(t, "from setuptools import setup\nsetup(name='app', version='1.0', install_requires=open('requirements.txt').read().split())\n")}, "build-file-missing", "setup.py reads requirements.txt"},
		{"an import of setup.py", nil, []pyenv.File{sdist(t, "import numpy_of_nobody\n")}, "build-import", "setup.py imports numpy_of_nobody"},
		{"a setup.py that fails", nil, []pyenv.File{sdist(t, "raise RuntimeError('no compiler')\n")}, "build-failed", "could not be built"},
	} {
		for _, installer := range tt.by() {
			t.Run(tt.name+"/"+installer, func(t *testing.T) {
				t.Parallel()
				var environ []string
				if tt.index != nil {
					s := httptest.NewServer(tt.index)
					defer s.Close()
					environ = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "PIP_INDEX_URL=" + s.URL + "/simple", "UV_HTTP_RETRIES=0", "PIP_RETRIES=0", "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1"}
				}
				e := install(t, t.TempDir(), installer, uv, environ, tt.packages)
				if d := Of(failure(e)); d.Cause != tt.cause || !strings.Contains(d.Text, tt.says) || strings.Contains(d.Text+d.Hint, "${") {
					t.Errorf("cause %q: %s\nwant %q: %s\nof %+v", d.Cause, d.Text, tt.cause, tt.says, e)
				}
			})
		}
	}
	t.Run("an index that is away", func(t *testing.T) {
		environ := []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "PIP_INDEX_URL=http://127.0.0.1:9/simple", "UV_HTTP_RETRIES=0"}
		e := install(t, t.TempDir(), "uv", uv, environ, []pyenv.File{app("lib")})
		if d := Of(failure(e)); d.Cause != "index-unreachable" {
			t.Errorf("cause %q of %+v", d.Cause, e)
		}
	})
	t.Run("a full disk", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
			t.Skipf("SKIPPED: a small disk cannot be mounted here: %v", err)
		}
		defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
		e := install(t, dir, "uv", uv, nil, []pyenv.File{wheel(t, "app", "1.0", any, strings.Repeat("# much\n", 1<<20))})
		if d := Of(failure(e)); d.Cause != "install-disk-full" {
			t.Errorf("cause %q of %+v", d.Cause, e)
		}
	})
}

func TestCausesThatAreInTheRecordAlone(t *testing.T) {
	lost := failure(nil)
	lost.Replica.State = job.ReplicaLost
	for want, f := range map[string]Failure{
		"lost": lost,
		// As the agent writes it.
		"gcloud-package": failure(&job.Exit{Code: 1, Step: "run", Uncaught: true, Message: "trainer-0.0.0.tar.gz was made by gcloud's generated setup.py, which takes the Python files of the package's top folder and nothing below it.",
			Traceback: "Traceback (most recent call last):\n  File \"/data/lib/python3.11/site-packages/trainer/task.py\", line 2, in <module>\n    open(os.path.join(os.path.dirname(__file__), 'words.txt'))\n" +
				"FileNotFoundError: [Errno 2] No such file or directory: '/data/lib/python3.11/site-packages/trainer/words.txt'\n"}),
		"package-fetch": failure(&job.Exit{Code: 1, Step: "fetch", Message: "gs://b/x.tar.gz: No such object: b/x.tar.gz"}),
	} {
		if d := Of(f); d.Cause != want || d.Text == "" {
			t.Errorf("cause %q: %s, want %q", d.Cause, d.Text, want)
		}
	}
	if !slices.ContainsFunc(elsewhere, func(s string) bool { return s == "idle" }) {
		t.Error("the cause idle is tested nowhere")
	}
}
