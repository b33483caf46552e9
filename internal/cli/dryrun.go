package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pack"
)

// plan is what a submit would do, as --dry-run shows it.
type plan struct {
	Uploads []planned       `json:"uploads"`
	Skipped []pack.Skipped  `json:"skipped,omitempty"`
	Request json.RawMessage `json:"request"`
}

// planned is one archive of a plan.
type planned struct {
	Name    string      `json:"name"`
	Size    int64       `json:"size"`
	URI     string      `json:"uri"`
	Present bool        `json:"present"` // it is there already and would not be sent
	Files   []pack.File `json:"files,omitempty"`
}

// printPlan shows a plan for people, or in the format that was asked for.
func (o *submitOptions) printPlan(endpoint, project string, p plan) error {
	s, err := o.Config()
	if err != nil {
		return err
	}
	if s.Format != "" {
		f, err := o.format("json")
		if err != nil {
			return err
		}
		doc, err := convert(p)
		if err != nil {
			return err
		}
		return f.PrintOne(o.Out, doc)
	}
	var b strings.Builder
	for _, u := range p.Uploads {
		listArchive(&b, u.Name, u.Size, u.Files)
		verb := "would be uploaded to"
		if u.Present {
			verb = "is there already, nothing would be sent:"
		}
		fmt.Fprintf(&b, "  %s %s\n\n", verb, u.URI)
	}
	listSkipped(&b, p.Skipped)
	fmt.Fprintf(&b, "POST %s/v1/projects/%s/jobs\n", endpoint, project)
	doc, err := format.Decode(p.Request)
	if err != nil {
		return fault.Errorf(fault.Internal, "decode the request: %w", err)
	}
	body, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fault.Errorf(fault.Internal, "encode the request: %w", err)
	}
	b.Write(body)
	b.WriteByte('\n')
	_, err = io.WriteString(o.Out, b.String())
	return err
}

// listArchive shows what an archive holds.
func listArchive(b *strings.Builder, name string, size int64, files []pack.File) {
	fmt.Fprintf(b, "%s, %s\n", name, bytesText(size))
	for _, f := range files {
		fmt.Fprintf(b, "  %10s  %s\n", bytesText(f.Size), f.Path)
	}
}

// listSkipped shows what lies in the package's folder and is not packed.
func listSkipped(b *strings.Builder, skipped []pack.Skipped) {
	if len(skipped) == 0 {
		return
	}
	b.WriteString("left out\n")
	for _, s := range skipped {
		fmt.Fprintf(b, "  %s  (%s)\n", s.Path, s.Why)
	}
	b.WriteByte('\n')
}
