package inplace

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// grace is how long a process may take to end when it is asked to.
const grace = 10 * time.Second

// Program is what to run.
type Program struct {
	Python string
	Module string
	Args   []string
	Dir    string // the folder that the package lies in
	Env    []string
	// Cluster makes the run a distributed one.
	Cluster *Cluster

	In       io.Reader // of the primary
	Out, Err io.Writer
	// Terminal says that In is one: a Ctrl-C reaches the primary by itself.
	Terminal bool
	// Warn is told what is likely not meant.
	Warn func(format string, args ...any)
}

// Python finds the interpreter: the one asked for, else python on a PATH, else
// python3.
func Python(asked, path string) (string, error) {
	if asked != "" {
		found, err := exec.LookPath(asked)
		if err != nil {
			return "", fault.Errorf(fault.Invalid, "the Python %s cannot be run: %w", asked, err).WithHint("it is the setting local-python")
		}
		return found, nil
	}
	for _, name := range []string{"python", "python3"} {
		for _, dir := range filepath.SplitList(path) {
			if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return found, nil
			}
		}
	}
	return "", fault.Errorf(fault.Invalid, "there is no python on PATH").WithHint("trainyard config set local-python /path/to/python")
}

// Run runs the program until its primary has ended, ends the other processes,
// and gives the primary's exit status, 128+n for signal n. When ctx ends the
// primary is interrupted and may take a while to end.
func (p Program) Run(ctx context.Context) (int, error) {
	p.Out, p.Err = together(p.Out, p.Err)
	var cluster map[string][]string
	first := task{}
	if p.Cluster != nil {
		if err := p.Cluster.Check(); err != nil {
			return 0, err
		}
		first.kind = p.primary(ctx)
		cluster = p.Cluster.addresses(first.kind)
		others := &crowd{}
		defer others.end()
		for _, t := range p.Cluster.others() {
			cmd, err := p.command(cluster, t)
			if err != nil {
				return 0, err
			}
			group(cmd)
			if err := others.start(cmd); err != nil {
				return 0, p.failed(t, err)
			}
		}
	}
	cmd, err := p.command(cluster, first)
	if err != nil {
		return 0, err
	}
	cmd.Stdin = p.In
	if !p.Terminal { // else it could not read from it, and is reached by a Ctrl-C itself
		group(cmd)
	}
	if err := cmd.Start(); err != nil {
		return 0, p.failed(first, err)
	}
	defer context.AfterFunc(ctx, func() {
		if !p.Terminal {
			interruptGroup(cmd)
		}
		time.AfterFunc(grace, func() { _ = cmd.Process.Kill() })
	})()
	_ = cmd.Wait() // the state says it
	return status(cmd.ProcessState), nil
}

func (p Program) failed(t task, err error) error {
	who := p.Module
	if t.kind != "" {
		who += " (" + t.String() + ")"
	}
	return fault.Errorf(fault.Invalid, "%s cannot be started: %w", who, err)
}

func (p Program) command(cluster map[string][]string, t task) (*exec.Cmd, error) {
	config, err := tfConfig(p.Module, p.Args, cluster, t)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode TF_CONFIG: %w", err)
	}
	cmd := exec.Command(p.Python, append([]string{"-m", p.Module}, p.Args...)...) //nolint:gosec // the user's program is what this is for
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, p.Out, p.Err
	cmd.Env = append(append([]string{}, p.Env...), "TF_CONFIG="+config)
	return cmd, nil
}

// primary is the name of the first process: TensorFlow 1 knows a master, 2 a
// chief.
func (p Program) primary(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, p.Python, "-c", "import tensorflow as tf; print(tf.version.VERSION)") //nolint:gosec // the user's own Python
	cmd.Env = p.Env
	out, err := cmd.Output()
	version := strings.TrimSpace(string(out))
	switch {
	case err != nil:
		p.Warn("Cannot import tensorflow with %s. Using \"chief\" for the cluster.", p.Python)
	case strings.HasPrefix(version, "1."):
		return "master"
	case !strings.HasPrefix(version, "2."):
		p.Warn("Unexpected tensorflow version %s. Using \"chief\" for the cluster.", version)
	}
	return "chief"
}

// together makes outputs fit to be written to by several processes, as files
// are.
func together(out, err io.Writer) (io.Writer, io.Writer) {
	mu := &sync.Mutex{}
	one := func(w io.Writer) io.Writer {
		if _, ok := w.(*os.File); ok {
			return w
		}
		return locked{mu, w}
	}
	return one(out), one(err)
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// crowd is the processes beside the primary.
type crowd struct {
	cmds []*exec.Cmd
	wg   sync.WaitGroup
}

func (c *crowd) start(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	c.cmds = append(c.cmds, cmd)
	c.wg.Go(func() { _ = cmd.Wait() })
	return nil
}

// end asks all processes to end, kills those that do not, and returns when
// they are gone.
func (c *crowd) end() {
	for _, cmd := range c.cmds {
		endGroup(cmd, false)
	}
	kill := time.AfterFunc(grace, func() {
		for _, cmd := range c.cmds {
			endGroup(cmd, true)
		}
	})
	defer kill.Stop()
	c.wg.Wait()
}
