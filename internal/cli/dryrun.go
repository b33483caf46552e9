package cli

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/fault"
)

// plan is what a submit would do, as --dry-run shows it.
type plan struct {
	Uploads []planned       `json:"uploads"`
	Request json.RawMessage `json:"request"`
}

// planned is one archive of a plan.
type planned struct {
	Name    string        `json:"name"`
	Size    int64         `json:"size"`
	URI     string        `json:"uri"`
	Present bool          `json:"present"` // it is there already and would not be sent
	Files   []plannedFile `json:"files,omitempty"`
}

type plannedFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
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
			fmt.Fprintf(&b, "  %10s  %s\n", bytesText(f.Size), f.Name)
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

// contents lists the files of an archive; nothing where it is no archive that
// is known, since any file may be a package.
func contents(path string) []plannedFile {
	if z, err := zip.OpenReader(path); err == nil {
		defer z.Close()
		var files []plannedFile
		for _, f := range z.File {
			if !strings.HasSuffix(f.Name, "/") {
				files = append(files, plannedFile{f.Name, int64(f.UncompressedSize64)})
			}
		}
		return files
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return nil
	}
	var files []plannedFile
	for t := tar.NewReader(gz); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			return nil
		}
		if h.Typeflag == tar.TypeReg {
			files = append(files, plannedFile{h.Name, h.Size})
		}
	}
}
