package cli

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/cli/format"
	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/compare"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pack"
)

type diffOptions struct {
	*App
	a, b     string
	nameOnly bool
	stat     bool
}

func newDiff(a *App) *cobra.Command {
	o := &diffOptions{App: a}
	cmd := &cobra.Command{
		Use:   "diff JOB_A JOB_B",
		Short: "Show what differs between two jobs",
		Long: `Show what differs between two jobs: their code, file by file, the program's
arguments, the packages of their environments, what they asked for, how they
ended and how long they took.`,
		Example: "  trainyard jobs diff digits_1 digits_2\n  trainyard jobs diff digits_1 digits_2 --format=json",
		Args:    exactly("JOB_A", "JOB_B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.a, o.b = args[0], args[1]; o.nameOnly && o.stat {
				return usagef("argument --name-only: At most one of --name-only | --stat can be specified.")
			}
			return runDiff(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.nameOnly, "name-only", false, "of files only the names")
	cmd.Flags().BoolVar(&o.stat, "stat", false, "of files only how many lines differ")
	return cmd
}

func runDiff(ctx context.Context, o *diffOptions) error {
	s, c, err := o.connected(ctx)
	if err != nil {
		return err
	}
	f, err := o.format("none")
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "trainyard-")
	if err != nil {
		return pack.NoTemporary(err)
	}
	defer os.RemoveAll(temp)
	var jobs [2]compare.Job
	var made [2]client.Provenance
	for i, id := range []string{o.a, o.b} {
		if jobs[i], made[i], err = known(ctx, c, s.Project, id); err != nil {
			return err
		}
	}
	var unknown []string
	if !samePackages(made[0], made[1]) {
		for i := range jobs {
			why := ""
			if jobs[i].Code, why, err = code(ctx, c, filepath.Join(temp, strconv.Itoa(i)), made[i]); err != nil {
				return err
			}
			if why != "" {
				unknown = append(unknown, "the code: "+why)
			}
		}
	}
	for i := range jobs {
		if made[i].Environment == nil {
			unknown = append(unknown, "the environment: job "+jobs[i].ID+" has had none")
		}
	}
	r := compare.Compare(jobs[0], jobs[1])
	if r.Unknown = unknown; o.nameOnly || o.stat {
		for i := range r.Code {
			r.Code[i].Diff = ""
		}
	}
	if s.Format == "" {
		o.printDiff(r)
		return nil
	}
	doc, err := convert(r)
	if err != nil {
		return err
	}
	return f.PrintOne(o.Out, doc)
}

// known is what the server knows of a job, but for its code.
func known(ctx context.Context, c *client.Client, project, id string) (compare.Job, client.Provenance, error) {
	j, err := c.Get(ctx, project, id)
	if err != nil {
		return compare.Job{}, client.Provenance{}, err
	}
	p, _, err := c.Provenance(ctx, project, id)
	if err != nil {
		return compare.Job{}, p, err
	}
	doc, err := document(j)
	if err != nil {
		return compare.Job{}, p, err
	}
	events, _, err := c.Timeline(ctx, project, id)
	if err != nil {
		return compare.Job{}, p, err
	}
	out := compare.Job{ID: id, Settings: map[string]string{}, Result: map[string]string{}, Times: map[string]time.Duration{}}
	whole, _ := doc.(map[string]any)
	in, _ := whole["trainingInput"].(map[string]any)
	if list, ok := in["args"].([]any); ok {
		for _, a := range list {
			out.Args = append(out.Args, format.Text(a))
		}
	}
	for name, v := range in {
		if name != "args" && name != "packageUris" {
			settings(out.Settings, name, v)
		}
	}
	settings(out.Settings, "labels", whole["labels"])
	out.Result["state"] = string(j.JobState())
	if first, _, _ := strings.Cut(j.ErrorMessage, "\n"); first != "" {
		out.Result["error"] = first
	}
	if e := p.Environment; e != nil {
		out.Packages, out.Python = append([]string{}, e.Packages...), e.Python
	}
	var ran time.Time
	for _, e := range events {
		switch {
		case e.Name == "running":
			ran = e.Time
		case e.Took > 0 && (e.Task == "" || e.Task == "master-replica-0") && (e.Step == "queue" || e.Step == "fetch" || e.Step == "environment"):
			out.Times[e.Step] += e.Took
		}
	}
	if end, err := time.Parse(time.RFC3339Nano, j.EndTime); err == nil && !ran.IsZero() && end.After(ran) {
		out.Times["run"] = end.Sub(ran)
	}
	return out, p, nil
}

// settings flattens a part of a document: replicas and schedules by dotted
// name, variables by theirs, a secret's value never.
func settings(to map[string]string, name string, v any) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for k, e := range v {
			settings(to, name+"."+k, e)
		}
	case []any:
		for i, e := range v {
			m, ok := e.(map[string]any)
			if !ok {
				to[name+"["+strconv.Itoa(i)+"]"] = format.Text(e)
				continue
			}
			of, named := m["name"].(string)
			if !named {
				of = strconv.Itoa(i)
			}
			if secret, _ := m["secret"].(bool); secret {
				to[name+"."+of] = "(secret)"
				continue
			}
			if value, ok := m["value"]; ok && named {
				to[name+"."+of] = format.Text(value)
				continue
			}
			settings(to, name+"."+of, m)
		}
	default:
		to[name] = format.Text(v)
	}
}

// samePackages reports whether both jobs have the same archives: then nothing
// has to be fetched.
func samePackages(a, b client.Provenance) bool {
	if len(a.Packages) != len(b.Packages) {
		return false
	}
	for i, p := range a.Packages {
		q := b.Packages[i]
		if p.MD5 == nil || string(p.MD5) != string(q.MD5) || path.Base(p.URI) != path.Base(q.URI) {
			return false
		}
	}
	return true
}

// maxArchive is the largest archive that is fetched to be compared.
const maxArchive = 1 << 30

// code fetches a job's archives and reads them. why says what cannot be had.
func code(ctx context.Context, c *client.Client, dir string, p client.Provenance) (files []compare.File, why string, err error) {
	var archives []compare.Archive
	for i, g := range p.Packages {
		bucket, object, ok := strings.Cut(strings.TrimPrefix(g.URI, "gs://"), "/")
		name := path.Base(object)
		if !ok || name == "." || name == ".." || name == "/" {
			return nil, "job " + p.JobID + " has a package named " + g.URI, nil
		}
		o, err := c.Stat(ctx, bucket, object, g.Generation)
		if fault.Is(err, fault.NotFound) {
			return nil, fmt.Sprintf("the package %s of job %s is not there any more as it was", g.URI, p.JobID), nil
		}
		if err != nil {
			return nil, "", err
		}
		if o.Size > maxArchive {
			return nil, fmt.Sprintf("the package %s of job %s is larger than 1 GiB", g.URI, p.JobID), nil
		}
		to := filepath.Join(dir, strconv.Itoa(i), name)
		if err := fetchTo(ctx, c, o, to); err != nil {
			return nil, "", err
		}
		archives = append(archives, compare.Archive{Name: name, Path: to})
	}
	if files, err = compare.Read(archives); err != nil {
		return nil, err.Error(), nil
	}
	return files, "", nil
}

func fetchTo(ctx context.Context, c *client.Client, o *client.Object, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return pack.NoTemporary(err)
	}
	f, err := os.Create(to)
	if err != nil {
		return pack.NoTemporary(err)
	}
	if err := c.Read(ctx, o, 0, -1, f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
