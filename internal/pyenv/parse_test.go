package pyenv

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestVersionsSortAsPythonSortsThem(t *testing.T) {
	order := []string{"0.9", "1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0a2", "1.0b1", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.1", "1.10", "2.0", "1!0.1"}
	for i := range order {
		for j := range order {
			a, _ := parseVersion(order[i])
			b, ok := parseVersion(order[j])
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := a.compare(b); !ok || got != want {
				t.Errorf("%s against %s = %d, want %d", order[i], order[j], got, want)
			}
		}
	}
}

func TestSatisfies(t *testing.T) {
	for _, tt := range []struct {
		version, spec string
		want          bool
	}{
		{"1.2", "", true}, {"1.2", ">=1.2,<2", true}, {"1.2", ">1.2", false}, {"1.2.0", "==1.2", true}, {"1.2.3", "==1.2.*", true}, {"1.20", "==1.2.*", false},
		{"1.2.3", "!=1.2.*", false}, {"1.4.5", "~=1.4.2", true}, {"1.5", "~=1.4.2", false}, {"1.5", "~=1.4", true}, {"1.0+local", "==1.0", true},
		{"2.0rc1", "<2", false}, {"1.2", "(>=1.0)", true}, {"not a version", ">1", true}, {"10", ">9", true}, {"1.0.post1", ">1.0", false},
	} {
		if got := satisfies(tt.version, tt.spec); got != tt.want {
			t.Errorf("satisfies(%q, %q) = %t, want %t", tt.version, tt.spec, got, tt.want)
		}
	}
}

func TestMarkers(t *testing.T) {
	for _, tt := range []struct {
		marker string
		extras []string
		want   answer
	}{
		{"", nil, yes}, {"python_version < '3'", nil, no}, {"python_version >= '3.9'", nil, yes}, {`extra == "gpu"`, nil, no}, {`extra == "gpu"`, []string{"gpu"}, yes},
		{`python_version >= '3.6' and (extra == 'a' or extra == 'b_c')`, []string{"b-c"}, yes}, {"platform_release > '1'", nil, perhaps},
		{"platform_release > '1' and extra == 'x'", nil, no}, {"sys_platform == 'win32' or python_version in '3.10 3.11'", nil, yes}, {"nonsense ((", nil, perhaps},
		{"implementation_name == 'pypy'", nil, no}, {"'linux' not in sys_platform and python_version<'3'", nil, no},
	} {
		if got := evalMarker(tt.marker, "3.11.7", tt.extras); got != tt.want {
			t.Errorf("evalMarker(%q, %v) = %d, want %d", tt.marker, tt.extras, got, tt.want)
		}
	}
}

func TestPlanFollowsPipsOrder(t *testing.T) {
	lib := dist{Name: "My.Lib", Version: "1.0", digest: "a"}
	app := dist{Name: "app", Version: "0.1", Requires: []string{"my_lib>=2", "numpy>=1 ; python_version>'3'", "old; python_version<'3'"}}
	for _, tt := range []struct {
		name          string
		dists         []dist
		requires, top []string
	}{
		{"a later requirement replaces an earlier package", []dist{lib, app}, []string{"my-lib>=2", "numpy>=1"}, []string{"app"}},
		{"a later package stays", []dist{app, lib}, []string{"numpy>=1"}, []string{"app", "My.Lib"}},
		{"of one name the later", []dist{lib, {Name: "my-lib", Version: "2.1"}, app}, []string{"numpy>=1"}, []string{"my-lib", "app"}},
		{"its own extras", []dist{{Name: "a", Version: "1", Requires: []string{"a[x]", "six; extra=='x'", "no; extra=='y'"}}}, []string{"six"}, []string{"a"}},
	} {
		p := makePlan(tt.dists, "3.11.7")
		var top []string
		for _, d := range p.top {
			top = append(top, d.Name)
		}
		if !slices.Equal(p.requires, tt.requires) || !slices.Equal(top, tt.top) {
			t.Errorf("%s: base %v, top %v; want %v, %v", tt.name, p.requires, top, tt.requires, tt.top)
		}
	}
}

func TestIndexIsReadAsPipReadsIt(t *testing.T) {
	home, links := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(".config/pip/pip.conf", "[global]\nindex-url = https://file/simple\nextra-index-url =\n    https://one/simple\n    https://two/simple\n# c\n[install]\ntrusted-host = a b\n[freeze]\nindex-url = no\n")
	write("own.conf", "[global]\nno_index: yes\n")
	x := IndexFrom([]string{"PIP_FIND_LINKS=/does/not/exist " + links, "PIP_CERT=/ca.pem"}, home)
	if x.URL != "https://file/simple" || !slices.Equal(x.Extra, []string{"https://one/simple", "https://two/simple"}) || !slices.Equal(x.Trusted, []string{"a", "b"}) ||
		!slices.Equal(x.FindLinks, []string{links}) || x.CA != "/ca.pem" || x.NoIndex {
		t.Errorf("from files: %+v", x)
	}
	x = IndexFrom([]string{"PIP_INDEX_URL=https://env/simple", "PIP_CONFIG_FILE=" + filepath.Join(home, "own.conf")}, home)
	if x.URL != "https://env/simple" || !x.NoIndex {
		t.Errorf("the environment and its file over the user's: %+v", x)
	}
	if x = IndexFrom([]string{"PIP_CONFIG_FILE=/dev/null"}, home); x.URL != "" || len(x.Extra) > 0 {
		t.Errorf("PIP_CONFIG_FILE=/dev/null: %+v", x)
	}
}

func TestSecretsAreNoPartOfAKey(t *testing.T) {
	for _, a := range []Index{{URL: "https://me:one@host/simple"}, {Extra: []string{"https://token@host/simple"}}} {
		if m := strings.Join(a.material(), " "); strings.Contains(m, "one@") || strings.Contains(m, "token") {
			t.Errorf("material %q holds a secret", m)
		}
	}
}

func FuzzRequirementsAndMarkers(f *testing.F) {
	f.Add("numpy[a,b]>=1.2,!=1.3.*; python_version<'3' and extra=='x'")
	f.Add("x @ https://u:p@h/x.whl#sha256=0 ; os_name=='nt'")
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseRequirement(s)
		if !ok {
			return
		}
		evalMarker(r.marker, "3.11.7", r.extras)
		satisfies("1.2.3", r.specifiers)
		again, ok := parseRequirement(r.text)
		if !ok || again.name != r.name || !slices.Equal(again.extras, r.extras) {
			t.Errorf("%q became %q, which reads as %+v (%t)", s, r.text, again, ok)
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add("[global]\nindex-url = https://u:p@h/\n  more\n", "machine h login u password p", "https://u:secret@h/")
	f.Fuzz(func(t *testing.T, conf, netrc, text string) {
		parsePipConf(conf)
		pageLinks("text/html", []byte(conf))
		pageLinks("application/json", []byte(conf))
		if out := redactURLs("http://user:hunter2@host/" + text); strings.Contains(out, "hunter2") {
			t.Errorf("redactURLs left the password in %q", out)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add("Name: x\nVersion: 1\nRequires-Dist: y\n\nbody")
	f.Fuzz(func(t *testing.T, s string) { _, _ = readMetadata(strings.NewReader(s)) })
}
