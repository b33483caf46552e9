package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/config"
)

// TestAServerInTheBackgroundFindsTheFilesThatTheCommandNames: it runs in another
// folder than the command that starts it.
func TestAServerInTheBackgroundFindsTheFilesThatTheCommandNames(t *testing.T) {
	t.Chdir(t.TempDir())
	wd, err := os.Getwd() // with links followed
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("x", []byte("sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	defaults, err := config.Load(config.Input{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range serverKeys() {
		if _, isPath := defaults.Path(name); !isPath || name == "data-dir" {
			continue
		}
		want := "--" + name + "=" + filepath.Join(wd, "x")
		variable := "TRAINYARD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "=x"
		for how, in := range map[string]config.Input{"variable": {Environ: []string{variable}}, "flag": {Flags: map[string]string{name: "x"}}} {
			s, err := config.Load(in)
			if err != nil {
				t.Fatal(err)
			}
			if got := (&App{flags: in.Flags}).handedOn(s); !slices.Equal(got, []string{want}) {
				t.Errorf("%s as a %s: %q, want %q", name, how, got, want)
			}
		}
	}
	s, err := config.Load(config.Input{Environ: []string{"HOME=" + wd}})
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{"installer": "pip", "listen": "h:1", "token-file": ""}
	if got, want := (&App{flags: given}).handedOn(s), []string{"--token-file=", "--installer=pip"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestAServerIsReplacedWhereItWas: an upgrade neither moves a server nor hides
// it from other machines.
func TestAServerIsReplacedWhereItWas(t *testing.T) {
	for _, c := range []struct{ listen, endpoint, want string }{
		{"127.0.0.1:8450", "http://127.0.0.1:9000", "127.0.0.1:9000"},
		{"0.0.0.0:8450", "http://127.0.0.1:9000", "0.0.0.0:9000"},
		{":0", "http://127.0.0.1:9000", ":9000"},
		{"[::]:0", "http://127.0.0.1:9000", "[::]:9000"},
		{"host:1", "http://10.0.0.1:9000", "10.0.0.1:9000"},
	} {
		if got := successor(c.listen, c.endpoint); got != c.want {
			t.Errorf("%s at %s: %s, want %s", c.listen, c.endpoint, got, c.want)
		}
	}
}
