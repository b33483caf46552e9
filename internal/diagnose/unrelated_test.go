package diagnose

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func TestUnrelatedLogsHaveNoCause(t *testing.T) {
	logs, err := txtar.ParseFile("testdata/unrelated.txtar")
	if err != nil || len(logs.Files) < 100 {
		t.Fatalf("%v, %d logs", err, len(logs.Files))
	}
	python, err := filepath.Abs("testdata/says")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range logs.Files {
		t.Run(l.Name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, l.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			f := app{name: "none", module: "trainer.task", env: map[string]string{"LOG": path}}.runBy(t, python)
			for _, uncaught := range []bool{false, true} { // as from our excepthook, too
				if uncaught && (f.Replica.Exit.Traceback == "" || f.Replica.Exit.AfterTraceback > 0) {
					continue
				}
				f.Replica.Exit.Uncaught = uncaught
				if d := Of(f); d.Cause != "" || d.Text != "" || d.Hint != "" {
					t.Errorf("cause %s: %s\n%+v", d.Cause, d.Text, f.Replica.Exit)
				}
			}
		})
	}
}
