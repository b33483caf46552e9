package runtimes

import (
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"

	"github.com/trainyard/trainyard/internal/fault"
)

// Add keeps a version as a file of the site's own. One that is there is
// replaced only where that is wanted; jobs get the new one from then on.
func (c Catalogue) Add(b []byte, replace bool) (*Runtime, error) {
	r, err := decode(b, "", "the file")
	if err != nil {
		return nil, err
	}
	if _, err := c.Get(r.Version); err == nil && !replace {
		return nil, fault.Errorf(fault.Conflict, "there is a runtime version %s already", r.Version).WithHint("choose another name, or replace it with --replace")
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fault.Errorf(fault.Internal, "make the folder of runtime versions: %w", err)
	}
	r.Source = filepath.Join(c.Dir, r.Version+".yaml")
	if err := maybe.WriteFile(r.Source, b, 0o644); err != nil {
		return nil, fault.Errorf(fault.Internal, "keep the runtime version: %w", err)
	}
	return r, nil
}
