package pyenv

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestAFolderThatUVCannotReadIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a#b")
	if _, err := Open(dir, Options{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("Open(%s): %v", dir, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was made nevertheless")
	}
	if _, err := Open(filepath.Join(t.TempDir(), `a b 'q' "dq" ü?%20`), Options{}); err != nil {
		t.Error(err)
	}
}
