package mlapi

import (
	"strings"
	"testing"
)

func FuzzMask(f *testing.F) {
	for _, s := range []string{"", "jobs(jobId,state),nextPageToken", "a/b/c", "*", "a(b(c)),a", "a(", ",", "a//b"} {
		f.Add(s)
	}
	whole := map[string]any{"a": map[string]any{"b": "c", "d": []any{map[string]any{"e": "f"}}}}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMask(s)
		if err != nil {
			return
		}
		if len(m) == 0 {
			t.Errorf("the mask %q is understood and names nothing", s)
		}
		got, ok := masked(whole, s).(map[string]any)
		if !ok || len(got) > 1 {
			t.Errorf("masked with %q: %v", s, got)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"demo/jobs", "demo/jobs/a:cancel", "example.com:demo/jobs/a%2Fb", "demo:getConfig", "%zz", "", "/", "demo/*/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pattern, names, err := parsePath(s)
		if err == nil && (len(names) == 0 || strings.Count(pattern, "*") < len(names)) {
			t.Errorf("parsePath(%q) = %q, %q", s, pattern, names)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add(token(7, "state:FAILED"), "state:FAILED")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, s, filter string) {
		n, err := parseToken(s, filter)
		if err != nil || n == 0 {
			return
		}
		if again, err := parseToken(token(n, filter), filter); err != nil || again != n {
			t.Errorf("parseToken(%q) = %d comes back as %d, %v", s, n, again, err)
		}
	})
}
