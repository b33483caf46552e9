package mlv1

import (
	"encoding/json"
	"slices"

	"github.com/trainyard/trainyard/internal/fault"
)

// fileMessage is what a job file may hold: a job, and what a command line says
// besides. What is not the API's never leaves this machine.
var fileMessage = func() *message {
	m := newMessage("JobFile", join(one(text, "packagePath", "stagingBucket"), list(text, "packages", "userArgs"),
		[]field{{name: "env", kind: object, message: variable, repeated: true}})...)
	for spelling, f := range jobMessage.fields {
		m.fields[spelling] = f
	}
	return m
}()

// File is a job file, taken apart.
type File struct {
	Job           Doc
	PackagePath   string
	Packages      []string
	StagingBucket string
}

// ParseFile reads a job file: a configuration that may also say packagePath,
// packages, stagingBucket, userArgs, which are the program's arguments, and env,
// which are its variables.
func ParseFile(name string, data []byte) (File, error) {
	d, err := parse(name, data, fileMessage)
	if err != nil {
		return File{}, err
	}
	f := File{Job: d, PackagePath: d.Text("packagePath"), StagingBucket: d.Text("stagingBucket")}
	list, _ := d["packages"].([]any)
	for _, p := range list {
		f.Packages = append(f.Packages, p.(string))
	}
	for top, field := range map[string]string{"userArgs": "args", "env": "env"} {
		v, ok := d[top]
		if !ok {
			continue
		}
		in := d.Sub("trainingInput")
		if _, twice := in[field]; twice {
			return File{}, fault.Errorf(fault.Invalid, "%s: %s and trainingInput.%s are the same; give one of them", name, top, field)
		}
		in[field] = v
	}
	for _, own := range []string{"packagePath", "packages", "stagingBucket", "userArgs", "env"} {
		delete(d, own)
	}
	return f, nil
}

// Export is a job as a job file: what makes it the same job again, without its
// name, which cannot be used twice, and without what the service wrote.
func Export(d Doc) Doc {
	out := Doc{}
	for name, v := range d {
		if f, ok := jobMessage.fields[name]; ok && f.kind != output && name != "jobId" && name != "etag" {
			out[name] = cloneValue(v)
		}
	}
	return compact(out)
}

// Schema is the JSON Schema of job files, for editors.
func Schema() ([]byte, error) {
	s := schemaOf(fileMessage)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Trainyard job file"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "write the schema: %w", err)
	}
	return append(b, '\n'), nil
}

func schemaOf(m *message) map[string]any {
	properties := map[string]any{}
	for spelling, f := range m.fields {
		if spelling == f.name && f.kind != output {
			properties[f.name] = schemaOfField(f)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

func schemaOfField(f field) any {
	if f.message == variable {
		plain := map[string]any{"type": []string{"string", "number", "boolean", "null"}}
		return map[string]any{"description": "Variables of the program's environment. One without a value is taken from the environment of who submits the job, and is secret.", "anyOf": []any{
			map[string]any{"type": "object", "additionalProperties": plain},
			map[string]any{"type": "array", "items": map[string]any{"anyOf": []any{map[string]any{"type": "string"}, schemaOf(variable)}}},
		}}
	}
	if f.repeated {
		f.repeated = false
		return map[string]any{"type": "array", "items": schemaOfField(f)}
	}
	switch f.kind {
	case boolean:
		return map[string]any{"type": "boolean"}
	case int32Kind, int64Kind:
		return map[string]any{"type": []string{"integer", "string"}, "pattern": `^-?\d+$`}
	case double:
		return map[string]any{"type": "number"}
	case duration:
		return map[string]any{"type": "string", "pattern": `^\d+(\.\d{1,9})?s$`}
	case enum:
		return map[string]any{"enum": slices.Clone(f.values)}
	case object:
		return schemaOf(f.message)
	case labels:
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": []string{"string", "number", "boolean"}}}
	default: // 2.10 and other text that looks like a number is read as it is written
		return map[string]any{"type": []string{"string", "number", "boolean"}}
	}
}
