package pyenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

// TestAMissingPythonIsFetched has a uv that, asked for a Python, links one of
// this machine where the real one would unpack it; all else the real one does.
func TestAMissingPythonIsFetched(t *testing.T) {
	o := withUV(t, Options{Environ: []string{"PATH=/nowhere", "HOME=" + t.TempDir()}})
	first, second := pythonOf(t, "3.11"), pythonOf(t, "3.12")
	fake := filepath.Join(t.TempDir(), "uv")
	script := fmt.Sprintf(`#!/bin/sh
if [ "$1 $2" = "python install" ]; then
  [ "$6" = 3.12 ] || { echo "error: No download found for request: $6" >&2; exit 1; }
  /bin/mkdir -p "$4/cpython-3.12.99-linux/bin" && /bin/ln -s %s "$4/cpython-3.12.99-linux/bin/python3"
else
  exec %s "$@"
fi
`, second, o.UV)
	if err := os.WriteFile(fake, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	o.UV, o.Pythons, o.Index = fake, []string{first}, IndexFrom(os.Environ(), "/none")
	pkg := wheel(t, "app", "1.0", nil, map[string]string{"app.py": "import sys; print(sys.version_info[:2])"})
	has := func(c *Cache, line string) bool {
		for _, i := range c.Interpreters(t.Context()) {
			if minor(i.Version) == line {
				return true
			}
		}
		return false
	}
	c := testCache(t, t.TempDir(), o)
	if has(c, "3.12") {
		t.Skip("SKIPPED: the system has a Python 3.12")
	}
	if _, err := c.Prepare(t.Context(), Request{Python: "3.12", Packages: []File{pkg}}, nil); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.HintOf(err), "uv python install 3.12") {
		t.Errorf("not allowed to fetch: %v (%s)", err, fault.HintOf(err))
	}
	o.Fetch = true
	c = testCache(t, t.TempDir(), o)
	env, lines := prepare(t, c, Request{Python: "3.12", Packages: []File{pkg}})
	if got := python(t, env, "import app"); got != "(3, 12)" || !strings.Contains(strings.Join(lines, "\n"), "Fetching Python 3.12") {
		t.Errorf("%s\n%s", got, strings.Join(lines, "\n"))
	}
	if env, lines := prepare(t, c, Request{Python: "3.12", Packages: []File{pkg}}); !env.Cached || strings.Contains(strings.Join(lines, "\n"), "Fetching") {
		t.Errorf("fetched twice: %s", lines)
	}
	_, err := c.Prepare(t.Context(), Request{Python: "3.8", Packages: []File{pkg}}, nil)
	if err == nil || !has(c, "3.8") && !strings.Contains(err.Error(), "Python 3.8 cannot be fetched: ") {
		t.Errorf("a Python that nobody has: %v", err)
	}
}
