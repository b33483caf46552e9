package cli

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pack"
	"github.com/trainyard/trainyard/internal/stage"
)

// storage is the server's object storage as staging sees it.
type storage struct{ *client.Client }

func (s storage) Stat(ctx context.Context, bucket, object string) (int64, []byte, error) {
	there, err := s.Client.Stat(ctx, bucket, object, 0)
	if err != nil {
		return 0, nil, err
	}
	sum, err := base64.StdEncoding.DecodeString(there.Md5Hash)
	if err != nil {
		return 0, nil, fault.Errorf(fault.Internal, "gs://%s/%s has an MD5 digest that is none: %q", bucket, object, there.Md5Hash)
	}
	return int64(there.Size), sum, nil
}

func (s storage) Upload(ctx context.Context, bucket, object string, r io.Reader, sent func(int64)) error {
	_, err := s.Client.Upload(ctx, bucket, object, r, client.UploadOptions{Progress: sent})
	return err
}

// stage is where the archives go: the staging bucket under the job's name,
// else the job dir.
func (p *packages) stage(id string) stage.Place {
	if p.staging != "" {
		return stage.InBucket(p.staging, id)
	}
	return stage.InJobDir(p.jobDir)
}

// upload sends what is not there yet and names all packages in the document.
func (o *submitOptions) upload(ctx context.Context, c *client.Client, s config.Settings, doc mlv1.Doc, p *packages) error {
	place := p.stage(cmp.Or(o.stageAs, o.job))
	if err := p.group.Place(ctx, storage{c}, place); err != nil {
		return err
	}
	p.name(doc)
	if p.group.Complete() {
		return nil
	}
	// What the server would refuse is heard before anything is sent.
	body, err := json.Marshal(doc)
	if err != nil {
		return fault.Errorf(fault.Internal, "encode the job: %w", err)
	}
	if err := c.Validate(ctx, s.Project, body); err != nil {
		return o.region(ctx, c, doc.Sub("trainingInput"), err)
	}
	if err := o.ensureBucket(ctx, c, s, place.Bucket); err != nil {
		return err
	}
	bars := o.progress(s.Quiet)
	err = p.group.Send(ctx, storage{c}, func(a stage.Archive) func(int64) { return bars.file(a.Name, a.Size) })
	bars.end(err == nil)
	return err
}

// ensureBucket says that the bucket that is to be staged to is not there before
// anything is sent to it, and makes it where a person says so.
func (o *submitOptions) ensureBucket(ctx context.Context, c *client.Client, s config.Settings, bucket string) error {
	there, err := c.BucketExists(ctx, bucket)
	switch {
	case err != nil || there:
		return err
	case s.Quiet || !o.Ask("Bucket gs://"+bucket+" does not exist. Make it?"):
		return stage.NoBucket(bucket)
	}
	_, err = c.CreateBucket(ctx, s.Project, bucket, nil)
	return err
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
	for _, u := range p.group.URIs() {
		uris = append(uris, u)
	}
	doc.Sub("trainingInput")["packageUris"] = uris
}

// show is --dry-run: the plan, from which nothing is sent.
func (o *submitOptions) show(ctx context.Context, c *client.Client, doc mlv1.Doc, p *packages) error {
	if err := p.group.Place(ctx, storage{c}, p.stage(o.job)); err != nil {
		return err
	}
	p.name(doc)
	open, _ := mlv1.WithoutSecrets(doc)
	body, err := json.Marshal(open)
	if err != nil {
		return fault.Errorf(fault.Internal, "encode the job: %w", err)
	}
	out := plan{Uploads: []planned{}, Skipped: p.skipped, Request: body}
	for _, a := range p.group.Archives {
		files, err := pack.List(a.Path)
		if err != nil { // any file may be a package; its replica will say
			o.Warn("%s", err)
		}
		out.Uploads = append(out.Uploads, planned{Name: a.Name, Size: a.Size, URI: a.URI(), Present: a.Present, Files: files})
	}
	s, err := o.Config()
	if err != nil {
		return err
	}
	return o.printPlan(c.Endpoint(), s.Project, out)
}

// build packages the folder that --package-path names.
func (o *submitOptions) build(ctx context.Context, p *packages, in mlv1.Doc) error {
	if o.packagePath == "" {
		return nil
	}
	if o.Programs.Package == nil {
		return fault.Errorf(fault.Invalid, "this program was built without packaging").WithHint("build the archive yourself and name it with --packages")
	}
	temp, err := os.MkdirTemp("", "trainyard-")
	if err != nil {
		return pack.NoTemporary(err)
	}
	p.temp = temp
	into := filepath.Join(temp, "archives")
	if err := os.Mkdir(into, 0o700); err != nil {
		return pack.NoTemporary(err)
	}
	if err := o.fetch(ctx, p); err != nil {
		return err
	}
	err = o.buildInto(ctx, into, p, in)
	if errors.Is(err, syscall.ENOSPC) {
		err = pack.NoTemporary(err)
	}
	return o.renamed(p, err)
}

func (o *submitOptions) buildInto(ctx context.Context, dir string, p *packages, in mlv1.Doc) error {
	s, err := o.Config()
	if err != nil {
		return err
	}
	master, _ := in["masterConfig"].(mlv1.Doc)
	po := PackageOptions{Path: p.sources, Module: in.Text("pythonModule"), Elsewhere: len(o.packages) > 0, Into: dir, Env: o.Env, Cache: filepath.Join(cacheDir(o.Env), "packed")}
	po.NoRun = po.Module == "" && master.Text("imageUri") != ""
	if !s.Quiet {
		po.Say = func(format string, args ...any) { o.Say("%s", o.named(p, fmt.Sprintf(format, args...))) }
	}
	built, err := o.Programs.Package(ctx, po)
	if err != nil {
		return err
	}
	p.local, p.built, p.sums, p.skipped = append(p.local, built.Archives...), len(built.Archives), built.Sums, built.Skipped
	if built.Module != "" {
		in["pythonModule"] = built.Module
	}
	return nil
}
