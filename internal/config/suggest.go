package config

import (
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// Suggest is a hint for a key that does not exist.
func Suggest(name string) string {
	plain := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	best, dist := "", min(3, len(name)/2+1)
	for _, k := range keys {
		if d := fault.Distance(plain, k.name); d < dist {
			best, dist = k.name, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "the keys are " + strings.Join(Keys(), ", ")
}
