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
		fmt.Fprintf(&b, "%s, %s\n", u.Name, bytesText(u.Size))
		for _, f := range u.Files {
			fmt.Fprintf(&b, "  %10s  %s\n", bytesText(f.Size), f.Path)
		}
		verb := "would be uploaded to"
		if u.Present {
			verb = "is there already, nothing would be sent:"
		}
		fmt.Fprintf(&b, "  %s %s\n\n", verb, u.URI)
	}
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
