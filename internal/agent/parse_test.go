package agent

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestLinesAreSplitCutAndOverdrawn(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"a\nb", []string{"a", "b"}},
		{"a\r\n\n\r\n b \n", []string{"a", " b "}},
		{"10%\r20%\r100%\ndone\n", []string{"100%", "done"}},
		{strings.Repeat("x", 20) + "\ny", []string{strings.Repeat("x", 16), "xxxx", "y"}},
		{"", nil},
	} {
		var got []string
		_ = lines(strings.NewReader(tt.in), 16, func(l []byte) { got = append(got, string(l)) })
		if !slices.Equal(got, tt.want) {
			t.Errorf("lines(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\rc"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var got []byte
		_ = lines(bytes.NewReader(in), 16, func(l []byte) { got = append(got, l...) })
		if bytes.ContainsAny(got, "\r\n") {
			t.Errorf("lines(%q) keeps ends of lines: %q", in, got)
		}
		if !bytes.ContainsAny(in, "\r") && !bytes.Equal(got, bytes.ReplaceAll(in, []byte("\n"), nil)) {
			t.Errorf("lines(%q) = %q", in, got)
		}
	})
}

func TestDescendantsAreFoundInLoopsToo(t *testing.T) {
	got := descend([]int{1}, map[int][]int{1: {2, 3}, 3: {4}, 4: {1}, 9: {10}})
	if want := []int{1, 2, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("descend = %v, want %v", got, want)
	}
}
