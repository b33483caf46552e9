package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// days is a duration that may be said in days, as in 90d.
func days(name, def, help string, field func(*Settings) *time.Duration) key {
	return key{name, nil, def, help, func(s *Settings, t string) error {
		v, err := parseDays(t)
		if err != nil {
			return err
		}
		*field(s) = v
		return nil
	}, func(s *Settings) string { return formatDays(*field(s)) }}
}

func parseDays(t string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(t, "d"); ok {
		if v, err := strconv.ParseUint(n, 10, 16); err == nil {
			return time.Duration(v) * day, nil
		}
	} else if v, err := time.ParseDuration(t); err == nil && v >= 0 {
		return v, nil
	}
	return 0, fmt.Errorf("%q is not a time such as 90d, 36h or 0", t)
}

func formatDays(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}
