package cli

import "testing"

func TestServeTakesTruthWithoutAValue(t *testing.T) {
	cmd := newServe(&App{})
	if err := cmd.ParseFlags([]string{"--fetch-pythons", "--storage-proxy=false"}); err != nil || cmd.Flags().Lookup("fetch-pythons").Value.String() != "true" {
		t.Errorf("--fetch-pythons without a value: %v", err)
	}
}
