package s3

import "testing"

func TestBeforeIsBefore(t *testing.T) {
	for _, key := range []string{"a", "a/", "a\x00", "\x00", "ü", "x\U0000e000", "\U0010ffff", "b0", "c/\u0800"} {
		if got := before(key); got >= key {
			t.Errorf("before(%q) = %q", key, got)
		}
	}
}
