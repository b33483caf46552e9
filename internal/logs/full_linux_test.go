package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAFullDiskIsNoErrorAndTheLogSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("SKIPPED: a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	filler, path := filepath.Join(dir, "filler"), filepath.Join(dir, "a.log")
	const lines = 3000
	for _, at := range []string{"while lines come", "at the end"} {
		t.Run(at, func(t *testing.T) {
			_ = os.Remove(path)
			if err := os.WriteFile(filler, make([]byte, 128<<10), 0o600); err != nil {
				t.Fatal(err)
			}
			s := openSpool(t, path)
			seen := map[string]bool{} // by a reader, meanwhile
			for i := range lines {
				put(t, s, t0.Add(time.Duration(i)), fmt.Sprintf("line %d %s", i, strings.Repeat("x", 50)))
				if i%37 == 0 {
					s.Flush()
				}
				if i%500 == 0 {
					for _, e := range entries(t, path) {
						seen[e.InsertID+e.Message] = true
					}
				}
				if i == lines-100 && at == "while lines come" {
					if err := os.Remove(filler); err != nil {
						t.Fatal(err)
					}
				}
			}
			if at == "at the end" {
				s.Flush()
				if err := os.Remove(filler); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			all := entries(t, path)
			checkOrder(t, all)
			there, missing := 0, 0
			for _, e := range all {
				delete(seen, e.InsertID+e.Message)
				var n int
				if _, err := fmt.Sscanf(e.Message, "%d lines of the log are missing here: the disk was full", &n); err == nil {
					missing += n
				} else {
					there++
				}
			}
			if missing == 0 || there+missing != lines {
				t.Errorf("%d lines are there and %d are said to be missing, of %d", there, missing, lines)
			}
			if len(seen) > 0 {
				t.Errorf("%d lines that were readable are gone", len(seen))
			}
		})
	}
}
