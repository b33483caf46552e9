package main

import (
	"os"

	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
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
