package pyenv

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

func renamed(f File, name string) File {
	f.Name = name
	return f
}

func TestFailuresAreSentences(t *testing.T) {
	o := withUV(t, Options{})
	for _, tt := range []struct {
		name string
		pkg  File
		kind fault.Kind
		want []string
	}{
		{"no such package", wheel(t, "app", "1.0", []string{"tyard-no-such-package-anywhere"}, nil), fault.Invalid,
			[]string{"app 1.0 requires tyard-no-such-package-anywhere: there is no such package in the index"}},
		{"no such version", wheel(t, "app", "1.0", []string{"toolz", "six==99.99"}, nil), fault.Invalid,
			[]string{"app 1.0 requires six==99.99: there is no matching version in the index"}},
		{"setup.py that raises", sdist(t, "app", "1.0", "", map[string]string{"setup.py": "raise RuntimeError('my setup broke')"}), fault.Invalid,
			[]string{"app-1.0.tar.gz", "does not build", "RuntimeError: my setup broke"}},
		{"setup.py that gives up", sdist(t, "app", "1.0", "", map[string]string{"setup.py": "import sys\nsys.exit('install the SDK first')"}), fault.Invalid,
			[]string{"app-1.0.tar.gz: it does not build: install the SDK first"}},
		{"a requirement that is none in setup.py", sdist(t, "app", "1.0", "install_requires=['-e git+https://127.0.0.1/x#egg=x']", nil), fault.Invalid,
			[]string{"does not build: ", "error in app setup command: 'install_requires' must be"}},
		{"setup.py that imports what is not there", sdist(t, "app", "1.0", "", map[string]string{"setup.py": "import tyard_helper\nfrom setuptools import setup\nsetup(name='app', version='1.0')\n"}), fault.Invalid,
			[]string{"app-1.0.tar.gz", "does not build", "No module named 'tyard_helper'", `requires = ["setuptools<82", "tyard_helper"]`}},
		{"not an archive", File{Name: "app.whl", Path: "errors_test.go", SHA256: "00"}, fault.Invalid, []string{"app.whl", "not named as a wheel"}},
		{"a wheel under another name", renamed(wheel(t, "lib", "1.0", nil, nil), "app-1.0-py3-none-any.whl"), fault.Invalid, []string{"package app-1.0-py3-none-any.whl holds lib 1.0, which is not what its name says"}},
		{"a wheel under another version", renamed(wheel(t, "app", "1.0", nil, nil), "app-1.1-py3-none-any.whl"), fault.Invalid, []string{"package app-1.1-py3-none-any.whl holds app 1.0"}},
		{"damaged archive", File{Name: "app-1.0.tar.gz", Path: "errors_test.go", SHA256: "01"}, fault.Invalid, []string{"app-1.0.tar.gz: the archive is damaged"}},
		{"an egg", File{Name: "app-1.0.egg", Path: "errors_test.go", SHA256: "02"}, fault.Invalid, []string{"neither a wheel"}},
		{"a requirement nobody can read", wheel(t, "app", "1.0", []string{"six=>1"}, nil), fault.Invalid, []string{"app 1.0 requires six=>1"}},
		{"a Python that is too new for it", wheel(t, "app", "1.0", []string{"tensorflow==1.15.5"}, nil), fault.Invalid, []string{"app 1.0 requires tensorflow==1.15.5: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testCache(t, t.TempDir(), o)
			_, err := c.Prepare(t.Context(), Request{Packages: []File{tt.pkg}}, func(s string) { t.Log(s) })
			e, ok := errors.AsType[*InstallError](err)
			if !ok || fault.KindOf(err) != tt.kind || e.Retry {
				t.Fatalf("Prepare = %v (%v), want an InstallError that is %v", err, fault.KindOf(err), tt.kind)
			}
			t.Log(err)
			for _, w := range tt.want {
				if !strings.Contains(err.Error()+"\n"+fault.HintOf(err), w) {
					t.Errorf("error %q (%s) does not say %q", err, fault.HintOf(err), w)
				}
			}
		})
	}
}

// TestADependencyThatIsBuiltSaysSo: building takes minutes, and what a compiler
// says at its end says nothing of whose fault it was.
func TestADependencyThatIsBuiltSaysSo(t *testing.T) {
	lib := sdist(t, "tyard-lib", "1.0", "", map[string]string{"setup.py": "import sys\nfrom setuptools import setup\nif 'bdist_wheel' in sys.argv:\n    for i in range(3000): print('gcc -c -O3', i, file=sys.stderr)\n    sys.exit('error: ' + 'x' * 900)\nsetup(name='tyard-lib', version='1.0')\n"})
	o := withUV(t, Options{Environ: append(os.Environ(), "PIP_FIND_LINKS="+filepath.Dir(lib.Path))})
	log := ""
	_, err := testCache(t, t.TempDir(), o).Prepare(t.Context(), Request{Packages: []File{wheel(t, "app", "1.0", []string{"toolz", "tyard-lib"}, nil)}}, func(s string) { log += s + "\n" })
	if err == nil || !strings.HasPrefix(err.Error(), "app 1.0 requires tyard-lib: it does not build: ") || !strings.Contains(fault.HintOf(err), "a version with a wheel") || len(err.Error()) > 800 {
		t.Errorf("Prepare = %v (%s)", err, fault.HintOf(err))
	}
	if !strings.Contains(log, "\ntyard-lib 1.0 has no wheel for this Python and machine: it is built from its source, which may take long or fail.\n") {
		t.Errorf("the log does not say that it is built:\n%s", log)
	}
}

func TestAnIndexThatIsNone(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html><body>Log in, please.</body></html>"))
	}))
	defer s.Close()
	x := &index{Server: s}
	_, err := x.cache(t, t.TempDir()).Prepare(t.Context(), x.request(wheel(t, "app", "1.0", []string{"six"}, nil)), nil)
	if err == nil || !strings.Contains(err.Error(), "app 1.0 requires six: the package index lists no version of it") {
		t.Errorf("Prepare = %v", err)
	}
}

func TestACertificateThatIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	file := authority(t, filepath.Join(dir, "authority.pem")).issue(t, filepath.Join(dir, "server.pem"))
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	defer s.Close()
	c := (&index{Server: s}).cache(t, t.TempDir())
	_, err = c.Prepare(t.Context(), Request{Packages: []File{wheel(t, "app", "1.0", []string{"six"}, nil)}}, nil)
	c.o.UV, c.o.Environ = "", []string{"PATH=/none"}
	_, uvErr := c.UV(t.Context())
	for _, err := range []error{err, uvErr} {
		e, _ := errors.AsType[*InstallError](err)
		if !fault.Is(err, fault.Precondition) || e != nil && e.Retry || !strings.Contains(err.Error(), "the package index's certificate is not trusted here") || !strings.Contains(fault.HintOf(err), "PIP_CERT") {
			t.Errorf("Prepare or UV = %v (%s)", err, fault.HintOf(err))
		}
	}
}

// TestTheCertificateOfAnAuthority is what openssl req -x509 makes, and what the
// test server has.
func TestTheCertificateOfAnAuthority(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	_, err := (&index{Server: s}).cache(t, t.TempDir()).Prepare(t.Context(), Request{Packages: []File{wheel(t, "app", "1.0", []string{"six"}, nil)}}, nil)
	if !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "serves the certificate of an authority (CA:TRUE) as its own") || !strings.Contains(fault.HintOf(err), "PIP_TRUSTED_HOST") {
		t.Errorf("Prepare = %v (%s)", err, fault.HintOf(err))
	}
}

func TestUnreachableIndexMayComeBack(t *testing.T) {
	for _, installer := range []string{"uv", "pip"} {
		t.Run(installer, func(t *testing.T) {
			o := Options{Installer: installer, Environ: []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "PIP_RETRIES=1"}}
			if installer == "uv" {
				o = withUV(t, o)
			}
			o.Environ = append(o.Environ, "UV_HTTP_RETRIES=0", "PIP_INDEX_URL=http://somebody:sesame99@127.0.0.1:9/simple")
			o.Index = IndexFrom(o.Environ, "/none")
			o.Pythons = []string{pythonOf(t, "3.11")}
			c := testCache(t, t.TempDir(), o)
			log := ""
			_, err := c.Prepare(t.Context(), Request{Python: "3.11", Packages: []File{wheel(t, "app", "1.0", []string{"six"}, nil)}}, func(s string) { log += s + "\n" })
			e, ok := errors.AsType[*InstallError](err)
			if !ok || !e.Retry || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "app 1.0 requires six: the package index is not reachable") {
				t.Errorf("Prepare = %v\n%s", err, log)
			}
			if strings.Contains(log+e.Output+err.Error(), "sesame99") {
				t.Errorf("the password is told: %v\n%s\n%s", err, e.Output, log)
			}
			if !strings.Contains(log, "Retrying ...") {
				t.Errorf("it was not tried twice:\n%s", log)
			}
		})
	}
}

func TestRefusedAccessKeepsThePassword(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		http.Error(w, user+":"+password, http.StatusUnauthorized) // a careless index repeats it
	}))
	defer s.Close()
	url := strings.Replace(s.URL, "http://", "http://somebody:open%2Fsesame@", 1) + "/simple"
	o := withUV(t, Options{Environ: []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "PIP_INDEX_URL=" + url}})
	o.Index, o.Pythons = IndexFrom(o.Environ, "/none"), []string{pythonOf(t, "3.11")}
	c := testCache(t, t.TempDir(), o)
	log := ""
	_, err := c.Prepare(t.Context(), Request{Packages: []File{wheel(t, "app", "1.0", []string{"six"}, nil)}}, func(s string) { log += s + "\n" })
	e, ok := errors.AsType[*InstallError](err)
	if !ok || !fault.Is(err, fault.Denied) {
		t.Fatalf("Prepare = %v (%v)\n%s", err, fault.KindOf(err), log)
	}
	if all := log + e.Output + err.Error(); strings.Contains(all, "sesame") {
		t.Errorf("the password is told:\n%s", all)
	}
	c.o.UV, c.o.Environ = "", []string{"PATH=/none"}
	if _, err := c.UV(t.Context()); !fault.Is(err, fault.Denied) || strings.Contains(err.Error(), "sesame") {
		t.Errorf("UV = %v, want denied without the password", err)
	}
}

func TestAWrongUVIsNotRun(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".whl") {
			_, _ = w.Write([]byte("something else"))
			return
		}
		_, _ = w.Write([]byte(`<a href="../../files/` + uvPin().Files[platform()].Name + `#sha256=00">uv</a>`))
	}))
	defer s.Close()
	c := testCache(t, t.TempDir(), Options{Installer: "uv", Environ: []string{"PATH=/none"}, Index: Index{URL: s.URL + "/simple", Netrc: "/none"}})
	if _, err := c.UV(t.Context()); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "is not the one we know") {
		t.Errorf("UV = %v", err)
	}
}

func TestStoppingEndsAHangingBuild(t *testing.T) {
	c := testCache(t, t.TempDir(), withUV(t, Options{}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pkg := sdist(t, "app", "1.0", "", map[string]string{"setup.py": "import sys, time\nprint('hanging now', file=sys.stderr, flush=True)\ntime.sleep(600)\n"})
	begin := time.Now()
	_, err := c.Prepare(ctx, Request{Packages: []File{pkg}}, func(s string) {
		if strings.HasPrefix(s, "Building the package: ") {
			cancel()
		}
	})
	if err == nil || time.Since(begin) > 50*time.Second {
		t.Errorf("Prepare = %v after %v", err, time.Since(begin))
	}
}

// pythonOf is the path of an interpreter of a line, newest where it is missing.
func pythonOf(t *testing.T, line string) string {
	t.Helper()
	c := testCache(t, t.TempDir(), Options{})
	for _, i := range c.Interpreters(t.Context()) {
		if minor(i.Version) == line {
			return i.Path
		}
	}
	t.Skipf("SKIPPED: no Python %s on this machine", line)
	return ""
}

// TestAPythonThatIsTooOldForItIsTold as the samples of the original meet it:
// their setup.py has moved on, their scripts ask for Python 3.7.
func TestAPythonThatIsTooOldForItIsTold(t *testing.T) {
	o := withUV(t, Options{Pythons: []string{pythonOf(t, "3.7")}})
	_, err := testCache(t, t.TempDir(), o).Prepare(t.Context(), Request{Python: "3.7", Packages: []File{wheel(t, "app", "1.0", []string{"six", "pandas==1.4.1"}, nil)}}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "app 1.0 requires pandas==1.4.1: needs Python >=3.8, and the job's is 3.7.") {
		t.Errorf("Prepare = %v", err)
	}
}
