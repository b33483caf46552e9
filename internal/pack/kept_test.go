package pack

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample is a tree of two files as entries, and an archive of it.
func sample(t *testing.T) (entries []entry, a Archive) {
	t.Helper()
	dir := t.TempDir()
	entries = []entry{{name: "t-0/PKG-INFO", data: []byte("Name: t\n")}}
	for _, n := range []string{"a.py", "b.py"} {
		p := filepath.Join(dir, n)
		fatal(t, os.WriteFile(p, []byte("print(1)"), 0o644))
		entries = append(entries, entry{name: "t-0/" + n, path: p, size: 8})
	}
	a, err := writeArchive(filepath.Join(t.TempDir(), "t-0.tar.gz"), entries)
	fatal(t, err)
	return entries, a
}

// long is a time at which nothing was changed lately.
func long() time.Time { return time.Now().Add(time.Hour) }

func TestAnUnchangedTreeIsFoundAgain(t *testing.T) {
	entries, a := sample(t)
	k := kept{t.TempDir(), long()}
	key := k.key("t-0", entries, asItIs)
	to := filepath.Join(t.TempDir(), "t-0.tar.gz")
	if _, ok := k.find(key, to); ok || key == "" {
		t.Fatalf("key %q is there before it is kept", key)
	}
	k.keep(key, a)
	got, ok := k.find(key, to)
	if !ok || got.SHA256 != a.SHA256 || got.Size != a.Size || fmt.Sprint(got.Files) != fmt.Sprint(a.Files) || got.Path != to {
		t.Fatalf("found %+v, %t", got, ok)
	}
	if d, err := describe(to); err != nil || d.SHA256 != a.SHA256 {
		t.Errorf("it has %+v, %v", d, err)
	}
	// A damaged one is none.
	fatal(t, os.WriteFile(filepath.Join(k.dir, key+".tar.gz"), []byte("junk"), 0o600))
	if _, ok := k.find(key, to); ok {
		t.Error("a damaged archive is taken")
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("a damaged archive is left behind")
	}
}

// Every change makes another key: of the content with the size and the time
// kept, of the file under the name, of permissions, of what is not a file.
func TestAChangedTreeIsNotFound(t *testing.T) {
	for name, change := range map[string]func(p string, e []entry){
		"content in place, time put back": func(p string, e []entry) {
			before, err := os.Stat(p)
			fatal(t, err)
			_, was, _ := identity(before)
			for range 1_000_000 { // until the clock of the file system has moved
				fatal(t, os.WriteFile(p, []byte("print(2)"), 0o644))
				fatal(t, os.Chtimes(p, before.ModTime(), before.ModTime()))
				now, err := os.Stat(p)
				fatal(t, err)
				if _, is, _ := identity(now); is.After(was) {
					return
				}
			}
		},
		"another file moved there": func(p string, e []entry) {
			before, err := os.Stat(p)
			fatal(t, err)
			fatal(t, os.WriteFile(p+".new", []byte("print(2)"), 0o644))
			fatal(t, os.Chtimes(p+".new", before.ModTime(), before.ModTime()))
			fatal(t, os.Rename(p+".new", p))
		},
		"size":         func(p string, e []entry) { fatal(t, os.WriteFile(p, []byte("print(20)"), 0o644)) },
		"gone":         func(p string, e []entry) { fatal(t, os.Remove(p)) },
		"executable":   func(p string, e []entry) { e[1].exec = true },
		"requirements": func(p string, e []entry) { e[0].data = []byte("Name: t\nRequires-Dist: six\n") },
		"a name":       func(p string, e []entry) { e[1].name = "t-0/c.py" },
	} {
		entries, _ := sample(t)
		k := kept{t.TempDir(), long()}
		before := k.key("t-0", entries, asItIs)
		change(entries[1].path, entries)
		if after := k.key("t-0", entries, asItIs); after == before || before == "" {
			t.Errorf("%s: the key stays %q", name, after)
		}
	}
}

func TestAFileThatWasChangedAMomentAgoIsNotTrusted(t *testing.T) {
	entries, _ := sample(t)
	if key := (kept{t.TempDir(), time.Now()}).key("t-0", entries, asItIs); key != "" {
		t.Errorf("key %q", key)
	}
}

func TestOnlyTheLatestArchivesAreKept(t *testing.T) {
	entries, a := sample(t)
	k := kept{t.TempDir(), long()}
	for i := range maxKept + 5 {
		entries[0].data = []byte(fmt.Sprint(i))
		k.keep(k.key("t-0", entries, asItIs), a)
	}
	left, err := filepath.Glob(filepath.Join(k.dir, "*"))
	if err != nil || len(left) != 2*maxKept {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}
