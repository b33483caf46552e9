package main

import (
	"os"

	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/price"
)

// readPrices reads the site's price sheet; nil where it has none. Machine finds
// what a machine type of this server is.
func readPrices(s config.Settings, machine func(name string) (job.Machine, error)) (*price.Sheet, error) {
	if s.Prices == "" {
		return nil, nil
	}
	b, err := os.ReadFile(s.Prices)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the price sheet cannot be read: %w", err).
			WithHint("%s says where it is; unset it for no costs", s.SourceOf("prices"))
	}
	return price.Read(b, s.Prices, machine)
}
