package keep

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestABoxOpensWhatItSealed(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenBox(dir); !fault.Is(err, fault.NotFound) {
		t.Errorf("a box that nobody made: %v", err)
	}
	made, err := MakeBox(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, boxFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	box, err := OpenBox(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "sesame", strings.Repeat("ü\x00", 9999)} {
		sealed := made.Seal(value, "p/j/X")
		if value != "" && strings.Contains(sealed, value) || sealed == made.Seal(value, "p/j/X") {
			t.Errorf("sealed as %.40s", sealed)
		}
		if got, err := box.Open(sealed, "p/j/X"); err != nil || got != value {
			t.Errorf("opened as %.40q, %v", got, err)
		}
		if got, err := box.Open(sealed, "p/k/X"); !fault.Is(err, fault.Precondition) || got != "" {
			t.Errorf("opened for another job: %q, %v", got, err)
		}
		changed := []byte(sealed)
		changed[len(boxVersion)] ^= 1
		if got, err := box.Open(string(changed), "p/j/X"); err == nil {
			t.Errorf("changed, it opens as %q", got)
		}
		other, err := MakeBox(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := other.Open(sealed, "p/j/X"); !fault.Is(err, fault.Precondition) {
			t.Errorf("another key opens it: %q, %v", got, err)
		}
	}
	for _, bad := range []string{"", "v1.", "v1.!", "v2.AAAA", "sesame"} {
		if _, err := box.Open(bad, "p/j/X"); err == nil {
			t.Errorf("%q is opened", bad)
		}
	}
}

func TestAKeyThatIsNoneIsSaid(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, boxFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeBox(dir); err == nil || !strings.Contains(err.Error(), "not a key") {
		t.Errorf("%v", err)
	}
}
