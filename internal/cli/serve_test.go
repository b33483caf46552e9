package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheGuidesSettingsAreFlags holds the guide to what it says of its table
// of settings.
func TestTheGuidesSettingsAreFlags(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guide/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, settings, _ := strings.Cut(string(guide), "## Settings")
	cmd, n := newServe(&App{}), 0
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+) \\|").FindAllStringSubmatch(settings, -1) {
		for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			n++
			if cmd.Flags().Lookup(key[1]) == nil {
				t.Errorf("trainyard serve has no flag --%s", key[1])
			}
		}
	}
	if n < 10 {
		t.Errorf("the guide has %d settings", n)
	}
	if err := cmd.ParseFlags([]string{"--fetch-pythons", "--storage-proxy=false"}); err != nil || cmd.Flags().Lookup("fetch-pythons").Value.String() != "true" {
		t.Errorf("--fetch-pythons without a value: %v", err)
	}
}
