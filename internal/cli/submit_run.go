package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pattern"
	"github.com/trainyard/trainyard/internal/stage"
)

// runSubmit packages, uploads and submits. Everything that can be checked here
// is checked before anything is sent.
func runSubmit(ctx context.Context, o *submitOptions) error {
	s, err := o.Config()
	if err != nil {
		return err
	}
	if _, err := job.ParseProject(s.Project); err != nil {
		return err
	}
	if o.async {
		o.Warn("The --async flag is deprecated, as the default behavior is to submit the job asynchronously; it can be omitted. For synchronous behavior, please pass --stream-logs.")
	}
	if _, err := o.format(statusFormat); err != nil {
		return err
	}
	doc, err := o.document(s)
	if err != nil {
		return err
	}
	p, err := o.gather(doc)
	if err != nil {
		return err
	}
	defer p.close()
	o.source = sourceOf(ctx, o.packagePath, o.Env)
	if err := o.build(ctx, p, doc.Sub("trainingInput")); err != nil {
		return interrupted(ctx, err, "Interrupted while packaging.")
	}
	if p.commit != "" {
		o.source = job.Origin{Commit: p.commit}
	}
	p.record(doc)
	if p.group, err = stage.Read(p.local, p.sums); err != nil {
		return err
	}
	if err := o.checkCode(ctx, s, p, doc.Sub("trainingInput")); err != nil {
		return interrupted(ctx, err, "Interrupted while looking into the code.")
	}

	c, err := o.Client(ctx)
	if err != nil {
		return interrupted(ctx, err, "Interrupted before the upload.")
	}
	if err := o.place(ctx, c, s, doc, p); err != nil {
		return interrupted(ctx, err, "Interrupted before the upload.")
	}
	if o.dryRun {
		return o.show(ctx, c, doc, p)
	}
	if err := o.upload(ctx, c, s, doc, p); err != nil {
		return interrupted(ctx, err, "Interrupted while uploading.")
	}
	p.close() // streaming may last for days
	return o.create(ctx, c, s, doc)
}

// interrupted says that a Ctrl-C before the job was created left nothing
// running.
func interrupted(ctx context.Context, err error, where string) error {
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return &interruptError{where + " Nothing was submitted."}
	}
	return err
}

// document is the job that the configuration file and the flags describe,
// without packages from this machine and without what the server decides.
func (o *submitOptions) document(s config.Settings) (mlv1.Doc, error) {
	cfg := mlv1.Doc{}
	if o.config != "" {
		data, err := os.ReadFile(o.config)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "Failed to load YAML from [%s]: Unable to read file [%s]: %s", o.config, o.config, reason(err))
		}
		f, err := mlv1.ParseFile(o.config, data)
		if err != nil {
			return nil, err
		}
		if err := o.takeFile(f); err != nil {
			return nil, err
		}
		cfg = f.Job
	}
	if _, err := job.ParseID(o.job); err != nil {
		if fixed, ok := job.NearestID(o.job); ok {
			err = &fixError{err, func(args []string) []string { return withWord(args, o.job, fixed) }}
		}
		return nil, err
	}
	if err := o.local(cfg); err != nil {
		return nil, err
	}
	f := mlv1.Flags{
		JobID: o.job, Labels: o.labels, Module: o.module.pointer(), Args: o.args, JobDir: o.jobDir.pointer(),
		ScaleTier: o.scaleTier.pointer(), RuntimeVersion: o.runtimeVersion.pointer(), PythonVersion: o.pythonVersion.pointer(),
		Network: o.network.pointer(), ServiceAccount: o.serviceAccount.pointer(), UseChief: o.useChief.b,
		Master: o.master.merge(), Worker: o.worker.merge(), ParameterServer: o.server.merge(),
	}
	f.Worker.TPUTFVersion = o.tpuVersion.pointer()
	if o.webAccessGiven {
		f.EnableWebAccess = &o.webAccess
	}
	if s.Region != "" {
		f.Region = &s.Region
	}
	var err error
	if f.KMSKey, err = o.kms.name(s.Project); err != nil {
		return nil, err
	}
	doc := mlv1.Merge(cfg, f)
	if err := o.takeJobDir(doc.Sub("trainingInput")); err != nil {
		return nil, err
	}
	if o.noJobDirArg {
		doc.Sub("trainingInput")["noJobDirArg"] = true
	}
	return doc, o.variables(doc.Sub("trainingInput"))
}

// takeFile takes from a job file what the command line does not say itself.
// Paths in it are relative to it.
func (o *submitOptions) takeFile(f mlv1.File) error {
	beside := func(path string) string {
		if path == "" || filepath.IsAbs(path) || strings.HasPrefix(path, "gs://") || strings.HasPrefix(path, "git+") {
			return path
		}
		return filepath.Join(filepath.Dir(o.config), path)
	}
	if o.job == "" {
		if o.job = f.Job.Text("jobId"); o.job == "" {
			return usagef("argument JOB: Must be specified.").withHint("name the job on the command line, or as jobId in %s", o.config)
		}
	}
	if o.packagePath == "" && len(o.packages) == 0 {
		o.packagePath = beside(f.PackagePath)
		for _, p := range f.Packages {
			o.packages = append(o.packages, beside(p))
		}
	}
	if f.StagingBucket != "" {
		fixed, err := stagingBucket(f.StagingBucket)
		if err != nil {
			return fault.Errorf(fault.Invalid, "stagingBucket in %s: %w", o.config, err)
		}
		o.fileStaging = fixed
	}
	return nil
}

// local are the checks of flags against each other and the configuration.
func (o *submitOptions) local(cfg mlv1.Doc) error {
	in, _ := cfg["trainingInput"].(mlv1.Doc)
	switch {
	case o.master.image.given && o.runtimeVersion.given:
		return fault.Errorf(fault.Invalid, "Only one of --master-image-uri, --runtime-version can be set.")
	case o.scaleTier.text == string(job.Custom) && !o.master.machine.given && in.Text("masterType") == "":
		return fault.Errorf(fault.Invalid, "--master-machine-type is required if scale-tier is set to `CUSTOM`.")
	}
	module := o.module.text
	if !o.module.given {
		module = in.Text("pythonModule")
	}
	return checkModule(module)
}

// checkModule refuses a file where a module's dotted name is meant.
func checkModule(name string) error {
	if name == "" || mlv1.IsModule(name) {
		return nil
	}
	e := fault.Errorf(fault.Invalid, "--module-name %q is not the dotted name of a module", name)
	dotted := strings.NewReplacer("/", ".", `\`, ".").Replace(strings.TrimSuffix(strings.Trim(filepath.ToSlash(name), "./"), ".py"))
	if mlv1.IsModule(dotted) {
		return &fixError{e.WithHint("use --module-name %s", dotted), func(args []string) []string { return withFlag(args, "module-name", dotted) }}
	}
	return e
}

func (r *replicaOptions) merge() mlv1.ReplicaFlags {
	return mlv1.ReplicaFlags{Type: r.machine.pointer(), Count: r.count.n, Image: r.image.pointer(), Accelerator: r.accelerator.a}
}

var kmsPattern = pattern.New(`^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$`)

// name is the full name of the key, nil when none was asked for.
func (k kmsOptions) name(project string) (*string, error) {
	switch {
	case k == kmsOptions{}:
		return nil, nil
	case kmsPattern.MatchString(k.key):
		return &k.key, nil
	case k.key == "" || k.keyring == "" || k.location == "" || strings.Contains(k.key, "/"):
		return nil, fault.Errorf(fault.Invalid, "Invalid value for [--kms-key]: Encryption key not fully specified.").
			WithHint("give --kms-key, --kms-keyring and --kms-location, or the key's full name")
	}
	if k.project != "" {
		project = k.project
	}
	name := "projects/" + project + "/locations/" + k.location + "/keyRings/" + k.keyring + "/cryptoKeys/" + k.key
	return &name, nil
}

// place fills in what the server decides: the region, and the bucket where the
// user named none.
func (o *submitOptions) place(ctx context.Context, c *client.Client, s config.Settings, doc mlv1.Doc, p *packages) error {
	in := doc.Sub("trainingInput")
	p.staging = s.StagingBucket
	if p.staging != "" {
		fixed, err := stagingBucket(p.staging)
		if err != nil {
			return fault.Errorf(fault.Invalid, "%s: staging-bucket: %w", s.SourceOf("staging-bucket"), err)
		}
		p.staging = fixed
	}
	// A job file says more of this job than an environment or a default does.
	if _, given := o.App.flags["staging-bucket"]; !given && o.fileStaging != "" {
		p.staging = o.fileStaging
	}
	if err := o.useJobDir(ctx, c, s, in); err != nil {
		return err
	}
	p.jobDir = in.Text("jobDir")
	noBucket := len(p.local) > 0 && p.staging == "" && p.jobDir == ""
	if in.Text("region") != "" && !noBucket {
		return nil
	}
	info, err := c.Server(ctx)
	if err != nil {
		return err
	}
	if in.Text("region") == "" {
		if len(info.Regions) == 0 {
			return fault.Errorf(fault.Invalid, "The required property [region] is not currently set.").WithHint("give --region, or set TRAINYARD_REGION or CLOUDSDK_COMPUTE_REGION")
		}
		in["region"] = info.Regions[0]
		if !s.Quiet {
			o.Say("Using the region %s, the server's first; --region names another.", info.Regions[0])
		}
	}
	if noBucket {
		if info.DefaultBucket == "" {
			return fault.Errorf(fault.Invalid, "If local packages are provided, the `--staging-bucket` or `--job-dir` flag must be given.").WithHint("this server has no default bucket")
		}
		p.staging = "gs://" + info.DefaultBucket
		if !s.Quiet {
			o.Say("Staging to %s, the server's default bucket; --staging-bucket or --job-dir names another.", p.staging)
		}
	}
	return nil
}

// create submits the document and, with --stream-logs, stays until the job has
// ended.
func (o *submitOptions) create(ctx context.Context, c *client.Client, s config.Settings, doc mlv1.Doc) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return fault.Errorf(fault.Internal, "encode the job: %w", err)
	}
	j, warnings, err := c.CreateFrom(ctx, s.Project, body, rand.Text(), o.source)
	if err != nil {
		if errors.Is(context.Cause(ctx), context.Canceled) {
			o.Say("Interrupted while submitting; whether job %s was accepted is not known. See: trainyard jobs describe %s", o.job, o.job)
			return exitError(exitInterrupted)
		}
		return o.region(ctx, c, doc.Sub("trainingInput"), err)
	}
	for _, w := range warnings {
		o.Warn("%s", w)
	}
	o.Say("Job [%s] submitted successfully.", o.job)
	if !o.stream {
		if !s.Quiet {
			o.followUp(o.job)
		}
		return o.printJob(j, statusFormat)
	}
	return o.watch(ctx, c, s)
}

// watch shows the log on standard error and the job, when it has ended, on
// standard output.
func (o *submitOptions) watch(ctx context.Context, c *client.Client, s config.Settings) error {
	w, err := o.logWriter(o.Err, "", false)
	if err != nil {
		return err
	}
	last, err := o.follow(ctx, c, s.Project, o.job, "", w)
	stopped := errors.Is(context.Cause(ctx), context.Canceled)
	switch {
	case stopped:
		o.Say("\nInterrupted; the job goes on.")
		o.followUp(o.job)
	case err != nil:
		o.Say("The log cannot be followed any more: %s", err)
		o.followUp(o.job)
	}
	if err != nil {
		// Once more in any case: the state is the exit status.
		if last, err = c.Get(context.WithoutCancel(ctx), s.Project, o.job); err != nil {
			return err
		}
	}
	if err := o.printJob(last, statusFormat); err != nil {
		return err
	}
	if stopped && !last.JobState().Final() {
		return exitError(exitFailed)
	}
	return o.outcome(last)
}

// reason is an error of the file system without the path, which the message
// names already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

func join(words []string) string { return strings.Join(words, " ") }
