package config

import (
	"testing"
	"time"
)

func TestDays(t *testing.T) {
	for in, want := range map[string]time.Duration{"0": 0, "0d": 0, "90d": 90 * day, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute} {
		got, err := parseDays(in)
		if err != nil || got != want {
			t.Errorf("%q is %s, %v; want %s", in, got, err, want)
		}
		if again, err := parseDays(formatDays(got)); err != nil || again != got {
			t.Errorf("%s is written %q, which is %s, %v", got, formatDays(got), again, err)
		}
	}
	for _, in := range []string{"", "d", "-1d", "-1h", "1.5d", "90", "99999999d", "90 d"} {
		if got, err := parseDays(in); err == nil {
			t.Errorf("%q is %s, want a refusal", in, got)
		}
	}
}
