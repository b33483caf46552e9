package cli

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
)

// archive is a local archive on its way to object storage.
type archive struct {
	path    string
	name    string // last element of the object's name
	size    int64
	md5     []byte
	bucket  string
	object  string
	present bool // the same content is there already
}

func (a archive) uri() string { return "gs://" + a.bucket + "/" + a.object }

// read digests the local archives, which are one group: their place has the
// digest of all of them, in order, in its name.
func (p *packages) read() error {
	var twice []string
	seen := map[string]bool{}
	group := sha256.New()
	for _, path := range p.local {
		a := archive{path: path, name: filepath.Base(path)}
		f, err := os.Open(path)
		if err != nil {
			return fault.Errorf(fault.Invalid, "Unable to read file [%s]: %s", path, reason(err))
		}
		sum := md5.New()
		a.size, err = io.Copy(io.MultiWriter(group, sum), f)
		_ = f.Close()
		if err != nil {
			return fault.Errorf(fault.Invalid, "Unable to read file [%s]: %s", path, reason(err))
		}
		a.md5 = sum.Sum(nil)
		if seen[a.name] && !slices.Contains(twice, a.name) {
			twice = append(twice, a.name)
		}
		seen[a.name] = true
		p.archives = append(p.archives, a)
	}
	p.digest = hex.EncodeToString(group.Sum(nil))
	if len(twice) > 0 {
		return fault.Errorf(fault.Invalid, "Cannot upload multiple packages with the same filename: [%s]", strings.Join(twice, ", "))
	}
	return nil
}

// prefix is where archives go: the staging bucket under the job's name, else
// the job dir's packages.
func (p *packages) prefix(id string) (bucket, prefix string) {
	if p.staging != "" {
		return strings.TrimPrefix(p.staging, "gs://"), id + "/"
	}
	bucket, path, _ := strings.Cut(strings.TrimPrefix(p.jobDir, "gs://"), "/")
	if path = strings.TrimRight(path, "/"); path != "" {
		path += "/"
	}
	return bucket, path + "packages/"
}

// compare says where the archives go and asks which are there already.
func (p *packages) compare(ctx context.Context, c *client.Client, id string) error {
	bucket, prefix := p.prefix(id)
	for i := range p.archives {
		a := &p.archives[i]
		a.bucket, a.object = bucket, prefix+p.digest+"/"+a.name
		there, err := c.Stat(ctx, a.bucket, a.object)
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return err
		default:
			sum, err := base64.StdEncoding.DecodeString(there.Md5Hash)
			a.present = err == nil && int64(there.Size) == a.size && bytes.Equal(sum, a.md5)
		}
	}
	return nil
}

// upload sends what is not there yet and names all packages in the document.
func (o *submitOptions) upload(ctx context.Context, c *client.Client, s config.Settings, doc mlv1.Doc, p *packages) error {
	if err := p.compare(ctx, c, o.job); err != nil {
		return err
	}
	p.name(doc)
	if slices.ContainsFunc(p.archives, func(a archive) bool { return !a.present }) {
		// What the server would refuse is heard before anything is sent.
		body, err := json.Marshal(doc)
		if err != nil {
			return fault.Errorf(fault.Internal, "encode the job: %w", err)
		}
		if err := c.Validate(ctx, s.Project, body); err != nil {
			return err
		}
	}
	bars := o.progress(s.Quiet)
	for _, a := range p.archives {
		if a.present {
			continue
		}
		if err := o.send(ctx, c, s, a, bars.file(a.name, a.size)); err != nil {
			bars.end(false)
			return err
		}
	}
	bars.end(true)
	return nil
}

// send uploads one archive. A bucket that is not there can be made at once
// where a person is asked.
func (o *submitOptions) send(ctx context.Context, c *client.Client, s config.Settings, a archive, progress func(int64)) error {
	f, err := os.Open(a.path)
	if err != nil {
		return fault.Errorf(fault.Invalid, "Unable to read file [%s]: %s", a.path, reason(err))
	}
	defer f.Close()
	_, err = c.Upload(ctx, a.bucket, a.object, f, client.UploadOptions{Progress: progress})
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case fault.Is(err, fault.NotFound):
		return fault.Errorf(fault.NotFound, "Could not upload file: [%s] bucket does not exist.", a.bucket).
			WithHint("make it with: trainyard storage buckets create gs://%s", a.bucket)
	default:
		return (&fault.Error{Kind: fault.KindOf(err), Msg: "Could not upload file [" + a.path + "] to [" + a.bucket + "/" + a.object + "]: " + err.Error(), Hint: fault.HintOf(err), Err: err})
	}
}

// name puts the packages into the document: remote, local, built. The file's
// own stay where no package flag was given.
func (p *packages) name(doc mlv1.Doc) {
	if !p.given {
		return
	}
	uris := []any{}
	for _, r := range p.remote {
		uris = append(uris, r)
	}
	for _, a := range p.archives {
		uris = append(uris, a.uri())
	}
	doc.Sub("trainingInput")["packageUris"] = uris
}

// show is --dry-run: the plan, from which nothing is sent.
func (o *submitOptions) show(ctx context.Context, c *client.Client, doc mlv1.Doc, p *packages) error {
	if err := p.compare(ctx, c, o.job); err != nil {
		return err
	}
	p.name(doc)
	body, err := json.Marshal(doc)
	if err != nil {
		return fault.Errorf(fault.Internal, "encode the job: %w", err)
	}
	out := plan{Uploads: []planned{}, Request: body}
	for _, a := range p.archives {
		out.Uploads = append(out.Uploads, planned{Name: a.name, Size: a.size, URI: a.uri(), Present: a.present, Files: contents(a.path)})
	}
	s, err := o.Config()
	if err != nil {
		return err
	}
	return o.printPlan(c.Endpoint(), s.Project, out)
}

// build packages the folder that --package-path names.
func (o *submitOptions) build(ctx context.Context, p *packages, module string) error {
	if o.packagePath == "" {
		return nil
	}
	if o.Programs.Package == nil {
		return fault.Errorf(fault.Invalid, "this program was built without packaging").WithHint("build the archive yourself and name it with --packages")
	}
	if rest, ok := strings.CutPrefix(o.packagePath, "gs:"); ok {
		return fault.Errorf(fault.Invalid, "--package-path is a folder on this machine, not %s", o.packagePath).WithHint("name an archive in storage with --packages gs://%s", strings.TrimLeft(rest, "/"))
	}
	temp, err := os.MkdirTemp("", "trainyard-")
	if err != nil {
		return fault.Errorf(fault.Invalid, "cannot make a temporary folder: %s", reason(err))
	}
	p.temp = temp
	s, err := o.Config()
	if err != nil {
		return err
	}
	po := PackageOptions{Path: o.packagePath, Module: module, Elsewhere: len(o.packages) > 0, Into: temp, Env: o.Env}
	if !s.Quiet {
		po.Say = o.Say
	}
	built, err := o.Programs.Package(ctx, po)
	if err != nil {
		return err
	}
	p.local = append(p.local, built...)
	return nil
}
