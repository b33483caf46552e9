package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trainyard/trainyard/internal/check"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pack"
	"github.com/trainyard/trainyard/internal/runtimes"
	"github.com/trainyard/trainyard/internal/stage"
)

func newCheck(a *App) *cobra.Command {
	o := &submitOptions{App: a, job: "check"}
	cmd := &cobra.Command{
		Use: "check", Short: "Say what would go wrong with a package, before it is submitted", Args: exactly(),
		Long: `Package a training application as a submit would, and look into its code: what it
imports against what is packed and declared, arguments, data that is not in the
package. Nothing of it is run and nothing is sent. A submit does the same; the
exit status is 1 where the program could not begin.`,
		Example: `  trainyard check --package-path trainer --module-name trainer.task`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runCheck(cmd.Context(), o) },
	}
	o.packageFlags(cmd.Flags())
	return cmd
}

// packageFlags are the flags that say what to package, and for what.
func (o *submitOptions) packageFlags(f *pflag.FlagSet) {
	f.StringVar(&o.packagePath, "package-path", "", "folder of the application's package, a script, a notebook, git+URL@REF#subdirectory=DIR or an archive of sources, here or in gs://")
	f.Var(&o.packages, "packages", "archives that are installed too, local or gs://")
	f.Var(&o.module, "module-name", "module to run, as in trainer.task")
	f.Var(&o.runtimeVersion, "runtime-version", "runtime version, as in 2.11; see: trainyard runtimes list")
	f.Var(&o.pythonVersion, "python-version", "Python version, as in 3.12")
}

func runCheck(ctx context.Context, o *submitOptions) error {
	if o.packagePath == "" && len(o.packages) == 0 {
		return usagef("argument --package-path: Must be specified.").withHint("trainyard check --package-path trainer --module-name trainer.task")
	}
	if err := checkModule(o.module.text); err != nil {
		return err
	}
	in := o.described()
	p, err := o.sorted()
	if err != nil {
		return err
	}
	p.jobDir = "any"
	defer p.close()
	if err := o.build(ctx, p, in); err != nil {
		return err
	}
	python, ok := working(ctx, interpreters(o.Env, o.pythonVersion.text))
	if !ok {
		return fault.Errorf(fault.Invalid, "No Python executable found on path, and one is needed to look into the code.").WithHint("install Python")
	}
	s, err := o.Config()
	if err != nil {
		return err
	}
	options := o.codeOptions(p, in)
	options.Python = python
	brings(&options, in.Text("runtimeVersion"), s.DataDir)
	if options.RuntimeUnknown {
		o.Warn("what runtime version %s brings is not known on this machine, so imports were not compared with it; trainyard runtimes list shows the server's", o.runtimeVersion.text)
	}
	if !check.Reads(options.Version) {
		o.Say("The code was not looked into: it is for Python %s, which a Python 3 cannot read.", o.pythonVersion.text)
		return nil
	}
	found, err := check.Run(ctx, options)
	if err != nil {
		return err
	}
	if o.say(found) > 0 {
		return exitError(exitFailed)
	}
	if len(found) == 0 {
		o.Say("Nothing in the code was found that would go wrong.")
	}
	return nil
}

// described is the part of a job that packaging needs to know.
func (o *submitOptions) described() mlv1.Doc {
	return mlv1.Merge(mlv1.Doc{}, mlv1.Flags{JobID: o.job, Module: o.module.pointer(), RuntimeVersion: o.runtimeVersion.pointer(), PythonVersion: o.pythonVersion.pointer()}).Sub("trainingInput")
}

// say reports findings, and tells how many are certain.
func (o *submitOptions) say(found []check.Finding) (certain int) {
	for _, f := range found {
		if f.Certain {
			certain++
			o.problem(f.String(), f.Hint)
			continue
		}
		o.Warn("%s", f.String())
		if f.Hint != "" {
			o.Say("%s %s", o.paint(cyan, "hint:"), f.Hint)
		}
	}
	return certain
}

// checkCode looks into the archives of a job before anything is sent. Without
// a Python on this machine it is left to the replica.
func (o *submitOptions) checkCode(ctx context.Context, s config.Settings, p *packages, in mlv1.Doc) error {
	master, _ := in["masterConfig"].(mlv1.Doc)
	if o.noCheck || len(p.local) == 0 || master.Text("imageUri") != "" {
		return nil
	}
	for _, path := range p.local[:len(p.local)-p.built] {
		if _, err := pack.List(path); err != nil { // any file may be a package; its replica will say
			if !s.Quiet {
				o.Warn("%s", err)
			}
			return nil
		}
	}
	if o.packagePath == "" && len(p.remote) == 0 { // else packaging has looked for it, or nobody can
		if err := pack.CheckModule(p.local, in.Text("pythonModule")); err != nil {
			return err
		}
	}
	options, pythons := o.codeOptions(p, in), interpreters(o.Env, in.Text("pythonVersion"))
	sound := soundness{file: filepath.Join(cacheDir(o.Env), "checked"), key: soundKey(o.Programs.Build, p.group, options, in.Text("runtimeVersion"), pythons)}
	if sound.known() {
		return nil
	}
	python, ok := working(ctx, pythons)
	if !ok {
		return nil
	}
	options.Python = python
	brings(&options, in.Text("runtimeVersion"), s.DataDir)
	found, err := check.Run(ctx, options)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		o.Warn("the code was not looked into: %s", err)
		return nil
	}
	if s.Quiet {
		found = slices.DeleteFunc(found, func(f check.Finding) bool { return !f.Certain })
	}
	if n := o.say(found); n > 0 {
		return fault.Errorf(fault.Invalid, "nothing was sent: the program cannot begin").WithHint("--no-check goes on all the same")
	}
	if len(found) == 0 {
		sound.remember()
	}
	return nil
}

func (o *submitOptions) codeOptions(p *packages, in mlv1.Doc) check.Options {
	c := check.Options{
		Archives: p.local, More: len(p.remote) > 0, Module: in.Text("pythonModule"), JobDir: (p.jobDir != "" || in.Text("jobDir") != "") && in["noJobDirArg"] != true,
		Version: versionOf(in.Text("pythonVersion")), RuntimeUnknown: in.Text("runtimeVersion") != "",
	}
	if o.packagePath != "" {
		if abs, err := filepath.Abs(p.sources); err == nil {
			c.Folders = append(c.Folders, filepath.Dir(abs))
		}
	}
	for _, s := range p.skipped {
		if c.LeftOut == nil {
			c.LeftOut = map[string]string{}
		}
		c.LeftOut[s.Path] = s.Why
	}
	if wd, err := os.Getwd(); err == nil && !slices.Contains(c.Folders, wd) {
		c.Folders = append(c.Folders, wd)
	}
	return c
}

// brings says what a runtime version has, where this machine knows it: one of
// ours, or of the user's own server.
func brings(c *check.Options, runtime, dataDir string) {
	if runtime == "" {
		return
	}
	r, err := runtimes.Catalogue{Dir: filepath.Join(dataDir, "runtimes.d")}.Get(runtime)
	if err != nil || len(r.Packages) == 0 && !r.Bare() {
		return
	}
	c.RuntimeUnknown = false
	for _, p := range r.Packages {
		c.Runtime = append(c.Runtime, p.Name)
	}
	if c.Version == nil {
		c.Version = versionOf(r.Python[0])
	}
}

// versionOf is the Python that a job asks for. Nil is the server's choice.
func versionOf(python string) []int {
	var v []int
	for _, part := range strings.Split(python, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		v = append(v, n)
	}
	if len(v) < 2 {
		return nil
	}
	return v[:2]
}

// interpreters are the user's Pythons, those of the version asked for first.
func interpreters(env config.Env, version string) (found []string) {
	names := []string{"python3", "python"}
	if version != "" {
		names = append([]string{"python" + version}, names...)
	}
	path := env.Get("PATH")
	for _, name := range names {
		for _, dir := range filepath.SplitList(path) {
			if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				found = append(found, p)
			}
		}
	}
	return found
}

// working is the first that runs and can read programs: a pyenv shim may name a
// version that is not there, and python may be Python 2.
func working(ctx context.Context, pythons []string) (string, bool) {
	for _, p := range pythons {
		if exec.CommandContext(ctx, p, "-I", "-c", "import sys; sys.exit(sys.version_info < (3, 6))").Run() == nil {
			return p, true
		}
	}
	return "", false
}

// soundness remembers which archives there was nothing to be said of, so that
// an unchanged tree is looked into once.
type soundness struct{ file, key string }

// maxSound is how many are remembered.
const maxSound = 200

func soundKey(build string, g *stage.Group, o check.Options, runtime string, pythons []string) string {
	h := sha256.New()
	for _, a := range g.Archives {
		fmt.Fprintf(h, "%s %d\n", a.Name, a.Size)
	}
	o.Archives = nil // they lie elsewhere each time
	fmt.Fprintf(h, "%s %s %q %s %+v", g.Digest, build, pythons, runtime, o)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (s soundness) read() []string {
	b, err := os.ReadFile(s.file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

func (s soundness) known() bool { return slices.Contains(s.read(), s.key) }

// remember may lose what another process remembers at the same time: that is
// looked into once more.
func (s soundness) remember() {
	keys := append(s.read(), s.key)
	if over := len(keys) - maxSound; over > 0 {
		keys = keys[over:]
	}
	if err := os.MkdirAll(filepath.Dir(s.file), 0o700); err != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(s.file), "checked-")
	if err != nil {
		return
	}
	_, err = f.WriteString(strings.Join(keys, "\n") + "\n")
	if closed := f.Close(); err != nil || closed != nil || os.Rename(f.Name(), s.file) != nil {
		_ = os.Remove(f.Name())
	}
}

// cacheDir is where what can be found out again is kept.
func cacheDir(env config.Env) string {
	base := cmp.Or(env.Get("XDG_CACHE_HOME"), env.Get("LOCALAPPDATA"), filepath.Join(env.Get("HOME"), ".cache"))
	return filepath.Join(base, "trainyard")
}
