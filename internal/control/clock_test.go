package control

import (
	"testing"
	"time"
)

func TestARetryDoesNotWaitForAClockThatWasPutBack(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct{ ended, want time.Duration }{
		{ended: 0, want: 4 * time.Second},
		{ended: -3 * time.Second, want: time.Second},
		{ended: time.Hour, want: 0},
	} {
		if got := next(now, now.Add(c.ended), 4).Sub(now); got != c.want {
			t.Errorf("ended %s from now: the next try is in %s, want %s", c.ended, got, c.want)
		}
	}
}
