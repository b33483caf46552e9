package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trainyard/trainyard/internal/confine"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
)

//go:embed site
var site embed.FS

// drain is how long the pipes are read on after the program's tree is gone: a
// process that got away must not hang the end.
const drain = 2 * time.Second

// runProgram runs the module to its end, and its whole tree with it.
func (a *agent) runProgram(ctx context.Context, env Env) (job.Exit, error) {
	if err := a.furnish(); err != nil {
		return job.Exit{}, err
	}
	pumps, err := openPumps(a.dir.file("records"), a.book)
	if err != nil {
		return job.Exit{}, err
	}
	defer pumps.close()
	r := a.task.Replica
	a.book.say(logs.Info, "Running command: "+strings.Join(append([]string{"python3", "-m", r.Module}, r.Args...), " "))
	before, start := childrenCPU(), time.Now()
	cmd, limit, err := a.startProgram(env, pumps)
	defer func() { a.tree.group.remove() }()
	if err != nil {
		return job.Exit{}, err
	}
	a.book.runs(cmd.Process.Pid)
	a.status.write(func(st *status) { st.Phase, st.Started, st.Program = "running", start.UTC(), cmd.Process.Pid })
	pumps.start(a.vars.hide, func() { a.status.done("first line", start, ""); a.status.tell() })
	requested := a.tree.wait(ctx, cmd, r.Grace, a)
	pumps.drain(drain)
	a.status.done("run", start, "")

	exit := exitOf(cmd.ProcessState)
	exit.Step, exit.Requested = "run", requested
	exit.CPUSeconds = (childrenCPU() - before).Seconds()
	exit.PeakMemory, exit.MemLimit = a.tree.group.peak(), limit
	if exit.PeakMemory == 0 {
		exit.PeakMemory = maxRSS(cmd.ProcessState)
	}
	exit.Tail = a.book.tail()
	if exit.Code != 0 {
		exit.OutOfMem = a.tree.group.kills() > 0
		exit.Traceback, exit.AfterTraceback, exit.Uncaught = a.book.traceback()
	}
	a.cleanUp(exit.Code == 0)
	return exit, nil
}

// startProgram starts the program, in a cgroup of its own where there may be
// one, and says what memory limit is in force.
func (a *agent) startProgram(env Env, pumps *pipes) (cmd *exec.Cmd, limit int64, err error) {
	limit = a.task.MemoryLimit
	g, why := makeGroup(a.groupName(), limit)
	if g != nil {
		g.weigh(a.groupName(), a.task.Replica.Need.CPUs)
		g.bound(a.groupName())
		// On disk before anything is in it, so that Reap knows where to look.
		if err := writeJSON(a.dir.file(agentFile), self{Pid: os.Getpid(), Started: time.Now().UTC(), Group: g.dir, Others: g.others}, false); err != nil {
			g.remove()
			return nil, 0, err
		}
	}
	a.tree.group = g
	if cmd, err = a.startIn(env, pumps, g.start); err != nil {
		// A group may be ours to make and not to enter.
		why = err
		g.remove()
		a.tree.group = nil
		if cmd, err = a.startIn(env, pumps, (*exec.Cmd).Start); err != nil {
			return nil, 0, fmt.Errorf("start %s: %w", env.Python, err)
		}
	}
	expendable(cmd)
	if limit > 0 && why != nil {
		limit = 0
		a.book.say(logs.Warning, fmt.Sprintf("The memory limit of %d bytes is not enforced: %v.", a.task.MemoryLimit, why))
	}
	return cmd, limit, nil
}

// unconfined is what it means to see the machine's own files.
const unconfined = "/tmp may be everybody's, and TensorFlow before 2.3 may not open gs:// paths"

// startIn starts the program with its own view of the machine's files, and
// without one, saying so, where the machine gives none.
func (a *agent) startIn(env Env, pumps *pipes, start func(*exec.Cmd) error) (*exec.Cmd, error) {
	if v := a.view(env); !v.Empty() {
		tmp := a.dir.file("tmp")
		if v.Tmp != "" {
			tmp = confine.Tmp
		}
		cmd := a.command(env, pumps, tmp)
		started, err := confine.Start(a.Binary, v, cmd, start)
		if err == nil {
			failed := started.Failed()
			for _, f := range failed {
				a.book.say(logs.Warning, fmt.Sprintf("The program sees files of the machine's own (%s): %s.", f, unconfined))
			}
			if v.Tmp != "" && len(failed) == 0 {
				a.warnOfTmp()
			}
			return cmd, nil
		}
		defer func() {
			a.book.say(logs.Warning, fmt.Sprintf("This machine gives programs no view of its files of their own (%v): %s.", err, unconfined))
		}()
	}
	cmd := a.command(env, pumps, a.dir.file("tmp"))
	return cmd, start(cmd)
}

// warnOfTmp says of which arguments the program will find nothing, or leave
// nothing.
func (a *agent) warnOfTmp() {
	kept, isKept := a.keptJobDir()
	for _, arg := range a.task.Replica.Args {
		if isKept && strings.HasSuffix(arg, kept) {
			continue
		}
		if i := strings.Index(arg, confine.Tmp+"/"); i == 0 || i > 0 && arg[i-1] == '=' {
			a.book.say(logs.Warning, arg[i:]+" is in the replica's own /tmp, which is empty when the program starts and removed when it ends. Give the program a gs:// path, or a path elsewhere on this machine.")
		}
	}
}

// view is what the program is to see differently.
func (a *agent) view(env Env) confine.View {
	var v confine.View
	if a.Binary == "" {
		return v
	}
	if a.task.PrivateTmp {
		v.Tmp, v.Keep = a.dir.file("tmp"), a.needed(env)
		if slices.Contains(v.Keep, confine.Tmp) {
			a.book.say(logs.Warning, "/tmp is everybody's: the data directory, Python or the job-dir is in it and not in a folder of it.")
			v.Tmp, v.Keep = "", nil
		}
	}
	if a.out != nil {
		v.Files = map[string]string{}
		for _, path := range a.out.trusted { // read by what has its path compiled in
			v.Files[path] = a.out.bundle
		}
	}
	return v
}

// keptJobDir is a job-dir that is a folder of this machine, as that of a local
// run is: what the program writes there is to stay.
func (a *agent) keptJobDir() (string, bool) {
	dir := cmp.Or(jobDir(a.task.Replica.Args), a.vars.values[job.JobDirVariable])
	if !filepath.IsAbs(dir) {
		return "", false
	}
	info, err := os.Stat(dir)
	return dir, err == nil && info.IsDir()
}

// needed are the files and folders without which there is no program, by their
// names and where those lead.
func (a *agent) needed(env Env) []string {
	keep := []string{a.task.DataDir, a.Binary}
	if dir, ok := a.keptJobDir(); ok {
		keep = append(keep, dir)
	}
	if python, err := filepath.EvalSymlinks(env.Python); err == nil {
		keep = append(keep, filepath.Dir(filepath.Dir(python)))
	}
	for _, path := range keep {
		if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
			keep = append(keep, real)
		}
	}
	return keep
}

func (a *agent) command(env Env, p *pipes, tmp string) *exec.Cmd {
	r := a.task.Replica
	cmd := exec.Command(env.Python, append([]string{"-m", r.Module}, r.Args...)...) //nolint:gosec // the user's program is what this is for
	cmd.Dir, cmd.Env = a.dir.file(UserDir), a.environ(env, tmp)
	cmd.Stdout, cmd.Stderr = p.stdout.w, p.stderr.w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// furnish makes the program's folders.
func (a *agent) furnish() error {
	for _, name := range []string{UserDir, "home", "tmp", "bin", "stand-ins"} {
		if err := os.Mkdir(a.dir.file(name), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return disk(a.dir.file(name), err)
		}
	}
	// As /tmp it serves whomever the program becomes; the folder above is closed.
	if err := os.Chmod(a.dir.file("tmp"), 0o777|os.ModeSticky); err != nil {
		return disk(a.dir.file("tmp"), err)
	}
	if err := os.CopyFS(string(a.dir), site); err != nil && !errors.Is(err, os.ErrExist) {
		return disk(a.dir.file("site"), err)
	}
	if a.Binary == "" {
		return nil
	}
	for _, name := range []string{"bin/trainyard", "stand-ins/gsutil", "stand-ins/gcloud"} {
		if err := os.Symlink(a.Binary, a.dir.file(name)); err != nil && !errors.Is(err, os.ErrExist) {
			return disk(a.dir.file(name), err)
		}
	}
	return nil
}

// cleanUp ends the run as the original's launcher did. What a failed program
// left in its folders stays for whoever wants to look.
func (a *agent) cleanUp(well bool) {
	a.book.say(logs.Info, "Module completed; cleaning up.")
	gone := []string{"tmp", "site", "bin", "stand-ins", "records"}
	if well {
		gone = append(gone, UserDir, "home")
	}
	remove := func(name string) {
		if err := os.RemoveAll(a.dir.file(name)); err != nil {
			a.Log.Warn("a folder of the program cannot be removed", "err", err)
		}
	}
	for _, name := range gone {
		remove(name)
	}
	if !well && fills(a.dir.file(UserDir)) {
		remove(UserDir)
		a.book.say(logs.Warning, "The working directory is not kept for inspection: the disk is full, and it takes more of it than is free.")
	}
	a.book.say(logs.Info, "Clean up finished.")
	if well {
		a.book.say(logs.Info, "Task completed successfully.")
	}
}

// groupName is unique on the machine.
func (a *agent) groupName() string {
	return fmt.Sprintf("%s-%s-%s", a.task.Name, filepath.Base(string(a.dir)), a.dir.sum())
}

// sum tells the folder from its copies.
func (d Folder) sum() string {
	sum := sha256.Sum256([]byte(d))
	return hex.EncodeToString(sum[:4])
}

// wait waits until the program and its tree have ended, and says whether they
// were asked to. Asked, they get SIGTERM and after the grace period SIGKILL;
// what outlives a program that ended by itself is killed at once.
func (t tree) wait(ctx context.Context, cmd *exec.Cmd, grace time.Duration, a *agent) (requested bool) {
	ended := make(chan struct{})
	orphans := make(chan os.Signal, 1)
	signal.Notify(orphans, unix.SIGCHLD)
	defer signal.Stop(orphans)
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	defer func() {
		if err := t.kill(); err != nil {
			a.Log.Error("the program's processes do not end", "err", err)
		}
		<-ended // only then may what is left be collected
		reapAdopted(0)
	}()
	for {
		select {
		case <-orphans:
			reapAdopted(cmd.Process.Pid)
			continue
		case <-ended:
			return ctx.Err() != nil
		case <-ctx.Done():
		}
		break
	}
	t.signal(unix.SIGTERM)
	for deadline := time.After(grace); t.alive(); {
		select {
		case <-deadline:
			a.book.say(logs.Warning, fmt.Sprintf("The program did not end within %s of SIGTERM; killing it.", grace))
			return true
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

func (t tree) alive() bool { return len(t.members()) > 0 }

// failed is the exit record of a run whose program never ran.
func (a *agent) failed(ctx context.Context, err error) job.Exit {
	exit := job.Exit{Code: 1, Step: a.step, Message: err.Error(), Retry: fault.Is(err, fault.Unavailable)}
	if hint := fault.HintOf(err); hint != "" {
		exit.Message += "\n" + hint
	}
	if se, ok := errors.AsType[*StepError](err); ok {
		exit.Step, exit.Tail = se.Step, se.Tail
		if se.Code > 0 {
			exit.Code = se.Code
		}
	}
	requested := ctx.Err() != nil || errors.Is(err, errStopped)
	if a.book != nil && !requested {
		a.book.say(logs.Error, exit.Message)
		if len(exit.Tail) == 0 {
			exit.Tail = a.book.tail()
		}
	}
	// What an installer left running goes with it.
	if err := a.tree.kill(); err != nil {
		a.Log.Error("the installer's processes do not end", "err", err)
	}
	if requested {
		exit.Code, exit.Signal, exit.Requested, exit.Message = 128+int(unix.SIGTERM), "SIGTERM", true, ""
	}
	return exit
}
