package pack

import (
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"
)

// Blocks are compressed side by side, and the bytes do not tell on how many
// processors.
func TestAnArchiveIsTheSameOnAnyNumberOfProcessors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 5*block+12345)
	for i := range data {
		data[i] = "abcdefgh \n"[r.IntN(10)]
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first Archive
	for _, n := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(n)
		a, err := writeArchive(filepath.Join(t.TempDir(), "t-0.tar.gz"), []entry{{name: "t-0/a", data: data}, {name: "t-0/b", data: data[1:]}})
		fatal(t, err)
		if first.SHA256 == "" {
			first = a
		}
		if a.SHA256 != first.SHA256 || a.Size != first.Size {
			t.Errorf("on %d processors it has %d bytes, %s; on one %d, %s", n, a.Size, a.SHA256, first.Size, first.SHA256)
		}
	}
}
