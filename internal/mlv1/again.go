package mlv1

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Changes are what a repetition has otherwise than the job that it repeats; nil
// for the same.
type Changes struct {
	Args   *[]string
	JobDir *string
	Labels map[string]string
	// Packages are the same archives in other places.
	Packages []job.Package
}

// Again is a job's specification and document under another id. The document's
// other fields stay as they were sent, byte for byte: what is sealed in them
// stays sealed.
func Again(was job.Job, id job.ID, c Changes) (job.Spec, json.RawMessage, error) {
	spec := was.Spec
	if err := c.check(); err != nil {
		return spec, nil, err
	}
	spec.Key.ID, spec.Labels, spec.Warnings = id, was.Labels, nil
	if c.Labels != nil {
		spec.Labels = c.Labels
	}
	doc, err := fields(was.Document)
	if err != nil {
		return spec, nil, err
	}
	input := spelt(doc, "trainingInput", "training_input")
	in, err := fields(doc[input])
	if err != nil {
		return spec, nil, err
	}
	delete(doc, spelt(doc, "jobId", "job_id"))
	if err := put(doc, "jobId", id); err != nil {
		return spec, nil, err
	}
	if c.Labels != nil {
		if err := put(doc, "labels", c.Labels); err != nil {
			return spec, nil, err
		}
	}
	if c.Args != nil {
		spec.Args = *c.Args
		if err := put(in, "args", spec.Args); err != nil {
			return spec, nil, err
		}
	}
	if c.Packages != nil {
		spec.Packages = c.Packages
		uris := []string{}
		for _, p := range c.Packages {
			uris = append(uris, p.URI)
		}
		if err := put(in, spelt(in, "packageUris", "package_uris"), uris); err != nil {
			return spec, nil, err
		}
	}
	if c.JobDir != nil {
		spec.JobDir = *c.JobDir
		delete(in, spelt(in, "jobDir", "job_dir"))
		if err := put(in, "jobDir", spec.JobDir); err != nil {
			return spec, nil, err
		}
	}
	if err := put(doc, input, in); err != nil {
		return spec, nil, err
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return spec, nil, fault.Errorf(fault.Internal, "write the document of job %s: %w", id, err)
	}
	d, _, err := Decode(raw)
	if err != nil {
		return spec, nil, err
	}
	if spec.Opaque, err = json.Marshal(opaque(d.Sub("trainingInput"))); err != nil {
		return spec, nil, fault.Errorf(fault.Internal, "write the job for TF_CONFIG: %w", err)
	}
	return spec, raw, nil
}

// check refuses changes that would be refused in a job that is sent. What does
// not change was accepted once.
func (c Changes) check() error {
	vs := job.CheckLabels(c.Labels)
	if c.Args != nil {
		for i, a := range *c.Args {
			if strings.ContainsRune(a, 0) {
				vs = append(vs, fault.Violation{Field: fmt.Sprintf("args[%d]", i), Description: "An argument cannot contain a NUL character."})
			}
		}
	}
	if c.JobDir != nil && *c.JobDir != "" {
		if err := checkPrefix(*c.JobDir); err != nil {
			vs = append(vs, fault.Violation{Field: "job_dir", Description: fmt.Sprintf("The job directory '%s' is not valid: %s.", *c.JobDir, err)})
		}
	}
	if len(vs) > 0 {
		return &fault.Error{Kind: fault.Invalid, Msg: fault.Fields(vs), Violations: vs}
	}
	return nil
}

func fields(raw json.RawMessage) (map[string]json.RawMessage, error) {
	m := map[string]json.RawMessage{}
	if len(raw) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fault.Errorf(fault.Internal, "read a stored job document: %w", err)
	}
	return m, nil
}

// spelt is the spelling that a document has of a field, the first where it has
// none.
func spelt(m map[string]json.RawMessage, camel, snake string) string {
	if _, ok := m[snake]; ok {
		return snake
	}
	return camel
}

func put(m map[string]json.RawMessage, field string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fault.Errorf(fault.Internal, "write a job document: %w", err)
	}
	m[field] = raw
	return nil
}
