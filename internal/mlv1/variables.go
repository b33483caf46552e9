package mlv1

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/job"
)

// variable is a variable of the program's environment: an extension of the
// API. On the wire each has a name and a value; in a file one without a value
// is taken from the environment of who submits it, and is secret.
var variable = newMessage("EnvVar", join(one(text, "name", "value"), one(boolean, "secret"))...)

// Variables are a training input's, as they are written. One without a value
// is named as bare.
func Variables(in Doc) (vs []job.Variable, bare []string) {
	list, _ := in["env"].([]any)
	for _, e := range list {
		d, _ := e.(Doc)
		v := job.Variable{Name: d.Text("name"), Value: d.Text("value")}
		v.Secret, _ = d["secret"].(bool)
		if _, has := d["value"]; !has {
			v.Secret = true
			bare = append(bare, v.Name)
		}
		vs = append(vs, v)
	}
	return vs, bare
}

// SetVariables writes variables into a training input.
func SetVariables(in Doc, vs []job.Variable) {
	if len(vs) == 0 {
		delete(in, "env")
		return
	}
	list := make([]any, len(vs))
	for i, v := range vs {
		d := Doc{"name": v.Name, "value": v.Value}
		if v.Secret {
			d["secret"] = true
		}
		list[i] = d
	}
	in["env"] = list
}

// WithoutSecrets is a document without the values of secret variables, and
// whether there were any.
func WithoutSecrets(d Doc) (Doc, bool) {
	in, _ := d["trainingInput"].(Doc)
	vs, _ := Variables(in)
	found := false
	for _, v := range vs {
		found = found || v.Secret
	}
	if !found {
		return d, false
	}
	d = d.Clone()
	list, _ := d.Sub("trainingInput")["env"].([]any)
	for i, e := range list {
		if v, _ := e.(Doc); vs[i].Secret {
			delete(v, "value")
		}
	}
	return d, true
}

// extensions checks the fields that Google's types do not have.
func (c *checker) extensions(s *job.Spec, in Doc) {
	s.NoJobDirArg, _ = in["noJobDirArg"].(bool)
	vs, _ := Variables(in)
	list, _ := in["env"].([]any)
	for i, e := range list {
		d, _ := e.(Doc)
		if _, has := d["value"]; !has {
			c.wrong(fmt.Sprintf("env[%d]", i), "The variable '%s' has no value.", vs[i].Name)
		}
	}
	// The service's own command line tells of a job-dir on the server's machine so.
	checked := make([]job.Variable, 0, len(vs))
	for _, v := range vs {
		if v.Name != job.JobDirVariable || v.Secret || s.JobDir != "" {
			checked = append(checked, v)
		}
	}
	job.CheckVariables(checked, func(i int, err error) {
		if i < 0 {
			c.refused("env", err)
			return
		}
		c.refused(fmt.Sprintf("env[%d]", i), err)
	})
	s.Env = vs
}

// variables reads a file's: a mapping of names to values, or a list of NAME,
// NAME=VALUE and {name, value, secret}.
func (c *configReader) variables(n *yaml.Node, path string, depth int) any {
	l := []any{}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if v := c.variable(name, n.Content[i+1], under(path, name), depth); v != nil {
				l = append(l, v)
			}
		}
	case yaml.SequenceNode:
		for i, e := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			e, ok := c.enter(e, depth)
			if !ok {
				return nil
			}
			if e.Kind != yaml.MappingNode {
				l = append(l, c.bare(e, at)...)
				continue
			}
			d := c.message(e, variable, at, depth+1)
			if d.Text("name") == "" {
				c.problem(e, "%s: expected a name", at)
				continue
			}
			l = append(l, d)
		}
	default:
		c.problem(n, "%s: expected names and values, or a list of variables, found %s", path, looks(n))
		return nil
	}
	return l
}

// variable is NAME: VALUE; without a value it is taken from the environment.
func (c *configReader) variable(name string, n *yaml.Node, path string, depth int) any {
	n, ok := c.enter(n, depth)
	switch {
	case !ok:
		return nil
	case n.Kind != yaml.ScalarNode:
		c.problem(n, "%s: expected a string, found %s", path, looks(n))
		return nil
	case isNull(n):
		return Doc{"name": name}
	}
	return Doc{"name": name, "value": n.Value}
}

// bare is NAME or NAME=VALUE.
func (c *configReader) bare(n *yaml.Node, path string) []any {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		c.problem(n, "%s: expected NAME, NAME=VALUE or {name, value}, found %s", path, looks(n))
		return nil
	}
	name, value, has := strings.Cut(n.Value, "=")
	if !has {
		return []any{Doc{"name": name}}
	}
	return []any{Doc{"name": name, "value": value}}
}
