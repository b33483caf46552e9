package main

import (
	"os"

	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/price"
)

// readMachines reads the site's table of machine types, where it has one.
func readMachines(s config.Settings) (*job.Machines, error) {
	if s.Machines == "" {
		return job.BuiltIn(), nil
	}
	b, err := os.ReadFile(s.Machines)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the machine types cannot be read: %w", err).
			WithHint("%s says where they are; unset it for the built-in ones", s.SourceOf("machines"))
	}
	return job.ReadMachines(b, s.Machines)
}

// readPrices reads the site's price sheet; nil where there is none.
func readPrices(s config.Settings) (*price.Sheet, error) {
	if s.Prices == "" {
		return nil, nil
	}
	b, err := os.ReadFile(s.Prices)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the price sheet cannot be read: %w", err).
			WithHint("%s says where it is; unset it and nothing has a price", s.SourceOf("prices"))
	}
	return price.Read(b, s.Prices)
}
