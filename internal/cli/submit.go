package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"context"

	"github.com/trainyard/trainyard/internal/job"
)

// submitOptions is what a submit command line says.
type submitOptions struct {
	*App
	job  string
	args []string // after --; nil when there are none

	config      string
	packagePath string
	packages    listValue
	module      textValue
	jobDir      textValue
	labels      labelsValue
	fileStaging string // the staging bucket that the configuration file names

	scaleTier      textValue
	runtimeVersion textValue
	pythonVersion  textValue
	serviceAccount textValue
	network        textValue
	tpuVersion     textValue
	webAccess      bool
	webAccessGiven bool
	useChief       boolValue
	master         replicaOptions
	worker         replicaOptions
	server         replicaOptions
	kms            kmsOptions
	env            envOptions
	noJobDirArg    bool
	folder         string // the job dir where it is one of this machine

	async, stream, dryRun, noCheck bool

	source  job.Origin // the state of the source's repository
	stageAs string     // name under which archives are staged; empty for the job's
}

// replicaOptions is what a command line says about one role.
type replicaOptions struct {
	machine     textValue
	count       countValue
	image       textValue
	accelerator acceleratorValue
}

type kmsOptions struct{ key, keyring, location, project string }

func newSubmit(a *App, runF func(context.Context, *submitOptions) error) *cobra.Command {
	o := &submitOptions{App: a}
	cmd := &cobra.Command{
		Use: "training JOB [flags] [-- PROGRAM-ARGUMENT …]", SuggestFor: []string{"run", "train"},
		Short: "Submit a training job",
		Long: `Package a training application, upload it and submit a job that runs it.

What follows -- is handed to the program as it is. --job-dir is handed to it
too, as the last argument.`,
		Example: `  trainyard jobs submit training digits_1 --package-path trainer --module-name trainer.task -- --epochs=20
  trainyard jobs submit training digits_2 --config job.yaml --stream-logs
  trainyard jobs submit training --config job.yaml`,
		Args: o.positional,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return runF(cmd.Context(), o)
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *submitOptions) flags(f *pflag.FlagSet) {
	o.scaleTier.check, o.serviceAccount.check, o.jobDir.check = tier, serviceAccount, anyJobDir
	o.scaleTier.kind, o.jobDir.kind = "TIER", "gs://BUCKET/PATH|FOLDER"
	staging := &textValue{check: stagingBucket, kind: "gs://BUCKET"}

	f.StringVar(&o.packagePath, "package-path", "", "folder of the application's package, a script, a notebook, git+URL@REF#subdirectory=DIR or an archive of sources, here or in gs://; packed and uploaded")
	f.Var(&o.packages, "packages", "archives to install, local or gs://, in this order")
	f.Var(&o.module, "module-name", "module to run, as in trainer.task")
	f.StringVar(&o.config, "config", "", "YAML or JSON file with a job; flags win over it. It may also say packagePath, packages, stagingBucket and userArgs")
	f.String("region", "", "region that the job names (default: the server's first)")
	f.Var(staging, "staging-bucket", "bucket to upload packages to (default: the job dir's, else the server's default bucket)")
	f.Var(&o.jobDir, "job-dir", "where the program shall write: gs://, s3://, az:// or a folder; handed to it as --job-dir")
	f.BoolVar(&o.noJobDirArg, "no-job-dir-arg", false, "do not hand the job dir to the program as --job-dir; it is in TRAINYARD_JOB_DIR")
	o.env.flags(f)
	f.Var(&o.labels, "labels", "labels of the job")
	f.Var(&o.scaleTier, "scale-tier", "basic, basic-gpu, basic-tpu, custom, premium-1 or standard-1")
	f.Var(&o.runtimeVersion, "runtime-version", "runtime version, as in 2.11; see: trainyard runtimes list")
	f.Var(&o.pythonVersion, "python-version", "Python version, as in 3.12")
	f.Var(&o.serviceAccount, "service-account", "account that the job runs as")
	f.Var(&o.network, "network", "network of the job")
	f.Var(&o.tpuVersion, "tpu-tf-version", "TensorFlow version of a TPU worker")
	f.BoolVar(&o.webAccess, "enable-web-access", false, "allow interactive shells")
	f.Var(&o.useChief, "use-chief-in-tf-config", "call the primary chief, not master, in TF_CONFIG")
	o.master.flags(f, "master", "the master")
	o.worker.flags(f, "worker", "each worker")
	o.server.flags(f, "parameter-server", "each parameter server")
	f.StringVar(&o.kms.key, "kms-key", "", "encryption key, or its full name")
	f.StringVar(&o.kms.keyring, "kms-keyring", "", "key ring of the key")
	f.StringVar(&o.kms.location, "kms-location", "", "location of the key")
	f.StringVar(&o.kms.project, "kms-project", "", "project of the key")
	f.BoolVar(&o.stream, "stream-logs", false, "show the log until the job ends; the exit status is 0 only if it succeeded")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be uploaded and sent, and do neither")
	f.BoolVar(&o.noCheck, "no-check", false, "do not look into the code for what would go wrong")
	f.BoolVar(&o.async, "async", false, "deprecated: a job is always submitted asynchronously")
	_ = f.MarkHidden("async")
}

func (r *replicaOptions) flags(f *pflag.FlagSet, prefix, who string) {
	f.Var(&r.machine, prefix+"-machine-type", "machine type of "+who)
	if prefix != "master" {
		f.Var(&r.count, prefix+"-count", "how many")
	}
	f.Var(&r.image, prefix+"-image-uri", "container image of "+who)
	f.Var(&r.accelerator, prefix+"-accelerator", "accelerators of "+who)
}

// positional takes the command line apart at --: the job before it, the
// program's arguments after it.
func (o *submitOptions) positional(cmd *cobra.Command, args []string) error {
	before := args
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		before, o.args = args[:at], args[at:]
		if len(o.args) == 0 {
			o.args = nil
		}
	}
	switch {
	case len(before) == 0 && cmd.Flags().Changed("config"):
		return nil // the file names the job, or it is missed there
	case len(before) == 0:
		return usagef("argument JOB: Must be specified.").withHint("%s digits_1 --package-path trainer --module-name trainer.task", cmd.CommandPath())
	case len(before) > 1:
		return separator(cmd, 1, before[1:])
	}
	o.job = before[0]
	return nil
}

// separator is the error for words that have no place before --, where some
// have.
func separator(cmd *cobra.Command, words int, unknown []string) error {
	e := usagef("unrecognized arguments: %s", join(unknown)).withHint("put -- before what is meant for your program: -- %s", join(unknown))
	return &fixError{e, func(args []string) []string { return separated(cmd, words, args) }}
}

// check is what the parser of flags cannot tell from one flag alone.
func (o *submitOptions) check(cmd *cobra.Command) error {
	o.webAccessGiven = cmd.Flags().Changed("enable-web-access")
	if o.async && o.stream {
		return usagef("argument --async: At most one of --async | --stream-logs can be specified.")
	}
	for _, r := range []struct {
		name string
		*replicaOptions
	}{{"worker", &o.worker}, {"parameter-server", &o.server}} {
		switch {
		case r.machine.given && r.count.n == nil:
			return usagef("argument --%s-count: Must be specified.", r.name)
		case !r.machine.given && r.count.n != nil:
			return usagef("argument --%s-machine-type: Must be specified.", r.name)
		}
	}
	return nil
}
