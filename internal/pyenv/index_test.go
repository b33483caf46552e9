package pyenv

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

// index is a package index of our own on loopback.
type index struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string][]byte // by name
	yanked map[string]bool
	cut    map[string]int // name → how many downloads of it are cut in the middle
	user   string         // "name:password" that is asked for
}

func newIndex(t *testing.T, files ...File) *index {
	x := &index{files: map[string][]byte{}, yanked: map[string]bool{}, cut: map[string]int{}}
	for _, f := range files {
		b, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		x.files[f.Name] = b
	}
	x.Server = httptest.NewServer(x)
	t.Cleanup(x.Close)
	return x
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if user, password, _ := r.BasicAuth(); x.user != "" && user+":"+password != x.user {
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/files/"); ok {
		b := x.files[name]
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		if x.cut[name] > 0 && r.Method == http.MethodGet {
			x.cut[name]--
			_, _ = w.Write(b[:len(b)/2])
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(b)
		return
	}
	project := normalName(strings.Trim(strings.TrimPrefix(r.URL.Path, "/simple/"), "/"))
	page := ""
	for name, b := range x.files {
		if owner, _, _ := strings.Cut(name, "-"); normalName(owner) == project {
			sum := sha256.Sum256(b)
			mark := ""
			if x.yanked[name] {
				mark = ` data-yanked="it was bad"`
			}
			page += `<a href="/files/` + name + "#sha256=" + hex.EncodeToString(sum[:]) + `"` + mark + ">" + name + "</a>\n"
		}
	}
	if page == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte(page))
}

// cache opens a cache that installs from the index and from nowhere else.
func (x *index) cache(t *testing.T, dir string, environ ...string) *Cache {
	t.Helper()
	home := t.TempDir()
	url := strings.Replace(x.URL, "http://", "http://"+strings.Replace(x.user, "/", "%2F", 1)+"@", 1)
	if x.user == "" {
		url = x.URL
	}
	o := withUV(t, Options{Environ: append([]string{"PATH=/usr/bin:/bin", "HOME=" + home, "PIP_INDEX_URL=" + url + "/simple", "UV_HTTP_RETRIES=0"}, environ...)})
	o.Index, o.Pythons = IndexFrom(o.Environ, home), []string{pythonOf(t, "3.11")}
	return testCache(t, dir, o)
}

func (x *index) request(packages ...File) Request { return Request{Python: "3.11", Packages: packages} }

func TestTwoPackagesOneNeedingTheOtherInBothOrders(t *testing.T) {
	lib := wheel(t, "mylib", "1.0", nil, map[string]string{"mylib.py": "x = 7"})
	app := wheel(t, "app", "1.0", []string{"mylib>=1"}, map[string]string{"app.py": "import mylib; print(mylib.x)"})
	x := newIndex(t)
	for _, order := range [][]File{{lib, app}, {app, lib}} {
		env, _ := prepare(t, x.cache(t, t.TempDir()), x.request(order...))
		if got := python(t, env, "import app"); got != "7" {
			t.Errorf("%s before %s: app prints %q", order[0].Name, order[1].Name, got)
		}
		said := strings.Contains(strings.Join(env.Notes, "\n"), "app 1.0 requires mylib>=1, which mylib 1.0 meets though it is listed after it.")
		if told := strings.Contains(strings.Join(env.Notes, "\n"), "list "+lib.Name+" first."); said != told || told != (order[0].Name == app.Name) {
			t.Errorf("%s before %s: the log says %q", order[0].Name, order[1].Name, env.Notes)
		}
	}
}

func TestConflictsSayWhoWantsWhat(t *testing.T) {
	x := newIndex(t,
		wheel(t, "lib", "1.0", nil, nil), wheel(t, "lib", "2.0", nil, nil),
		wheel(t, "left", "1.0", []string{"lib==1.0"}, nil), wheel(t, "right", "1.0", []string{"lib==2.0"}, nil))
	for _, tt := range []struct {
		packages []File
		want     []string
	}{
		{[]File{wheel(t, "one", "1.0", []string{"lib==1.0"}, nil), wheel(t, "two", "1.0", []string{"lib==2.0"}, nil)},
			[]string{"one 1.0 requires lib==1.0", "two 1.0 requires lib==2.0"}},
		{[]File{wheel(t, "app", "1.0", []string{"left", "right"}, nil)},
			[]string{"app 1.0", "left", "lib==1.0", "right", "lib==2.0"}},
	} {
		_, err := x.cache(t, t.TempDir()).Prepare(t.Context(), x.request(tt.packages...), nil)
		if !fault.Is(err, fault.Invalid) && fault.KindOf(err) != fault.Invalid || err == nil {
			t.Fatalf("Prepare = %v", err)
		}
		t.Log(err)
		for _, w := range tt.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
}

func TestAYankedVersionIsTakenOnlyWhereItIsNamed(t *testing.T) {
	bad, good := wheel(t, "lib", "2.0", nil, map[string]string{"lib.py": "v = 2"}), wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": "v = 1"})
	x := newIndex(t, bad, good)
	x.yanked[bad.Name] = true
	for requirement, want := range map[string]string{"lib": "1", "lib==2.0": "2"} {
		env, lines := prepare(t, x.cache(t, t.TempDir()), x.request(wheel(t, "app", "1.0", []string{requirement}, nil)))
		if got := python(t, env, "import lib; print(lib.v)"); got != want {
			t.Errorf("%s: lib %s, want %s", requirement, got, want)
		}
		if warned := strings.Contains(strings.Join(lines, "\n"), "it was bad"); warned != (want == "2") {
			t.Errorf("%s: warned %t\n%s", requirement, warned, strings.Join(lines, "\n"))
		}
	}
}

func TestWithdrawnVersionsAreNamed(t *testing.T) {
	f := wheel(t, "lib", "2.0", nil, nil)
	x := newIndex(t, f)
	x.yanked[f.Name] = true
	_, err := x.cache(t, t.TempDir()).Prepare(t.Context(), x.request(wheel(t, "app", "1.0", []string{"lib>1"}, nil)), nil)
	if fault.KindOf(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), "app 1.0 requires lib>1: the index has withdrawn (yanked) every version of it that would do") {
		t.Errorf("Prepare = %v", err)
	}
}

func TestABrokenWheelInTheIndexIsNamed(t *testing.T) {
	f := wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": strings.Repeat("x = 1\n", 1000)})
	x := newIndex(t, f)
	x.files[f.Name] = x.files[f.Name][:len(x.files[f.Name])/2]
	_, err := x.cache(t, t.TempDir()).Prepare(t.Context(), x.request(wheel(t, "app", "1.0", []string{"lib"}, nil)), nil)
	if fault.KindOf(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), "app 1.0 requires lib: the archive is damaged") {
		t.Errorf("Prepare = %v", err)
	}
}

func TestAnIndexThatGoesAwayInTheMiddle(t *testing.T) {
	var big strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&big, "x%d = %x\n", i, sha256.Sum256(fmt.Append(nil, i)))
	}
	f := wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": "v = 1", "big.txt": big.String()})
	x := newIndex(t, f)
	x.cut[f.Name] = 1
	app := wheel(t, "app", "1.0", []string{"lib"}, nil)
	env, _ := prepare(t, x.cache(t, t.TempDir()), x.request(app))
	if got := python(t, env, "import lib; print(lib.v)"); got != "1" {
		t.Errorf("after one cut: %q", got)
	}
	x.cut[f.Name] = 1000
	_, err := x.cache(t, t.TempDir()).Prepare(t.Context(), x.request(app), func(s string) { t.Log(s) })
	if fault.KindOf(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), "app 1.0 requires lib: it cannot be read whole from the package index") {
		t.Errorf("always cut: %v (%v)", err, fault.KindOf(err))
	}
}

func TestWhatIsCachedInstallsWithoutAnIndex(t *testing.T) {
	x := newIndex(t, wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": "v = 1"}), wheel(t, "other", "1.0", []string{"lib"}, map[string]string{"other.py": ""}))
	dir := t.TempDir()
	prepare(t, x.cache(t, dir), x.request(wheel(t, "app", "1.0", []string{"other"}, nil)))
	x.Close()
	// Another environment from the same packages.
	env, _ := prepare(t, x.cache(t, dir, "UV_OFFLINE=1"), x.request(wheel(t, "app", "2.0", []string{"lib", "other"}, nil)))
	if got := python(t, env, "import lib, other; print(lib.v)"); got != "1" {
		t.Errorf("lib %q", got)
	}
}

// TestConstraintsOfPipHold: they decide what is installed, whichever installer
// does it, and so belong to an environment's key.
func TestConstraintsOfPipHold(t *testing.T) {
	x := newIndex(t, wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": "v = 1"}), wheel(t, "lib", "2.0", nil, map[string]string{"lib.py": "v = 2"}))
	file := filepath.Join(t.TempDir(), "constraints.txt")
	dir := t.TempDir()
	for version, want := range map[string]string{"lib<2": "1", "lib>=2": "2"} {
		if err := os.WriteFile(file, []byte(version+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"PIP_CONSTRAINT=", "UV_CONSTRAINT="} {
			env, _ := prepare(t, x.cache(t, dir, name+file), x.request(wheel(t, "app", "1.0", []string{"lib"}, nil)))
			if got := python(t, env, "import lib; print(lib.v)"); got != want {
				t.Errorf("%s with %s: lib %s", name, version, got)
			}
		}
	}
}

// TestSettingsOfOtherWorkDoNotCount: what the server's user has set for work of
// his own neither breaks an environment nor adds to it.
func TestSettingsOfOtherWorkDoNotCount(t *testing.T) {
	x := newIndex(t, wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": "v = 1"}))
	c := x.cache(t, t.TempDir(), "UV_VENV_SEED=1", "UV_REQUIRE_HASHES=1", "UV_EXCLUDE_NEWER=", "UV_LINK_MODE=symlink", "UV_NO_BUILD_ISOLATION=1", "PIP_DRY_RUN=1", "PYTHONHOME=/none", "VIRTUAL_ENV=/none")
	env, _ := prepare(t, c, x.request(wheel(t, "app", "1.0", []string{"lib"}, nil)))
	got := python(t, env, "import importlib.metadata as m, os, lib; print(sorted(d.metadata['Name'] for d in m.distributions()), os.path.islink(lib.__file__))")
	if got != "['app', 'lib'] False" {
		t.Errorf("there is %s", got)
	}
}

// TestSecretsAreNowhere greps everything that an environment leaves: the log,
// what is on the disk, and the arguments that uv was started with.
func TestSecretsAreNowhere(t *testing.T) {
	x := newIndex(t, wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": ""}))
	x.user = "somebody:open/sesame-77"
	dir := t.TempDir()
	c := x.cache(t, dir)
	args := filepath.Join(t.TempDir(), "args")
	spy := filepath.Join(t.TempDir(), "uv")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %s\nexec %s \"$@\"\n", args, c.o.UV)
	if err := os.WriteFile(spy, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	c.o.UV = spy
	env, lines := prepare(t, c, x.request(sdist(t, "app", "1.0", "", map[string]string{"setup.py": "raise SystemExit", "PKG-INFO": "Metadata-Version: 1.0\nName: app\nVersion: 1.0\nGenerator: trainyard 1\nRequires-Dist: lib\n", "app.py": ""}), wheel(t, "two", "1.0", []string{"lib"}, nil)))
	b, err := os.ReadFile(args)
	if err != nil || !strings.Contains(string(b), "pip install") {
		t.Fatalf("uv was started with %q, %v", b, err)
	}
	told := map[string]string{"the log": strings.Join(lines, "\n"), "uv's arguments": string(b), "what is kept of it": fmt.Sprint(env.Made, env.Notes, env.Vars)}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		told[path] = string(b)
		return err
	})
	if err != nil || files < 20 {
		t.Fatalf("%d files read, %v", files, err)
	}
	for where, text := range told {
		for _, secret := range []string{"sesame-77", "open%2Fsesame"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the password", where)
			}
		}
	}
}
