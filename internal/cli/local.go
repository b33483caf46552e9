package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/inplace"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/source"
)

// localOptions is what a local train command line says. What it has in common
// with a submit is a submit's.
type localOptions struct {
	*submitOptions
	dir                         string // --job-dir, as given
	likeCloud, inPlace, cluster bool
	workers, servers            countValue
	evaluators, port            countValue
}

func newLocal(a *App) *cobra.Command {
	o := &localOptions{submitOptions: &submitOptions{App: a}}
	cmd := &cobra.Command{Use: "local", Short: "Run training programs on this machine, in the terminal", RunE: group, Args: cobra.ArbitraryArgs}
	train := &cobra.Command{
		Use:   "train [flags] [-- PROGRAM-ARGUMENT …]",
		Short: "Run a training program here and wait for it",
		Long: `Run a training program on this machine, its output on the terminal and its exit
status as the command's. Ctrl-C ends it.

--like-cloud, the default, packages and checks the program and runs it as a job
of your own server: with the environment, variables, working directory and gs://
of a real job. --in-place runs your own Python on your files as they lie there,
from the folder above the package, as the original did.`,
		Example: `  trainyard local train --module-name trainer.task -- --epochs=1
  trainyard local train --package-path trainer --module-name trainer.task --job-dir out --runtime-version 2.11
  trainyard local train --in-place --module-name trainer.task --distributed --worker-count 1`,
		Args: o.positional,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.inPlace {
				return runInPlace(cmd.Context(), o)
			}
			return runLikeCloud(cmd.Context(), o)
		},
	}
	o.flags(train.Flags())
	cmd.AddCommand(train)
	return cmd
}

func (o *localOptions) flags(f *pflag.FlagSet) {
	o.packageFlags(f)
	o.env.flags(f)
	f.BoolVar(&o.noJobDirArg, "no-job-dir-arg", false, "do not hand the job dir to the program as --job-dir; it is in TRAINYARD_JOB_DIR")
	f.BoolVar(&o.noCheck, "no-check", false, "do not look into the code for what would go wrong")
	f.StringVar(&o.dir, "job-dir", "", "where the program shall write, a folder or gs://; handed to it as --job-dir")
	f.BoolVar(&o.likeCloud, "like-cloud", false, "run it as a real job would be (the default)")
	f.BoolVar(&o.inPlace, "in-place", false, "run your own Python on the files as they are")
	f.BoolVar(&o.cluster, "distributed", false, "run a cluster of processes")
	o.workers.none, o.servers.none, o.evaluators.none = true, true, true
	f.Var(&o.workers, "worker-count", "workers of the cluster (default 2)")
	f.Var(&o.servers, "parameter-server-count", "parameter servers of the cluster (default 2)")
	f.Var(&o.evaluators, "evaluator-count", "evaluators beside the cluster (default 0)")
	f.Var(&o.port, "start-port", "first port of the cluster, with --in-place (default 27182)")
}

func (o *localOptions) positional(cmd *cobra.Command, args []string) error {
	at := cmd.ArgsLenAtDash()
	if at < 0 {
		at = len(args)
	}
	if at > 0 {
		return separator(cmd, 0, args[:at])
	}
	o.args = args
	return nil
}

func (o *localOptions) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case o.likeCloud && o.inPlace:
		return usagef("argument --in-place: At most one of --in-place | --like-cloud can be specified.")
	case !o.module.given && o.inPlace:
		return usagef("argument --module-name: Must be specified.").withHint("%s --module-name trainer.task", cmd.CommandPath())
	}
	if o.inPlace && source.Is(o.packagePath) {
		return usagef("argument --in-place: runs files as they lie in a folder, not %s", source.Shown(o.packagePath)).withHint("leave --in-place out")
	}
	if o.inPlace {
		for _, name := range []string{"packages", "runtime-version", "python-version", "no-check"} {
			if changed(name) {
				return usagef("argument --%s: nothing is installed with --in-place", name).withHint("leave --%s or --in-place out", name)
			}
		}
	}
	if o.packagePath == "" && (o.inPlace || len(o.packages) == 0) {
		o.packagePath = "."
	}
	if !o.cluster {
		for _, name := range []string{"parameter-server-count", "worker-count", "evaluator-count"} {
			if changed(name) {
				o.Warn("--%s is ignored if --distributed is not provided.\nDid you mean to run distributed training?", name)
			}
		}
	}
	if changed("start-port") && !o.inPlace {
		o.Warn("--start-port is ignored without --in-place: the server chooses the ports of a job.")
	}
	return checkModule(o.module.text)
}

// runInPlace is the original's local train.
func runInPlace(ctx context.Context, o *localOptions) error {
	s, err := o.Config()
	if err != nil {
		return err
	}
	python, err := inplace.Python(s.LocalPython, o.Env.Get("PATH"))
	if err != nil {
		return err
	}
	path, err := filepath.Abs(o.packagePath)
	if err != nil {
		return fault.Errorf(fault.Invalid, "--package-path %s: %w", o.packagePath, err)
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return fault.Errorf(fault.Invalid, "--package-path %s: there is no such folder", o.packagePath)
	}
	in := mlv1.Doc{}
	if err := o.variables(in); err != nil {
		return err
	}
	env := slices.Clone(o.Env)
	vs, _ := mlv1.Variables(in)
	for _, v := range vs {
		env = append(env, v.Name+"="+v.Value)
	}
	if o.dir != "" {
		env = append(env, job.JobDirVariable+"="+o.dir)
	}
	p := inplace.Program{
		Python: python, Module: o.module.text, Args: o.args, Dir: filepath.Dir(path), Env: env,
		In: o.In, Out: o.Out, Err: o.Err, Terminal: o.InTTY, Warn: o.Warn,
	}
	if o.dir != "" && !o.noJobDirArg {
		p.Args = append(append([]string{}, o.args...), "--job-dir", o.dir)
	}
	if o.cluster {
		p.Cluster = &inplace.Cluster{ParameterServers: o.servers.or(2), Workers: o.workers.or(2), Evaluators: o.evaluators.or(0), StartPort: o.port.or(27182)}
	}
	code, err := p.Run(ctx)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return exitError(exitInterrupted)
	case code != 0:
		return exitError(code)
	}
	return nil
}
