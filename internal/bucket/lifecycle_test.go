package bucket_test

import (
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
)

func TestRulesFit(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	live := bucket.Object{Name: "logs/a.txt", Created: now.Add(-10 * 24 * time.Hour)}
	old := live
	old.Deleted = now
	n := func(v int64) *int64 { return &v }
	yes, no := true, false
	for _, tt := range []struct {
		what  string
		rule  bucket.Rule
		o     bucket.Object
		newer int64
		want  bool
	}{
		{"no condition", bucket.Rule{}, live, 0, false},
		{"age reached", bucket.Rule{Age: n(10)}, live, 0, true},
		{"age not reached", bucket.Rule{Age: n(11)}, live, 0, false},
		{"age 0", bucket.Rule{Age: n(0)}, live, 0, true},
		{"is live", bucket.Rule{IsLive: &yes}, live, 0, true},
		{"is not live", bucket.Rule{IsLive: &yes}, old, 0, false},
		{"is noncurrent", bucket.Rule{IsLive: &no}, old, 0, true},
		{"enough newer versions", bucket.Rule{NumNewerVersions: n(2)}, old, 2, true},
		{"too few newer versions", bucket.Rule{NumNewerVersions: n(2)}, old, 1, false},
		{"created before", bucket.Rule{CreatedBefore: now}, live, 0, true},
		{"created that day", bucket.Rule{CreatedBefore: live.Created}, live, 0, false},
		{"prefix", bucket.Rule{Prefixes: []string{"x", "logs/"}}, live, 0, true},
		{"no prefix", bucket.Rule{Prefixes: []string{"x"}}, live, 0, false},
		{"suffix", bucket.Rule{Suffixes: []string{".txt"}}, live, 0, true},
		{"no suffix", bucket.Rule{Suffixes: []string{".log"}}, live, 0, false},
		{"all but one", bucket.Rule{Age: n(1), IsLive: &yes, Prefixes: []string{"logs/"}, Suffixes: []string{".log"}}, live, 0, false},
	} {
		if got := tt.rule.Fits(tt.o, tt.newer, now); got != tt.want {
			t.Errorf("%s: Fits = %t, want %t", tt.what, got, tt.want)
		}
	}
}
